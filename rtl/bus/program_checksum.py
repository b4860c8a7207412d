"""The program's checksum: CRC-32 over the words that a host loads, checked before they may run."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.axi import LITE_BITS

__all__ = ["ProgramChecksum", "checksum"]

PART = 4
"""Bits taken in a cycle; of 8 a division by the polynomial takes twice the LUTs."""

POLYNOMIAL = 0xEDB88320
"""ISO-HDLC's, the coefficient of the highest power last: the lowest bit of a byte comes first."""

WHOLE = (1 << LITE_BITS) - 1
"""What the remainder starts from, and what a checksum is complemented by."""


def checksum(words: Iterable[int]) -> int:
    """CRC-32 (ISO-HDLC, as zlib's) of 32-bit words, each as 4 bytes with the lowest first."""
    return zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words))


class ProgramChecksum(wiring.Component):
    """Follows a load word by word; the word that closes it is the checksum of those before.

    Latency: 10 cycles from `word` to `verified`; throughput: one word every 9 cycles.

    amaranth.lib.crc compares the whole remainder with what a right checksum leaves, and takes twice the LUTs. Here the
    division tells: a right checksum is the remainder's complement, and a remainder divided with itself behind it leaves
    quotients of 0.

    Members
    -------
    data : In(32)
    word : In(1)
        `data` counts in this cycle; not while `busy` is high.
    fill : In(1)
        And it goes into a memory.
    close : In(1)
        `data` is the checksum; in a cycle of its own.
    restart : In(1)
        A new load begins.
    accept : In(1)
        What is loaded has begun to run.
    busy : Out(1)
        A word is being taken.
    verified : Out(1)
        No memory was written and no checksum given since a program last ran, or the right one came last.
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
        rest, left = Signal(LITE_BITS), Signal(range(LITE_BITS // PART))
        remainder, right = Signal(LITE_BITS, init=WHOLE), Signal()
        # The memories outlive a reset of the bus, and so does the question whether they are whole.
        loaded = Signal(reset_less=True)
        divided, quotient = self._divide(m, remainder, rest)
        with m.If(self.word | self.close):
            m.d.sync += [
                rest.eq(self.data ^ self.close.replicate(LITE_BITS)),
                *(left.eq(~0), self.busy.eq(1), right.eq(self.close)),
            ]
        with m.Elif(self.busy):
            m.d.sync += [
                remainder.eq(divided),
                rest.eq(rest >> PART),
                left.eq(left - 1),
                self.busy.eq(left != 0),
                right.eq(right & ~quotient.any()),
            ]
        with m.If(self.restart):
            m.d.sync += [remainder.eq(WHOLE), right.eq(0)]
        with m.If(self.fill | self.close):
            m.d.sync += loaded.eq(1)
        with m.Elif(self.accept):
            m.d.sync += loaded.eq(0)
        m.d.comb += self.verified.eq(~loaded | (right & ~self.busy))
        return m

    def _divide(self, m: Module, remainder: Value, data: Value) -> tuple[Value, Value]:
        """The remainder behind the next bits of the data, and the bits of the quotient, which are dropped."""
        quotient = Signal(PART)
        for index in range(PART):
            m.d.comb += quotient[index].eq(remainder[0] ^ data[index])
            divided = Signal(LITE_BITS, name=f"divided_{index}")
            m.d.comb += divided.eq((remainder >> 1) ^ (quotient[index].replicate(LITE_BITS) & POLYNOMIAL))
            remainder = divided
        return remainder, quotient
