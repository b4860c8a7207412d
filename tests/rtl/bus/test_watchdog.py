"""The watchdog beside a count of cycles, and the images that it must not wait behind."""

from __future__ import annotations

import random

from amaranth.sim import Simulator

from bcsim.rtl.bus.watchdog import MOST_UNANSWERED, Unanswered


def test_a_result_is_owed_from_the_image_read_to_its_answer() -> None:
    dut, draw = Unanswered(), random.Random(1)

    async def script(ctx):  # type: ignore[no-untyped-def]
        owed = 0
        for cycle in range(3000):
            eager = 0.9 if cycle // 500 % 2 else 0.3
            running, read, answered = draw.random() < 0.99, draw.random() < eager, draw.random() < 0.5
            ctx.set(dut.running, running)
            ctx.set(dut.read, read)
            ctx.set(dut.answered, answered)
            await ctx.tick()
            owed = min(max(owed + read - answered, 0), MOST_UNANSWERED) if running else 0
            assert ctx.get(dut.owed) == (owed > 0)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(script)
    sim.run()
