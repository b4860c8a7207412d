"""The watchdog: stops a machine that works on an image for longer than any image takes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LIMIT_BITS", "UNIT", "Watchdog"]

UNIT = 4096
"""Cycles in which the limit is counted: the finest that leaves VGG-16 on 32 x 32 lanes (15 million cycles an image) a
limit of 16 bits, with room for machines 16 times as slow."""

LIMIT_BITS = 16


class Watchdog(wiring.Component):
    """Counts the cycles since the last result in which the machine waits for nobody outside.

    Latency: the last of `limit * 4096` such cycles is that of `expired`, which lasts one cycle.

    Members
    -------
    limit : In(16)
        In units of 4096 cycles; 0 waits for ever.
    running : In(1)
    progress : In(1)
        A result was sent.
    waiting : In(1)
        The machine waits for the host: for an image, for weights, or for its results to be taken.
    expired : Out(1)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "limit": In(LIMIT_BITS),
                "running": In(1),
                "progress": In(1),
                "waiting": In(1),
                "expired": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        cycles, units, tick = Signal(range(UNIT)), Signal(LIMIT_BITS), Signal()
        m.d.comb += [
            tick.eq((cycles == UNIT - 1) & ~self.waiting),
            self.expired.eq(tick & (units + 1 == self.limit)),
        ]
        with m.If(~self.running | self.progress | self.expired):
            m.d.sync += [cycles.eq(0), units.eq(0)]
        with m.Elif(~self.waiting):
            m.d.sync += [cycles.eq(cycles + 1), units.eq(units + tick)]
        return m
