# amaranth: UnusedElaboratable=no
"""Addresses of program words, with and without reading them again."""

import random

import pytest

from bcsim.rtl.sequencer.program_address import ProgramAddress
from tests.rtl.simulation import simulate, ticks

# Layers as (tiles of so many words, passes of a window, positions, words from one to the next).
LAYERS = (((2, 1), 1, 1, 1), ((3,), 4, 2, 2), ((1, 1, 2), 2, 3, 1), ((1,), 1, 1, 4))


def replayed(layers):
    """(address, what comes behind it) of all words in order, window after window."""
    start, words = 0, []
    for tiles, window, positions, stride in layers:
        for position in range(positions):
            first = start
            for tile, count in enumerate(tiles):
                for place in range(window):
                    for word in range(count):
                        if word < count - 1:
                            turn = None
                        elif place < window - 1:
                            turn = "window"
                        elif tile < len(tiles) - 1:
                            turn = "tile"
                        else:
                            turn = "position" if position < positions - 1 else "layer"
                        words.append((first + word * stride, turn, stride))
                first += count * stride
        start += sum(tiles) * stride
    return words


@pytest.mark.parametrize("replays", [False, True])
def test_words_are_read_in_order_and_again(replays):
    layers = LAYERS if replays else [(tiles, 1, 1, stride) for tiles, _, _, stride in LAYERS]
    words, rng = replayed(layers), random.Random(3)
    dut = ProgramAddress(width=6, replays=replays)

    async def script(ctx):
        for index in range(2 * len(words)):
            address, turn, stride = words[index % len(words)]
            await ticks(ctx, rng.choice([0, 0, 2]))
            assert ctx.get(dut.address) == address
            ctx.set(dut.stride, stride)
            ctx.set(dut.turn, {turn: 1} if turn else {})
            ctx.set(dut.restart, index % len(words) == len(words) - 1 or turn != "layer")
            ctx.set(dut.advance, 1)
            await ctx.tick()
            ctx.set(dut.advance, 0)

    simulate(dut, script)


@pytest.mark.parametrize("replays", [False, True])
def test_a_jump_begins_elsewhere_and_is_returned_to(replays):
    dut = ProgramAddress(width=6, replays=replays, jumps=True)

    async def advance(ctx, turn=None):
        ctx.set(dut.turn, {turn: 1} if turn else {})
        ctx.set(dut.advance, 1)
        await ctx.tick()
        ctx.set(dut.advance, 0)
        return ctx.get(dut.address)

    async def jump(ctx, target, *, advance):
        ctx.set(dut.turn, {})
        ctx.set(dut.target, target)
        ctx.set(dut.jump, 1)
        ctx.set(dut.advance, int(advance))
        await ctx.tick()
        ctx.set(dut.jump, 0)
        ctx.set(dut.advance, 0)
        return ctx.get(dut.address)

    async def script(ctx):
        ctx.set(dut.stride, 1)
        assert await jump(ctx, 20, advance=False) == 20
        assert await advance(ctx) == 21
        if replays:
            assert await advance(ctx, "window") == 20
            assert await advance(ctx) == 21
            assert await advance(ctx, "position") == 20
            assert await advance(ctx) == 21
        assert await jump(ctx, 40, advance=True) == 40
        assert await advance(ctx) == 41
        if replays:
            assert await advance(ctx, "position") == 40

    simulate(dut, script)


def test_the_width_is_checked():
    with pytest.raises(ValueError, match=r"^Width must be at least 1, not 0$"):
        ProgramAddress(width=0, replays=True)
