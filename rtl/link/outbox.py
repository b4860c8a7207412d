"""The outbox: results wait here until the host says that it has them."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from bcsim.machine.widths import QUOTIENT_BITS
from bcsim.rtl.common.axi import StreamSignature
from bcsim.rtl.link.inbox import POSITION
from bcsim.rtl.link.layouts import RING

__all__ = ["Outbox"]


class Outbox(wiring.Component):
    """A ring of results' words, of which the low 16 bits are kept: scores and classes have no more.

    Throughput: a word a cycle while two are free. Latency: 2 cycles from `place` to `word`. TREADY is a register:
    behind it lies what the accelerator does when its last word is taken.

    Members
    -------
    results : In(StreamSignature(4))
    freed : In(POSITION)
        The words before this one are no longer needed.
    filled : Out(POSITION)
        Behind the latest word.
    place : In(POSITION)
    word : Out(16)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "results": In(StreamSignature(size=4)),
                "freed": In(POSITION),
                "filled": Out(POSITION),
                "place": In(POSITION),
                "word": Out(QUOTIENT_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ring = ring = memory.Memory(shape=QUOTIENT_BITS, depth=RING, init=[])
        write, read = ring.write_port(), ring.read_port()
        behind, free, room = Signal(POSITION), Signal(POSITION), Signal(init=1)
        m.d.comb += [
            behind.eq(self.filled + 1),
            free.eq(self.freed - behind),
            self.results.tready.eq(room),
            read.addr.eq(self.place),
        ]
        # On a large die the memory may lie far off. What it gives meets the escape and the checksum.
        m.d.sync += [
            write.addr.eq(self.filled),
            write.data.eq(self.results.tdata),
            write.en.eq(self.results.tvalid & room),
            self.word.eq(read.data),
        ]
        # One that is taken in this cycle still counts as free.
        m.d.sync += room.eq(free[1:].any())
        with m.If(self.results.tvalid & room):
            m.d.sync += self.filled.eq(behind)
        return m
