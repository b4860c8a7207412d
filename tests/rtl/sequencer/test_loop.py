# amaranth: UnusedElaboratable=no
"""Loops against nested counting."""

import itertools

import pytest
from amaranth.sim import Simulator

from bcsim.rtl.sequencer.loop import Loop, NestedLoops


@pytest.mark.parametrize("counts", [(0, 0), (0, 2), (3, 0), (2, 4), (7, 1)])
def test_a_nest_marks_the_last_trips_and_starts_over(counts):
    dut = NestedLoops(widths={"inner": 3, "outer": 5})
    trips = list(itertools.product(range(counts[1] + 1), range(counts[0] + 1)))
    seen = []

    async def bench(ctx):
        ctx.set(dut.start, 1)
        ctx.set(dut.counts, {"inner": counts[0], "outer": counts[1]})
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.counts, {"inner": 5, "outer": 5})
        for cycle in range(4 * len(trips)):
            advance = cycle % 2
            ctx.set(dut.advance, advance)
            if advance:
                ends = ctx.get(dut.ends)
                seen.append((ends.inner, ends.outer))
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    once = [
        (int(inner == counts[0]), int((outer, inner) == (counts[1], counts[0]))) for outer, inner in trips
    ]
    assert seen == once * 2


def test_widths_are_checked():
    with pytest.raises(ValueError, match=r"^Width must be at least 1, not 0$"):
        Loop(width=0)
    with pytest.raises(TypeError, match=r"^Width of loop inner must be an integer, not '3'$"):
        NestedLoops(widths={"inner": "3"})
