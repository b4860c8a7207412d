"""The answer: one frame back for a host's frame, with where both streams stand and what it asked for."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.machine.widths import QUOTIENT_BITS
from bcsim.rtl.common.axi import LITE_BITS
from bcsim.rtl.link.framing import FLAG, Framer
from bcsim.rtl.link.inbox import POSITION
from bcsim.rtl.link.layouts import BLOCK, GREETING_BYTES

__all__ = ["Answer"]

BLOCK_BITS = BLOCK.bit_length() - 1


class Answer(wiring.Component):
    """Sends a frame for each request; requests that come meanwhile share the next one.

    A frame is bytes accepted, bytes used, the status, the place of the payload's first word among the results, and the
    payload: results up to the last of a block of BLOCK, or the greeting, or what was read from the bus. The status
    comes behind what was used, so that it is not older.

    Parameters
    ----------
    greeting : bytes
        GREETING_BYTES of them.
    registers : bool
        Whether the link reaches the bus.

    Members
    -------
    request : In(1)
    restart : In(1)
        An answer that begins now has the greeting.
    greeted : Out(1)
        A greeting's last byte is being taken.
    damaged, refused : In(1)
        For the status.
    accepted, taken, freed, filled : In(POSITION)
    place : Out(POSITION)
    word : In(16)
        Of the results, for `place` of two cycles before.
    bus, read_data : In(1), In(32)
        The payload is `read_data`; only with `registers`.
    data : Out(8)
    valid : Out(1)
    ready : In(1)
    """

    def __init__(self, *, greeting: bytes, registers: bool = False) -> None:
        if len(greeting) != GREETING_BYTES:
            raise ValueError(f"Greeting must have {GREETING_BYTES} bytes, not {len(greeting)}")
        self.greeting, self.registers = greeting, registers
        super().__init__(
            {
                "request": In(1),
                "restart": In(1),
                "greeted": Out(1),
                "damaged": In(1),
                "refused": In(1),
                "accepted": In(POSITION),
                "taken": In(POSITION),
                "freed": In(POSITION),
                "filled": In(POSITION),
                "place": Out(POSITION),
                "word": In(QUOTIENT_BITS),
                **({"bus": In(1), "read_data": In(LITE_BITS)} if registers else {}),
                "data": Out(8),
                "valid": Out(1),
                "ready": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.framer = framer = Framer()
        advance, begin, step = Signal(), Signal(), Signal()
        greets, reads = Signal(), Signal()
        until = self._pass(m, begin, step, greets, reads)
        status = Cat(greets, self.damaged, reads, self.refused, Const(int(self.registers)))
        m.d.comb += [
            self.data.eq(framer.data),
            self.valid.eq(framer.valid),
            framer.ready.eq(self.ready),
            advance.eq(framer.content_valid & framer.content_ready),
        ]

        def send(content: Value | int, checked: bool = True) -> None:
            m.d.comb += [framer.content.eq(content), framer.content_valid.eq(1), framer.checked.eq(checked)]

        due, index = Signal(), Signal(2)
        m.d.sync += due.eq((due & ~begin) | self.request)
        with m.FSM():
            with m.State("Rest"), m.If(due):
                m.d.comb += begin.eq(1)
                m.next = "Open"
            for name, following in (("Open", "Header"), ("Close", "Rest")):
                with m.State(name):
                    send(FLAG, checked=False)
                    m.d.comb += [framer.flag.eq(1), self.greeted.eq(advance & greets & (name == "Close"))]
                    with m.If(advance):
                        m.next = following
            with m.State("Header"):
                send(Array([self.accepted, self.taken, status, self.place])[index])
                with m.If(advance):
                    m.d.sync += index.eq(index + 1)
                    with m.If(index.all()):
                        m.next = "Fetch"
            with m.State("Fetch"):
                m.d.sync += index[0].eq(~index[0])
                with m.If(index[0]):
                    m.next = "Payload"
                    with m.If(self.place == until):
                        m.next = "Check"
            with m.State("Payload"):
                send(self._byte(index[0], greets, reads))
                with m.If(advance):
                    m.d.sync += index[0].eq(~index[0])
                    with m.If(index[0]):
                        m.d.comb += step.eq(1)
                        m.next = "Fetch"
                        with m.If(self.place[:BLOCK_BITS].all()):
                            m.next = "Check"
            with m.State("Check"):
                send(framer.check.word_select(index[0], 8), checked=False)
                with m.If(advance):
                    m.d.sync += index[0].eq(~index[0])
                    with m.If(index[0]):
                        m.next = "Close"
        return m

    def _pass(self, m: Module, begin: Value, step: Value, greets: Signal, reads: Signal) -> Value:
        """Walk through the payload's words; returns the place behind the last one."""
        until = Signal(POSITION)
        with m.If(step):
            m.d.sync += self.place.eq(self.place + 1)
        with m.If(begin):
            # A restart has cleared the results: the greeting's words begin at place 0, too.
            end = self.filled | Mux(self.restart, GREETING_BYTES // 2, 0)
            m.d.sync += [self.place.eq(self.freed), until.eq(end), greets.eq(self.restart)]
            if self.registers:
                m.d.sync += reads.eq(self.bus & ~self.restart)
                with m.If(self.bus & ~self.restart):
                    m.d.sync += [self.place.eq(0), until.eq(LITE_BITS // QUOTIENT_BITS)]
        return until

    def _byte(self, high: Value, greets: Value, reads: Value) -> Value:
        """A byte of the payload's word."""
        greeting = Array([*self.greeting, *([self.greeting[-1]] * (16 - GREETING_BYTES))])
        found = self.word.word_select(high, 8)
        if self.registers:
            found = Mux(reads, self.read_data.word_select(Cat(high, self.place[0]), 8), found)
        return Mux(greets, greeting[Cat(high, self.place[:3])], found)
