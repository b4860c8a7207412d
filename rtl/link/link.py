"""The link: images from a line of bytes, results back to it, and the registers where wanted."""

from __future__ import annotations

from amaranth.hdl import Const, Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from bcsim.rtl.common.axi import LiteSignature, StreamSignature
from bcsim.rtl.common.register_map import ADDRESS_BITS
from bcsim.rtl.link.answer import Answer
from bcsim.rtl.link.bus_access import BusAccess
from bcsim.rtl.link.framing import Deframer
from bcsim.rtl.link.image_words import ImageWords
from bcsim.rtl.link.inbox import Inbox
from bcsim.rtl.link.layouts import Request
from bcsim.rtl.link.outbox import Outbox

__all__ = ["Link"]


class Link(wiring.Component):
    """Frames on a line of bytes, docs/host.md; nothing is sent that was not asked for, nothing is lost.

    What a frame brings is used once, in order, and only if its checksum is right and its place follows. Results stay
    until the host says that it has them. So a host sends again what was not accepted, and asks again for what did not
    come. Throughput: a byte every 3 cycles, in both directions at once.

    Parameters
    ----------
    input_bytes : int
        Of a word of the image stream.
    greeting : bytes
        What `restart` is answered with, from `greeting` of layouts.py.
    registers : bool
        Whether there is a bus.

    Members
    -------
    received, receive : In(8), In(1)
        A byte from the line, never in two cycles that follow each other.
    transmitted, transmit, ready : Out(8), Out(1), In(1)
        A byte to the line; it is taken where both are high.
    images : Out(StreamSignature(input_bytes, keep))
    results : In(StreamSignature(4))
        Words of 16 bits.
    bus : Out(LiteSignature(16))
        Only with `registers`.
    restart : Out(1)
        A host starts anew: reset what is behind the link.
    running : Out(1)
        A host has spoken since the reset.
    damaged : Out(1)
        A frame was damaged since the last restart.
    """

    def __init__(self, *, input_bytes: int, greeting: bytes, registers: bool = False) -> None:
        self.registers = registers
        self._answer = Answer(greeting=greeting, registers=registers)
        self._words = ImageWords(size=input_bytes)
        super().__init__(
            {
                "received": In(8),
                "receive": In(1),
                "transmitted": Out(8),
                "transmit": Out(1),
                "ready": In(1),
                "images": Out(StreamSignature(size=input_bytes, keep=True)),
                "results": In(StreamSignature(size=4)),
                **({"bus": Out(LiteSignature(address_bits=ADDRESS_BITS))} if registers else {}),
                "restart": Out(1),
                "running": Out(1),
                "damaged": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.deframer = deframer = Deframer()
        m.submodules.inbox = inbox = Inbox(registers=self.registers)
        m.submodules.outbox = ResetInserter(self.restart)(outbox := Outbox())
        m.submodules.answer = answer = self._answer
        m.submodules.image_words = ResetInserter(self.restart)(words := self._words)
        connect(m, flipped(self.images), words.images)
        connect(m, flipped(self.results), outbox.results)
        m.d.comb += [
            deframer.data.eq(self.received),
            deframer.valid.eq(self.receive),
            *(
                getattr(inbox, name).eq(getattr(deframer, name))
                for name in ("content", "byte", "end", "good")
            ),
            inbox.clear.eq(self.restart),
            outbox.freed.eq(inbox.freed),
            outbox.place.eq(answer.place),
            words.data.eq(inbox.data),
            words.last.eq(inbox.last),
        ]
        self._connect_answer(m, inbox, outbox)
        refused = self._connect_bus(m, inbox, words) if self.registers else Const(0)
        if not self.registers:
            m.d.comb += [words.valid.eq(inbox.valid), inbox.ready.eq(words.ready)]
        m.d.comb += [answer.refused.eq(refused), answer.damaged.eq(self.damaged)]
        self._remember(m, inbox)
        return m

    def _connect_answer(self, m: Module, inbox: Inbox, outbox: Outbox) -> None:
        answer = self._answer
        # A cycle later, so that an answer begins with what a restart has cleared.
        m.d.sync += answer.request.eq(inbox.request)
        m.d.comb += [
            answer.restart.eq(self.restart),
            answer.accepted.eq(inbox.accepted),
            answer.taken.eq(inbox.taken),
            answer.freed.eq(inbox.freed),
            answer.filled.eq(outbox.filled),
            answer.word.eq(outbox.word),
            self.transmitted.eq(answer.data),
            self.transmit.eq(answer.valid),
            answer.ready.eq(self.ready),
        ]

    def _connect_bus(self, m: Module, inbox: Inbox, words: ImageWords) -> Signal:
        """Bytes go to the images or to the bus; returns whether an access was refused."""
        m.submodules.bus_access = ResetInserter(self.restart)(access := BusAccess())
        connect(m, flipped(self.bus), access.bus)
        m.d.comb += [
            access.data.eq(inbox.data),
            access.last.eq(inbox.last),
            access.valid.eq(inbox.valid & inbox.bus),
            words.valid.eq(inbox.valid & ~inbox.bus),
            inbox.ready.eq((inbox.bus & access.ready) | (~inbox.bus & words.ready)),
            self._answer.bus.eq((inbox.asks & Request.BUS).any()),
            self._answer.read_data.eq(access.read_data),
        ]
        return access.refused

    def _remember(self, m: Module, inbox: Inbox) -> None:
        """A restart lasts until its greeting has been sent."""
        with m.If(inbox.damaged):
            m.d.sync += self.damaged.eq(1)
        with m.If(inbox.request):
            m.d.sync += self.running.eq(1)
            with m.If((inbox.asks & Request.RESTART).any()):
                m.d.sync += [self.restart.eq(1), self.damaged.eq(0)]
        with m.If(self._answer.greeted):
            m.d.sync += self.restart.eq(0)
