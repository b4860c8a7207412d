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
    m.d.comb += [dut.turns.eq(loops.turns), loops.advance.eq(dut.advance)]
    m.d.comb += [loops.start.eq(dut.start), loops.idle.eq(dut.start)]

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


def test_a_loop_goes_on_from_where_one_within_it_is():
    """Words of positions of strips, as tiles are written: behind a strip's last tile comes the next strip's first."""
    m = Module()
    names = ("words", "strip", "tiles", "positions")
    m.submodules.loops = loops = NestedLoops(widths=dict.fromkeys(names, 2))
    m.submodules.sum = dut = NestedSum(
        width=12, strides=dict.fromkeys(names, 12), onward={"positions": "strip"}
    )
    m.d.comb += [dut.turns.eq(loops.turns), loops.advance.eq(dut.advance)]
    m.d.comb += [loops.start.eq(dut.start), loops.idle.eq(dut.start)]
    words, places, tiles, strips, of_tile, of_position = 2, 3, 2, 3, 2, 4

    async def script(ctx):
        ctx.set(dut.initial, 100)
        counts = zip(names, (words, places, tiles, strips), strict=True)
        ctx.set(loops.counts, {name: count - 1 for name, count in counts})
        back = of_position - (tiles - 1) * of_tile
        ctx.set(dut.strides, {"words": 1, "strip": of_position, "tiles": of_tile, "positions": back})
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.advance, 1)
        for strip, tile, place, word in itertools.product(*map(range, (strips, tiles, places, words))):
            position = strip * places + place
            assert ctx.get(dut.value) == 100 + position * of_position + tile * of_tile + word
            await ctx.tick()

    simulate(m, script)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match=r"^Width must be at least 1, not 0$"):
        NestedSum(width=0, strides={"inner": 1})
    with pytest.raises(ValueError, match=r"^Stride of the innermost loop must be at least 1, not 0$"):
        NestedSum(width=4, strides={"inner": 0, "outer": 1})
