"""Loops of the sequencer: trips counted down, alone and nested."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.require import require_positive

__all__ = ["Loop", "NestedLoops", "StripLoop"]


class Loop(wiring.Component):
    """A loop counter that starts over by itself after its last trip, but for the last one of the whole nest.

    Throughput: one trip a cycle. `last` is a register's sign bit: no comparison is in its path.

    Parameters
    ----------
    width : int
        Bits of the trip count.

    Members
    -------
    start : In(1)
        Take `count`; the first trip begins in the next cycle. Goes before `advance`. Only where nothing has begun
        since the reset, where the nest has ended, or in the cycle in which it ends.
    idle : In(1)
        Set wherever `start` is, and where no trip is to go on to the next one.
    count : In(width)
        Trips minus one.
    advance : In(1)
        This trip ends. Not between the end of a nest and the next `start`.
    nest_end : In(1)
        And all loops of the nest with it: the counter stays in its last trip until `start`.
    last : Out(1)
        This is the last trip.
    """

    def __init__(self, *, width: int) -> None:
        require_positive("Width", width)
        self.width = width
        flags = {name: In(1) for name in ("start", "idle", "advance", "nest_end")}
        super().__init__({"count": In(width), **flags, "last": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left, more = Signal(signed(self.width + 1), init=-1), Signal(signed(self.width + 1))
        whole = Signal(self.width)
        # From -1, where a loop is in its last trip, trips are added; so one addition and one choice are enough. `start`
        # comes late: it chooses nothing.
        m.d.comb += [
            self.last.eq(left[-1]),
            more.eq(Mux(self.idle, self.count, Mux(self.last, whole, -1))),
        ]
        with m.If(self.start | (self.advance & ~self.nest_end)):
            m.d.sync += left.eq(left + more)
        with m.If(self.start):
            m.d.sync += whole.eq(self.count)
        return m


class StripLoop(wiring.Component):
    """A Loop of one of two lengths, which another loop chooses while it runs.

    Throughput: one trip a cycle. As in Loop, `last` takes no comparison: both lengths are counted.

    Parameters
    ----------
    width : int
        Bits of the trip counts.

    Members
    -------
    start, advance, last
        As in Loop.
    count, short_count : In(width)
        Trips minus one.
    short : In(1)
        The loop has the trips of `short_count`; steady from its first trip to its last.
    """

    def __init__(self, *, width: int) -> None:
        require_positive("Width", width)
        self.width = width
        flags = {"start": In(1), "advance": In(1), "short": In(1), "last": Out(1)}
        super().__init__({"count": In(width), "short_count": In(width), **flags})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lasts = []
        for name, count in (("full", self.count), ("short", self.short_count)):
            left, whole = (
                Signal(signed(self.width + 1), name=f"{name}_{part}") for part in ("left", "whole")
            )
            lasts.append(left[-1])
            with m.If(self.start):
                m.d.sync += [left.eq(count - 1), whole.eq(count - 1)]
            with m.Elif(self.advance):
                m.d.sync += left.eq(Mux(self.last, whole, left - 1))
        m.d.comb += self.last.eq(Mux(self.short, lasts[1], lasts[0]))
        return m


class NestedLoops(wiring.Component):
    """Loops around loops, all started at once.

    Throughput: one innermost trip a cycle.

    Parameters
    ----------
    widths : mapping of str to int
        The loops from the innermost out, and the bits of their trip counts; 0 for a loop that always has one trip.
    short : mapping of str to str
        Loops that have other trips, those of `short_counts`, in the last trip of another loop.

    Members
    -------
    start : In(1)
        As in Loop: take `counts`; the first trip of every loop begins in the next cycle.
    idle : In(1)
        As in Loop, of all of them.
    counts : In(StructLayout(widths))
        Trips minus one.
    short_counts : In(StructLayout)
        Where some are short: of those.
    advance : In(1)
        This trip of the innermost loop ends.
    lasts : Out(StructLayout)
        For each loop: this is its last trip.
    ends : Out(StructLayout)
        For each loop: this is the last trip of it and of all loops within.
    turns : Out(StructLayout)
        The loop that goes on with its next trip when the innermost one's ends, and lets all within start over;
        none at the end of all.
    """

    def __init__(self, *, widths: Mapping[str, int], short: Mapping[str, str] | None = None) -> None:
        for name, width in widths.items():
            if width != 0:
                require_positive(f"Width of loop {name}", width)
        self.widths = dict(widths)
        self.short = dict(short or {})
        short_widths = {name: self.widths[name] for name in self.short}
        super().__init__(
            {
                "start": In(1),
                "idle": In(1),
                "counts": In(StructLayout(self.widths)),
                **({"short_counts": In(StructLayout(short_widths))} if short_widths else {}),
                "advance": In(1),
                **dict.fromkeys(("lasts", "ends", "turns"), Out(StructLayout(dict.fromkeys(self.widths, 1)))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inner: Value = Const(1)
        nest_end = Signal()
        m.d.comb += nest_end.eq(Cat(self.lasts[name] for name in self.widths).all())
        for name, width in self.widths.items():
            if not width:
                m.d.comb += [self.lasts[name].eq(1), self.ends[name].eq(inner)]
                continue
            m.submodules[name] = loop = StripLoop(width=width) if name in self.short else Loop(width=width)
            if isinstance(loop, Loop):
                m.d.comb += [loop.idle.eq(self.idle), loop.nest_end.eq(nest_end)]
            else:
                m.d.comb += [
                    loop.short_count.eq(self.short_counts[name]),
                    loop.short.eq(self.lasts[self.short[name]]),
                ]
            m.d.comb += [
                loop.start.eq(self.start),
                loop.count.eq(self.counts[name]),
                loop.advance.eq(self.advance & inner),
                self.lasts[name].eq(loop.last),
                self.ends[name].eq(inner & loop.last),
                self.turns[name].eq(inner & ~loop.last),
            ]
            inner = self.ends[name]
        return m
