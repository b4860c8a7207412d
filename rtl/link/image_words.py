"""Bytes of the link, collected to words of the image stream."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.axi import StreamSignature

__all__ = ["ImageWords"]


class ImageWords(wiring.Component):
    """Collects bytes, the lowest first. A word goes out once it is full, or where an image ends within it.

    Throughput: a byte a cycle, but for the cycles in which a word waits to be taken. Latency: 1 cycle.

    Parameters
    ----------
    size : int
        Bytes of a word.

    Members
    -------
    data : In(8)
    last : In(1)
        An image's last byte.
    valid, ready : In(1), Out(1)
    images : Out(StreamSignature(size, keep))
        All bytes of a word are kept: hosts fill words up.
    """

    def __init__(self, *, size: int) -> None:
        self.size = size
        super().__init__(
            {
                "data": In(8),
                "last": In(1),
                "valid": In(1),
                "ready": Out(1),
                "images": Out(StreamSignature(size=size, keep=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        images, size = self.images, self.size
        left = Signal(range(size), init=size - 1)
        m.d.comb += [self.ready.eq(~images.tvalid), images.tkeep.eq((1 << size) - 1)]
        with m.If(images.tvalid & images.tready):
            m.d.sync += images.tvalid.eq(0)
        with m.If(self.valid & self.ready):
            m.d.sync += [
                images.tdata.eq(Cat(images.tdata[8:], self.data)),
                images.tlast.eq(self.last),
                left.eq(left - 1),
            ]
            with m.If((left == 0) | self.last):
                m.d.sync += [images.tvalid.eq(1), left.eq(size - 1)]
        return m
