"""Frames on a byte line: HDLC-like framing as of RFC 1662, flags between frames, escapes within, CRC-16 behind."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.crc import Processor
from amaranth.lib.crc.catalog import CRC16_IBM_SDLC
from amaranth.lib.wiring import In, Out

__all__ = ["ESCAPE", "FLAG", "FLIP", "Deframer", "Framer"]

FLAG = 0x7E
ESCAPE = 0x7D
FLIP = 0x20
"""What an escaped byte is xored with."""


def _new_check() -> Processor:
    """The frame check sequence of RFC 1662, a byte at a time."""
    return CRC16_IBM_SDLC(8).create()


class Deframer(wiring.Component):
    """Takes escapes and flags out of a byte line and checks frames. Latency: 0.

    Members
    -------
    data : In(8)
    valid : In(1)
        `data` is a byte, never in two cycles that follow each other.
    content : Out(8)
    byte : Out(1)
        `content` is a byte of a frame, its two check bytes included.
    end : Out(1)
        A frame ends here, or none began.
    good : Out(1)
        With `end`: what came since the last flag ends with its check sequence.
    """

    def __init__(self) -> None:
        super().__init__(
            {"data": In(8), "valid": In(1), "content": Out(8), "byte": Out(1), "end": Out(1), "good": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        check = _new_check()
        m.submodules.check = ResetInserter(self.end)(check)
        escaped, flag, escape = Signal(), Signal(), Signal()
        m.d.comb += [
            flag.eq(self.data == FLAG),
            escape.eq(self.data == ESCAPE),
            self.content.eq(self.data ^ (escaped << FLIP.bit_length() - 1)),
            self.byte.eq(self.valid & ~flag & ~escape),
            self.end.eq(self.valid & flag),
            # RFC 1662: an escape right before the flag aborts the frame.
            self.good.eq(check.match_detected & ~escaped),
            check.valid.eq(self.byte),
            check.data.eq(self.content),
        ]
        with m.If(self.valid):
            m.d.sync += escaped.eq(escape)
        return m


class Framer(wiring.Component):
    """Puts escapes into a frame and computes its check sequence. Latency: 1 from `content`, whose first level counts.

    Members
    -------
    content : In(8)
    flag : In(1)
        `content` is a flag, not to be escaped, and the check starts anew.
    checked : In(1)
        The check covers `content`.
    check : Out(16)
        The check sequence of what was sent since the last flag; its low byte goes first.
    content_valid, content_ready : In(1), Out(1)
    data : Out(8)
    valid, ready : Out(1), In(1)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "content": In(8),
                "flag": In(1),
                "checked": In(1),
                "check": Out(16),
                "content_valid": In(1),
                "content_ready": Out(1),
                "data": Out(8),
                "valid": Out(1),
                "ready": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        check = _new_check()
        held, escaped, special, escape, settled = Signal(8), Signal(), Signal(), Signal(), Signal()
        m.submodules.check = ResetInserter(self.content_ready & self.flag)(check)
        # A register between what the content is and whether it is taken: they were the link's longest path. Counts of
        # what came and what was used go on meanwhile, but a byte that needs no escape must not become one that does.
        with m.If(~settled):
            m.d.sync += [held.eq(self.content), special.eq((self.content == FLAG) | (self.content == ESCAPE))]
        m.d.sync += settled.eq(self.content_valid & ~self.content_ready)
        m.d.comb += [
            escape.eq(special & ~self.flag & ~escaped),
            self.data.eq(Mux(escape, ESCAPE, held ^ (escaped << FLIP.bit_length() - 1))),
            self.valid.eq(settled),
            self.content_ready.eq(settled & self.ready & ~escape),
            check.data.eq(held),
            check.valid.eq(self.content_ready & self.checked),
            self.check.eq(check.crc),
        ]
        with m.If(self.valid & self.ready):
            m.d.sync += escaped.eq(escape)
        return m
