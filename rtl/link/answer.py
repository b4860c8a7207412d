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
        word, over = self._payload(m, begin, step, greets, reads)
        status = Cat(greets, self.damaged, reads, self.refused, Const(int(self.registers)))
        m.d.comb += [
            self.data.eq(framer.data),
            self.valid.eq(framer.valid),
            framer.ready.eq(self.ready),
            advance.eq(framer.content_valid & framer.content_ready),
        ]

        def send(content: Value | int, checked: bool = True) -> None:
            m.d.comb += [framer.content.eq(content), framer.content_valid.eq(1), framer.checked.eq(checked)]

        due = Signal()
        m.d.sync += due.eq((due & ~begin) | self.request)
        with m.FSM():
            with m.State("Rest"), m.If(due):
                m.d.comb += begin.eq(1)
                m.next = "Open"
            for name, following in (("Open", "Accepted"), ("Close", "Rest")):
                with m.State(name):
                    send(FLAG, checked=False)
                    m.d.comb += [framer.flag.eq(1), self.greeted.eq(advance & greets & (name == "Close"))]
                    with m.If(advance):
                        m.next = following
            for name, content, following in (
                ("Accepted", self.accepted, "Taken"),
                ("Taken", self.taken, "Status"),
                ("Status", status, "Place"),
                ("Low", word[:8], "High"),
            ):
                with m.State(name):
                    send(content)
                    with m.If(advance):
                        m.next = following
            for name, content in (("Place", self.place), ("High", word[8:])):
                with m.State(name):
                    send(content)
                    with m.If(advance):
                        m.d.comb += step.eq(name == "High")
                        m.next = "Address"
                        if name == "High":
                            with m.If(self.place[:BLOCK_BITS].all()):
                                m.next = "Check-Low"
            with m.State("Address"):
                m.next = "Fetch"
            with m.State("Fetch"):
                m.next = "Low"
                with m.If(over):
                    m.next = "Check-Low"
            for name, content, following in (
                ("Check-Low", framer.check[:8], "Check-High"),
                ("Check-High", framer.check[8:], "Close"),
            ):
                with m.State(name):
                    send(content, checked=False)
                    with m.If(advance):
                        m.next = following
        return m

    def _payload(
        self, m: Module, begin: Value, step: Value, greets: Signal, reads: Signal
    ) -> tuple[Value, Value]:
        """The payload's next word, and whether there is none."""
        until = Signal(POSITION)
        greeting = Array(
            int.from_bytes(self.greeting[start : start + 2], "little")
            for start in range(0, GREETING_BYTES, 2)
        )
        with m.If(step):
            m.d.sync += self.place.eq(self.place + 1)
        with m.If(begin):
            m.d.sync += [self.place.eq(self.freed), until.eq(self.filled), greets.eq(self.restart)]
        word = Mux(greets, greeting[self.place[:3]], self.word)
        if self.registers:
            with m.If(begin):
                m.d.sync += reads.eq(self.bus & ~self.restart)
                with m.If(self.bus & ~self.restart):
                    m.d.sync += [self.place.eq(0), until.eq(LITE_BITS // QUOTIENT_BITS)]
            word = Mux(reads, self.read_data.word_select(self.place[0], QUOTIENT_BITS), word)
        return word, self.place == Mux(greets, GREETING_BYTES // 2, until)
