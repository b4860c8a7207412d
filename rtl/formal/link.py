"""The words that a link's bytes become."""

from __future__ import annotations

from amaranth.hdl import Assert, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from bcsim.rtl.formal.stream import remain_until_accepted
from bcsim.rtl.link.image_words import ImageWords

__all__ = ["ImageWordsProof"]


class ImageWordsProof(wiring.Component):
    """Asserts that words stay until they are taken, and that a word's bytes are the latest that were accepted.

    Parameters
    ----------
    size : int
        Bytes of a word.

    Members
    -------
    data, last, valid : In
        As in ImageWords; any bytes at all.
    tready : In(1)
    """

    def __init__(self, *, size: int) -> None:
        self.words = ImageWords(size=size)
        super().__init__({"data": In(8), "last": In(1), "valid": In(1), "tready": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = self.words
        images, size = words.images, words.size
        m.d.comb += [
            words.data.eq(self.data),
            words.last.eq(self.last),
            words.valid.eq(self.valid),
            images.tready.eq(self.tready),
        ]
        payload = Signal(8 * size + 1)
        m.d.comb += payload.eq(images.tdata | images.tlast << 8 * size)
        remain_until_accepted(m, images.tvalid, images.tready, payload)
        count, latest, ended = Signal(range(size + 1)), Signal(8 * size), Signal()
        accepted = self.valid & words.ready
        with m.If(images.tvalid & images.tready):
            m.d.sync += [count.eq(0), ended.eq(0)]
        with m.If(accepted):
            m.d.sync += [
                count.eq(count + 1),
                latest.eq((latest >> 8) | self.data << 8 * (size - 1)),
                ended.eq(self.last),
            ]
        m.d.comb += Assert(
            images.tvalid == (self._whole(count) | ended), "a word goes out once it is whole or the last"
        )
        with m.If(images.tvalid):
            m.d.comb += [
                Assert(images.tdata == latest, "the latest bytes, in order"),
                Assert(images.tlast == ended, "the last word is marked"),
            ]
        return m

    def _whole(self, count: Signal) -> Value:
        """Whether so many bytes are a word."""
        return count == self.words.size
