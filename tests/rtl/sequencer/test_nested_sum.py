# amaranth: UnusedElaboratable=no
"""Nested sums against products."""

import itertools
import random

import pytest
from amaranth.hdl import Module

from bcsim.rtl.sequencer.loop import NestedLoops
from bcsim.rtl.sequencer.nested_sum import NestedSum
from tests.rtl.simulation import simulate

WIDTH = 6


@pytest.mark.parametrize("strides", [(3,), (2, 0, 4), (1, 4, 0, 0), (4, 0, 0, 3, 0)])
def test_the_sum_is_that_of_counts_times_strides(strides):
    rng = random.Random(len(strides))
    names = [f"loop_{index}" for index in range(len(strides))]
    m = Module()
    m.submodules.loops = loops = NestedLoops(widths=dict.fromkeys(names, 2))
    m.submodules.sum = dut = NestedSum(width=WIDTH, strides=dict(zip(names, strides, strict=True)))
    m.d.comb += [dut.turns.eq(loops.turns), loops.start.eq(dut.start), loops.advance.eq(dut.advance)]

    async def script(ctx):
        for _ in range(6):
            counts = [rng.randrange(4) for _ in names]
            values = {name: rng.getrandbits(bits) for name, bits in zip(names, strides, strict=True) if bits}
            initial = rng.getrandbits(WIDTH)
            ctx.set(dut.initial, initial)
            ctx.set(loops.counts, dict(zip(names, counts, strict=True)))
            ctx.set(dut.strides, values)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            ctx.set(dut.initial, rng.getrandbits(WIDTH))
            ctx.set(dut.advance, 1)
            for trip in itertools.product(*(range(count + 1) for count in reversed(counts))):
                terms = zip(reversed(names), trip, strict=True)
                total = initial + sum(values.get(name, 0) * count for name, count in terms)
                assert ctx.get(dut.value) == total % (1 << WIDTH)
                await ctx.tick()
            ctx.set(dut.advance, 0)

    simulate(m, script)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match=r"^Width must be at least 1, not 0$"):
        NestedSum(width=0, strides={"inner": 1})
    with pytest.raises(ValueError, match=r"^Stride of the innermost loop must be at least 1, not 0$"):
        NestedSum(width=4, strides={"inner": 0, "outer": 1})
