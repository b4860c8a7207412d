# amaranth: UnusedElaboratable=no
"""The tile gate against a plain account of tiles that arrive and are used."""

import random

import pytest

from bcsim.rtl.sequencer.tile_gate import TileGate
from tests.rtl.simulation import simulate

CYCLES = 500


@pytest.mark.parametrize("seed", range(8))
def test_a_tiles_first_step_comes_two_cycles_behind_its_last_word_or_later(seed):
    """Layers of one to three tiles of one to three steps; some have weights of their own and never wait."""
    rng = random.Random(seed)
    dut, odds = TileGate(), rng.choice([0.1, 0.5, 1])
    seen = {"waits": 0, "streamed": 0, "resident": 0}

    async def script(ctx):
        # arrivals: the cycles in which words complete a tile; used: tiles begun; freed: tiles released
        arrivals, used, freed = [], 0, 0
        state, tiles, steps, streamed = "between", 0, 0, False
        for cycle in range(CYCLES):
            ctx.set(dut.arrived, sum(at < cycle for at in arrivals) - freed)
            for name in ("start", "advance", "tile_turn", "layer_end"):
                ctx.set(getattr(dut, name), 0)
            if state == "between":
                wanted = rng.random() < 0.6
                streamed = bool(rng.randrange(2))
                assert ctx.get(dut.ready) == (len(arrivals) > freed and arrivals[freed] < cycle)
                assert ctx.get(dut.odd) == freed % 2
                if wanted and (ctx.get(dut.ready) or not streamed):
                    ctx.set(dut.start, 1)
                    ctx.set(dut.streamed, int(streamed))
                    state, tiles, steps = "first", rng.randrange(1, 4), rng.randrange(1, 4)
                    left = steps
            else:
                there = used < len(arrivals) and arrivals[used] + 2 <= cycle
                starved = streamed and left == steps and not there
                assert ctx.get(dut.starved) == starved
                seen["waits"] += starved
                if not starved and rng.random() < 0.8:
                    if streamed and left == steps:
                        used += 1
                    left -= 1
                    ctx.set(dut.advance, 1)
                    ctx.set(dut.tile_turn, int(left == 0 and tiles > 1))
                    ctx.set(dut.layer_end, int(left == 0 and tiles == 1))
                    assert ctx.get(dut.switch) == (streamed and left == 0 and tiles > 1)
                    assert ctx.get(dut.release) == (streamed and left == 0)
                    if left == 0:
                        freed_now, tiles, left = int(streamed), tiles - 1, steps
                        seen["streamed" if streamed else "resident"] += 1
                        state = "walk" if tiles else "between"
                        await ctx.tick()
                        freed += freed_now
                        continue
            if len(arrivals) - freed < 2 and rng.random() < odds:
                arrivals.append(cycle)
            await ctx.tick()

    simulate(dut, script)
    assert min(seen["streamed"], seen["resident"]) > 10
    assert seen["waits"] > 0 or odds > 0.4
