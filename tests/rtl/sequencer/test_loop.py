# amaranth: UnusedElaboratable=no
"""Loops against nested counting."""

import itertools

import pytest
from amaranth.sim import Simulator

from bcsim.rtl.sequencer.loop import Loop, NestedLoops


@pytest.mark.parametrize("counts", [(0, 0), (0, 2), (3, 0), (2, 4), (7, 1)])
def test_a_nest_marks_the_last_trips_and_waits_to_be_started_again(counts):
    dut = NestedLoops(widths={"inner": 3, "outer": 5})
    trips = list(itertools.product(range(counts[1] + 1), range(counts[0] + 1)))
    seen = []

    async def bench(ctx):
        for _ in range(2):
            ctx.set(dut.start, 1)
            ctx.set(dut.idle, 1)
            ctx.set(dut.counts, {"inner": counts[0], "outer": counts[1]})
            await ctx.tick()
            ctx.set(dut.start, 0)
            ctx.set(dut.idle, 0)
            ctx.set(dut.counts, {"inner": 5, "outer": 5})
            for cycle in range(2 * len(trips)):
                advance = cycle % 2
                ctx.set(dut.advance, advance)
                if advance:
                    ends = ctx.get(dut.ends)
                    seen.append((ends.inner, ends.outer))
                await ctx.tick()
            ctx.set(dut.advance, 1)
            await ctx.tick().repeat(3)
            assert ctx.get(dut.ends).outer

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    once = [
        (int(inner == counts[0]), int((outer, inner) == (counts[1], counts[0]))) for outer, inner in trips
    ]
    assert seen == once * 2


def test_a_nest_that_begins_in_the_last_trip_of_another_takes_its_counts():
    """As the drain walker does: without a cycle between."""
    dut = NestedLoops(widths={"inner": 3, "outer": 3})
    seen = []

    async def bench(ctx):
        ctx.set(dut.idle, 1)
        ctx.set(dut.start, 1)
        for inner, outer in ((2, 1), (1, 3), (0, 0), (3, 0)):
            ctx.set(dut.counts, {"inner": inner, "outer": outer})
            await ctx.tick()
            ctx.set(dut.idle, 0)
            ctx.set(dut.advance, 1)
            for place in reversed(range((inner + 1) * (outer + 1))):
                ctx.set(dut.start, place == 0)
                ctx.set(dut.idle, place == 0)
                seen.append((ctx.get(dut.ends.outer), place == 0))
                if place:
                    await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert all(ended == last for ended, last in seen)


@pytest.mark.parametrize("counts", [(0, 0, 0), (3, 1, 2), (1, 3, 1), (2, 2, 0), (3, 0, 3)])
def test_a_loop_is_short_in_the_last_trip_of_another(counts):
    """Digits within a strip within columns within rows: the strip of the last column has its own length."""
    full, short, columns = counts
    names = ("digits", "strip", "columns", "rows")
    dut = NestedLoops(widths=dict.fromkeys(names, 2), short={"strip": "columns"})
    trips = [
        (digit == 1, strip == (short if column == columns else full), column == columns, row == 1)
        for row in range(2)
        for column in range(columns + 1)
        for strip in range((short if column == columns else full) + 1)
        for digit in range(2)
    ]
    seen = []

    async def bench(ctx):
        ctx.set(dut.start, 1)
        ctx.set(dut.idle, 1)
        ctx.set(dut.counts, {"digits": 1, "strip": full, "columns": columns, "rows": 1})
        ctx.set(dut.short_counts, {"strip": short})
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.idle, 0)
        for cycle in range(2 * len(trips)):
            ctx.set(dut.advance, cycle % 2)
            if cycle % 2:
                seen.append(tuple(bool(ctx.get(dut.lasts)[name]) for name in names))
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert seen == trips


def test_widths_are_checked():
    with pytest.raises(ValueError, match=r"^Width must be at least 1, not 0$"):
        Loop(width=0)
    with pytest.raises(TypeError, match=r"^Width of loop inner must be an integer, not '3'$"):
        NestedLoops(widths={"inner": "3"})
