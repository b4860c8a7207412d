"""The performance counters against plain counting."""

import random

import pytest
from amaranth.sim import Simulator

from bcsim.rtl.bus.counters import Counters

FIRST, LENGTH = 5, 60


@pytest.mark.parametrize("streams", [False, True])
def test_events_are_counted_from_the_first_accepted_word(streams):
    rng = random.Random(1)
    causes = ("input", "output", "drain", *(("weights",) if streams else ()))
    names = ("accepted", "sent", "step", *(f"waits_{cause}" for cause in causes))
    events = [{name: rng.randrange(2) for name in names} for _ in range(LENGTH)]
    for event in events[:FIRST]:
        event["accepted"] = 0
    events[FIRST]["accepted"] = 1
    last = max(cycle for cycle, event in enumerate(events) if event["sent"])
    dut = Counters(streams=streams)

    async def bench(ctx):
        for event in events:
            ctx.set(dut.events, event)
            await ctx.tick()
        ctx.set(dut.events, dict.fromkeys(names, 0))
        counted = events[FIRST:]
        assert ctx.get(dut.cycles) == last - FIRST + 1
        assert ctx.get(dut.images) == sum(event["sent"] for event in counted)
        assert ctx.get(dut.steps) == sum(event["step"] for event in counted)
        for cause in causes:
            stalls = sum(event[f"waits_{cause}"] for event in counted)
            assert ctx.get(getattr(dut, f"stall_{cause}")) == stalls
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        for name in ("cycles", "images", "steps", *(f"stall_{cause}" for cause in causes)):
            assert ctx.get(getattr(dut, name)) == 0
        ctx.set(dut.events, dict.fromkeys(names, 1) | {"accepted": 0})
        await ctx.tick()
        assert ctx.get(dut.steps) == 0

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
