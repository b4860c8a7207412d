# amaranth: UnusedElaboratable=no
"""Pooling bit by bit against max and min."""

import random

import pytest

from bcsim.rtl.datapath.pool import Pool
from tests.rtl.simulation import simulate, ticks

WIDTH = 5


@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("bits", [1, 2, 5])
def test_the_greatest_or_least_of_a_window_remains(rounds, bits):
    dut, rng = Pool(rounds=rounds, width=WIDTH), random.Random(rounds * bits)
    minimum = [rng.getrandbits(1) for _ in range(rounds)]
    passes = [(place == 0, round_) for _ in range(12) for place in range(3) for round_ in range(rounds)]

    async def script(ctx):
        kept = [0] * rounds
        ctx.set(dut.load, 1)
        await ctx.tick()
        for first, round_ in passes:
            value = rng.getrandbits(bits)
            ctx.set(dut.first, first)
            ctx.set(dut.round, round_)
            ctx.set(dut.minimum, minimum[round_])
            for bit in reversed(range(bits)):
                await wait(ctx, rng.choice([0, 0, 1]))
                ctx.set(dut.step, 1)
                ctx.set(dut.probe, 1 << bit)
                ctx.set(dut.bit, value >> bit & 1)
                # The next round's load comes together with the last step.
                ctx.set(dut.load, bit == 0)
                ctx.set(dut.done, bit == 0)
                ctx.set(dut.value, value if bit == 0 else rng.getrandbits(WIDTH))
                if bit == 0:
                    best = min if minimum[round_] else max
                    kept[round_] = value if first else best(value, kept[round_])
                    assert ctx.get(dut.result) == kept[round_]
                await ctx.tick()

    async def wait(ctx, cycles):
        for signal in (dut.step, dut.load, dut.done):
            ctx.set(signal, 0)
        await ticks(ctx, cycles)

    simulate(dut, script)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match=r"^Rounds must be at least 1, not 0$"):
        Pool(rounds=0, width=4)
    with pytest.raises(ValueError, match=r"^Width must be at least 1, not 0$"):
        Pool(rounds=2, width=0)
