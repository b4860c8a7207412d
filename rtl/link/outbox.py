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

    Throughput: a word a cycle until it is full. Latency: 2 cycles from `place` to `word`.

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
        behind = Signal(POSITION)
        m.d.comb += [
            behind.eq(self.filled + 1),
            self.results.tready.eq(behind != self.freed),
            write.addr.eq(self.filled),
            write.data.eq(self.results.tdata),
            write.en.eq(self.results.tvalid & self.results.tready),
            read.addr.eq(self.place),
        ]
        # Block memories are slow from clock to output, and what follows is the escape and the checksum.
        m.d.sync += self.word.eq(read.data)
        with m.If(write.en):
            m.d.sync += self.filled.eq(behind)
        return m
