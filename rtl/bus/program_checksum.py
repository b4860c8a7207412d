"""The program's checksum: CRC-32 over the words that a host loads, checked before they may run."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.axi import LITE_BITS

__all__ = ["ProgramChecksum", "checksum"]

PART = 8
"""Bits taken in a cycle: half a word, as often as the bus can bring one, would take three times the LUTs."""


def checksum(words: Iterable[int]) -> int:
    """CRC-32 (ISO-HDLC, as zlib's) of 32-bit words, each as 4 bytes with the lowest first."""
    return zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words))


class ProgramChecksum(wiring.Component):
    """Follows a load word by word; the word that closes it is the checksum of those before.

    Latency: 6 cycles from `word` to `verified`; throughput: one word every 5 cycles.

    Members
    -------
    data : In(32)
    word : In(1)
        `data` counts in this cycle; not while `busy` is high.
    fill : In(1)
        And it goes into a memory.
    close : In(1)
        `data` is the checksum; in a cycle of its own, as if it were a word.
    restart : In(1)
        A new load begins.
    accept : In(1)
        What is loaded has begun to run.
    busy : Out(1)
        A word is being taken.
    verified : Out(1)
        No memory was written and no checksum given since a program last ran, or the last word was the checksum.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "data": In(LITE_BITS),
                "word": In(1),
                "fill": In(1),
                "close": In(1),
                "restart": In(1),
                "accept": In(1),
                "busy": Out(1),
                "verified": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.crc = crc = CRC32_ISO_HDLC(PART).create()
        rest, left = Signal(LITE_BITS), Signal(LITE_BITS // PART)
        # The memories outlive a reset of the bus, and so does the question whether they are whole.
        loaded = Signal(reset_less=True)
        with m.If(self.word | self.close):
            m.d.sync += [rest.eq(self.data), left.eq(~0)]
        with m.Else():
            m.d.sync += [rest.eq(rest >> PART), left.eq(left >> 1)]
        m.d.comb += [
            self.busy.eq(left[0]),
            crc.start.eq(self.restart),
            crc.valid.eq(left[0]),
            crc.data.eq(rest[:PART]),
            self.verified.eq(~loaded | crc.match_detected),
        ]
        with m.If(self.fill | self.close):
            m.d.sync += loaded.eq(1)
        with m.Elif(self.accept):
            m.d.sync += loaded.eq(0)
        return m
