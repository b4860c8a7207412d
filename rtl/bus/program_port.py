"""The program port: the bus's way into the program memories."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import address_bits
from bcsim.rtl.bus.program_image import program_memories
from bcsim.rtl.common.axi import LITE_BITS
from bcsim.rtl.common.loaded_memory import slices
from bcsim.rtl.common.register_map import ProgramMemory
from bcsim.rtl.common.require import require_machine

__all__ = ["ProgramPort", "ProgramSignature"]


class ProgramSignature(wiring.Signature):
    """Writes to the program memories, 32 bits each.

    Members
    -------
    enable : Out(len(program_memories(machine)))
        One bit for each memory, in the order of ProgramMemory.
    slices : Out
        One-hot, as many bits as the widest memory has slices.
    address : Out
        As wide as the deepest memory needs.
    data : Out(32)
    """

    def __init__(self, machine: Machine) -> None:
        memories = program_memories(machine)
        super().__init__(
            {
                "enable": Out(len(memories)),
                "slices": Out(max(slices(memory.width) for memory in memories)),
                "address": Out(max(address_bits(memory.depth) for memory in memories)),
                "data": Out(LITE_BITS),
            }
        )


class ProgramPort(wiring.Component):
    """The registers MEMORY, ADDRESS and DATA.

    Latency: 1 cycle from `write_data` to the write; throughput: one write every 2 cycles, as whether an address lies
    inside its memory is looked at in the cycle before.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    data : In(32)
    write_memory, write_address, write_data : In(1)
        `data` is for this register. At most one is high.
    running : In(1)
        The machine uses its program: data are refused.
    memory, address : Out(32)
        The registers' contents: as many bits as there are memories and words for, and one more, which is set for all
        numbers beyond.
    fills : Out(1)
        `data` is written into a memory.
    loads : Out(1)
        It is, or says where words go: what a load's checksum covers.
    too_large, busy : Out(1)
        Data were refused, because of their address or because of `running`.
    program : Out(ProgramSignature(machine))
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        super().__init__(
            {
                "data": In(LITE_BITS),
                "write_memory": In(1),
                "write_address": In(1),
                "write_data": In(1),
                "running": In(1),
                "memory": Out(LITE_BITS),
                "address": Out(LITE_BITS),
                "fills": Out(1),
                "loads": Out(1),
                "too_large": Out(1),
                "busy": Out(1),
                "program": Out(ProgramSignature(machine)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        program = self.program
        memories = program_memories(self.machine)
        memory = Signal(len(memories).bit_length() + 1)
        address = Signal(len(program.address) + 1)
        kinds = memories[: ProgramMemory.PARAMETERS + 1]
        alike: Value = Const(int(ProgramMemory.PARAMETERS))
        if self.machine.weight_stream_bytes:
            kinds = (*kinds, memories[-1])
            alike = Mux(memory == len(memories) - 1, len(kinds) - 1, ProgramMemory.PARAMETERS)
        slice_ = Signal(len(program.slices), init=1)
        kind, inside, last, write = Signal(range(len(kinds))), Signal(), Signal(), Signal()
        m.d.comb += [
            self.memory.eq(memory),
            self.address.eq(address),
            kind.eq(Mux(memory < ProgramMemory.PARAMETERS, memory, alike)),
            last.eq(Array(slice_[slices(k.width) - 1] for k in kinds)[kind]),
            write.eq(self.write_data & inside & ~self.running),
            self.fills.eq(write),
            self.loads.eq(write | ((self.write_memory | self.write_address) & ~self.running)),
            self.busy.eq(self.write_data & self.running),
            self.too_large.eq(self.write_data & ~inside),
        ]
        m.d.sync += [
            inside.eq((memory < len(memories)) & (address < Array(k.depth for k in kinds)[kind])),
            program.enable.eq(Mux(write, 1 << memory[: len(memories).bit_length()], 0)),
            program.slices.eq(slice_),
            program.address.eq(address),
            program.data.eq(self.data),
        ]
        with m.If(self.write_memory):
            m.d.sync += [memory.eq(self._narrow(memory)), slice_.eq(1)]
        with m.If(self.write_address):
            m.d.sync += [address.eq(self._narrow(address)), slice_.eq(1)]
        with m.If(write):
            m.d.sync += [slice_.eq(Mux(last, 1, slice_ << 1)), address.eq(address + last)]
        return m

    def _narrow(self, register: Signal) -> Value:
        """The data with one bit for all that the register has no room for."""
        low = len(register) - 1
        return Cat(self.data[:low], self.data[low:].any())
