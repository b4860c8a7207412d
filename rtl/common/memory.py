"""The activation memory: reads with an output register, one write port that two blocks share; or two of one port."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import address_bits
from bcsim.rtl.common.activation_bank import ActivationBank
from bcsim.rtl.common.require import require_machine

__all__ = [
    "ActivationMemory",
    "WriteArbiter",
    "WriteSignature",
]


class WriteSignature(wiring.Signature):
    """A write into the activation memory.

    Members
    -------
    enable : Out(machine.groups)
        Bit g writes lanes g * R and up.
    address : Out(address_bits(machine.activation_words))
    data : Out(machine.lanes * machine.digit)
    """

    def __init__(self, machine: Machine) -> None:
        super().__init__(
            {
                "enable": Out(machine.groups),
                "address": Out(address_bits(machine.activation_words)),
                "data": Out(machine.lanes * machine.digit),
            }
        )


class WriteArbiter(wiring.Component):
    """The activation memory's one write port, shared: the drain writer goes first, the loader waits.

    Where memories have one port the loader also waits while a layer reads its memory.

    Latency: 0. A write of the loader's happens in the cycles of `loader_ready`.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    drain, loader : In(WriteSignature(machine))
    reading : In(1)
        Only where there are two memories: as in IssueSignature.
    loader_ready : Out(1)
    write_enable, write_address, write_data : Out
        As in WriteSignature.
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        chosen = WriteSignature(machine)
        super().__init__(
            {
                "drain": In(chosen),
                "loader": In(chosen),
                **({"reading": In(1)} if machine.activation_banks > 1 else {}),
                "loader_ready": Out(1),
                **{f"write_{name}": member for name, member in chosen.members.items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        drain, loader = self.drain, self.loader
        busy = Signal()
        free, loaded = ~busy, loader.enable
        if self.machine.activation_banks > 1:
            free, loaded = free & ~self.reading, Mux(self.reading, 0, loaded)
        m.d.comb += [
            busy.eq(drain.enable.any()),
            self.loader_ready.eq(free),
            self.write_enable.eq(Mux(busy, drain.enable, loaded)),
            self.write_address.eq(Mux(busy, drain.address, loader.address)),
            self.write_data.eq(Mux(busy, drain.data, loader.data)),
        ]
        return m


class ActivationMemory(wiring.Component):
    """The memory of the images and of the values between layers, written in groups of lanes; or the two of them.

    Latency: 2 cycles from `read_address` to `read_data`; a write is seen by addresses of later cycles.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    write_enable, write_address, write_data : In
        As in WriteSignature.
    read_enable : In(1)
    read_address : In(address_bits(machine.activation_words))
    read_data : Out(machine.lanes * machine.digit)
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        write = WriteSignature(machine).flip().members
        super().__init__(
            {
                **{f"write_{name}": member for name, member in write.items()},
                "read_enable": In(1),
                "read_address": In(address_bits(machine.activation_words)),
                "read_data": Out(machine.lanes * machine.digit),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        output = Signal(self.machine.lanes * self.machine.digit, reset_less=True)
        m.d.comb += self.read_data.eq(output)
        if self.machine.activation_banks > 1:
            m.d.sync += output.eq(self._in_banks(m))
            return m
        m.submodules.words = words = memory.Memory(
            shape=self.machine.lanes * self.machine.digit, depth=self.machine.activation_words, init=[]
        )
        write = words.write_port(granularity=self.machine.requantisers * self.machine.digit)
        read = words.read_port()
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.en.eq(self.read_enable),
            read.addr.eq(self.read_address),
        ]
        m.d.sync += output.eq(read.data)
        return m

    def _in_banks(self, m: Module) -> Value:
        """Two memories of one port, whose number is the highest bit of an address; returns what was read.

        A memory that is written is not read: the schedule sees to it.
        """
        read, last = [], Signal(reset_less=True)
        for number in range(self.machine.activation_banks):
            m.submodules[f"bank_{number}"] = bank = ActivationBank(self.machine)
            m.d.comb += [
                bank.write_enable.eq(Mux(self.write_address[-1] == number, self.write_enable, 0)),
                bank.write_data.eq(self.write_data),
                bank.read_enable.eq(self.read_enable & (self.read_address[-1] == number)),
                bank.address.eq(Mux(bank.write_enable.any(), self.write_address, self.read_address)),
            ]
            read.append(bank.read_data)
        with m.If(self.read_enable):
            m.d.sync += last.eq(self.read_address[-1])
        return Mux(last, read[1], read[0])
