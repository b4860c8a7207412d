"""The activation memory: one read port with an output register, one write port that two blocks share."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from bcsim.machine.parameters import Machine
from bcsim.rtl.common.require import require_machine

__all__ = [
    "ActivationMemory",
    "WriteArbiter",
    "WriteSignature",
    "address_bits",
]


def address_bits(depth: int) -> int:
    """Width of an address of `depth` words; at least 1, so that every memory has an address."""
    return max(1, int(ceil_log2(depth)))


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

    Latency: 0. A write of the loader's happens in the cycles of `loader_ready`.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    drain, loader : In(WriteSignature(machine))
    loader_ready : Out(1)
    write_enable, write_address, write_data : Out
        As in WriteSignature.
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        chosen = WriteSignature(machine)
        super().__init__(
            {
                "drain": In(chosen),
                "loader": In(chosen),
                "loader_ready": Out(1),
                **{f"write_{name}": member for name, member in chosen.members.items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        drain, loader = self.drain, self.loader
        busy = Signal()
        m.d.comb += [
            busy.eq(drain.enable.any()),
            self.loader_ready.eq(~busy),
            self.write_enable.eq(Mux(busy, drain.enable, loader.enable)),
            self.write_address.eq(Mux(busy, drain.address, loader.address)),
            self.write_data.eq(Mux(busy, drain.data, loader.data)),
        ]
        return m


class ActivationMemory(wiring.Component):
    """The memory of the images and of the values between layers, written in groups of lanes.

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
        machine = self.machine
        m.submodules.words = words = memory.Memory(
            shape=machine.lanes * machine.digit, depth=machine.activation_words, init=[]
        )
        write = words.write_port(granularity=machine.requantisers * machine.digit)
        read = words.read_port()
        output = Signal(machine.lanes * machine.digit, reset_less=True)
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.en.eq(self.read_enable),
            read.addr.eq(self.read_address),
            self.read_data.eq(output),
        ]
        m.d.sync += output.eq(read.data)
        return m
