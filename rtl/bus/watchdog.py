"""The watchdog: stops a machine that works on an image for longer than any image takes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LIMIT_BITS", "UNIT", "Unanswered", "Watchdog"]

UNIT = 4096
"""Cycles in which the limit is counted: the finest that leaves VGG-16 on 32 x 32 lanes (15 million cycles an image) a
limit of 16 bits, with room for machines 16 times as slow."""

LIMIT_BITS = 16

MOST_UNANSWERED = 15
"""Images that are counted: of a right program two are on their way through a machine at most."""


class Unanswered(wiring.Component):
    """Whether a result is owed for an image that the machine has read, so that it cannot be waiting for another.

    Latency: `owed` tells of an image from the cycle behind `read` on.

    Members
    -------
    running : In(1)
        What is owed is forgotten while low.
    read : In(1)
        An image has been read and may be replaced.
    answered : In(1)
        A result was sent.
    owed : Out(1)
    """

    def __init__(self) -> None:
        super().__init__({"running": In(1), "read": In(1), "answered": In(1), "owed": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        images = Signal(range(MOST_UNANSWERED + 1))
        m.d.comb += self.owed.eq(images != 0)
        with m.If(~self.running):
            m.d.sync += images.eq(0)
        with m.Elif(self.read & ~self.answered & (images != MOST_UNANSWERED)):
            m.d.sync += images.eq(images + 1)
        with m.Elif(self.answered & ~self.read & self.owed):
            m.d.sync += images.eq(images - 1)
        return m


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
        The machine waits for the host: for an image where it owes no result, for weights, or for its results to
        be taken.
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
        after = Signal(LIMIT_BITS + 1)
        m.d.comb += [
            tick.eq((cycles == UNIT - 1) & ~self.waiting),
            after.eq(units + tick),
            self.expired.eq(tick & (after == self.limit)),
        ]
        with m.If(~self.running | self.progress | self.expired):
            m.d.sync += [cycles.eq(0), units.eq(0)]
        with m.Elif(~self.waiting):
            m.d.sync += [cycles.eq(cycles + 1), units.eq(after)]
        return m
