# amaranth: UnusedElaboratable=no
"""A processing element behind its lanes, its Horner stage and its accumulator, against their models."""

import random
from dataclasses import dataclass

import pytest

from bcsim.rtl.datapath.horner import Horner
from bcsim.rtl.datapath.processing_element import ProcessingElement, chunk_total, tile_sum
from bcsim.rtl.datapath.term_sums import TermSums
from tests.rtl.array_bench import ElementBehindLanes
from tests.rtl.simulation import simulate


@dataclass(frozen=True)
class Presented:
    """What is presented in one cycle: a digit word, its chunk's weights, the step's flags."""

    word: int
    weights: int
    flags: dict


def random_tile(generator, *, lanes, digit, digits):
    """Chunks of one tile as `tile_sum` takes them."""
    count = generator.randint(1, digits)
    return [
        (
            [generator.getrandbits(lanes * digit) for _ in range(count)],
            generator.getrandbits(lanes),
            generator.random() < 0.3,
        )
        for _ in range(generator.randint(1, 4))
    ]


def cycles_of(generator, tile, *, lanes, digit):
    """The tile's cycles, with some in between in which nothing is issued."""
    for index, (words, weights, double) in enumerate(tile):
        for position, word in enumerate(words):
            while generator.random() < 0.2:
                noise = generator.getrandbits(lanes * digit), generator.getrandbits(lanes)
                yield Presented(*noise, {"valid": 0, "last_digit": 1, "double": 1, "last": 1})
            last_digit = position == len(words) - 1
            yield Presented(
                word,
                weights,
                {
                    "valid": 1,
                    "last_digit": last_digit,
                    "double": double,
                    "last": last_digit and index == len(tile) - 1,
                },
            )


@pytest.mark.parametrize("lanes", [2, 6, 8, 16])
@pytest.mark.parametrize(("digit", "digits"), [(1, 1), (1, 8), (2, 3), (4, 2), (8, 1)])
@pytest.mark.parametrize("doubling", [False, True])
def test_shadow_holds_a_tile_as_soon_as_its_last_total_is_added(lanes, digit, digits, doubling):
    generator = random.Random(f"{lanes} {digit} {digits} {doubling}")
    element = ProcessingElement(lanes=lanes, digit=digit, digits=digits, width=12, doubling=doubling)
    dut = ElementBehindLanes(element, lanes=lanes)
    latency = dut.latency
    tiles = [random_tile(generator, lanes=lanes, digit=digit, digits=digits) for _ in range(12)]
    expected, presented = {}, []
    for tile in tiles:
        presented += cycles_of(generator, tile, lanes=lanes, digit=digit)
        chunks = [(words, weights, double and doubling) for words, weights, double in tile]
        expected[len(presented) - 1 + latency] = tile_sum(chunks, lanes=lanes, digit=digit, width=12)

    async def script(ctx):
        shadow = 0
        for cycle in range(len(presented) + latency):
            if cycle < len(presented):
                ctx.set(dut.activation, presented[cycle].word)
                ctx.set(dut.step, presented[cycle].flags)
                ctx.set(dut.weights, presented[cycle].weights)
            else:
                ctx.set(dut.step, {"valid": 0, "last_digit": 0, "double": 0, "last": 0})
            shadow = expected.get(cycle, shadow)
            assert ctx.get(dut.shadow) == shadow
            await ctx.tick()

    simulate(dut, script)


def test_a_reset_in_mid_tile_clears_the_sums():
    element = ProcessingElement(lanes=2, digit=1, digits=2, width=8, doubling=False)
    dut = ElementBehindLanes(element, lanes=2)

    async def present(ctx, **flags):
        ctx.set(dut.step, {"valid": 1, "last_digit": 0, "double": 0, "last": 0} | flags)
        await ctx.tick()

    async def script(ctx):
        ctx.set(dut.activation, 0b11)
        for _ in range(3):
            await present(ctx, last_digit=1)
        await present(ctx)
        ctx.set(dut.step.valid, 0)
        ctx.set(dut.reset, 1)
        for _ in range(dut.latency):
            await ctx.tick()
        ctx.set(dut.reset, 0)
        await present(ctx, last_digit=1, last=1)
        ctx.set(dut.step.valid, 0)
        for _ in range(dut.latency - 1):
            await ctx.tick()
        assert ctx.get(dut.shadow) == 2

    simulate(dut, script)


def test_models_by_hand():
    # Digits 1, 2 of 2 bits in lane 0; lane 1 holds zeros; both weights +1: 4 * 1 + 2.
    assert chunk_total([0b0001, 0b0010], 0b00, lanes=2, digit=2) == 6
    # Sign alone complements the three-bit term: 7 - 1, then 7 - 2.
    assert chunk_total([0b0001, 0b0010], 0b01, lanes=2, digit=2) == 4 * 6 + 5
    chunks = [([0b0001], 0b00, False), ([0b0011], 0b00, True)]
    assert tile_sum(chunks, lanes=2, digit=2, width=8) == 2 * 1 + 3
    assert tile_sum(chunks, lanes=2, digit=2, width=2) == 1


def test_parameters_are_checked():
    with pytest.raises(ValueError, match=r"^Digits must be at least 1, not 0$"):
        ProcessingElement(lanes=2, digit=1, digits=0, width=4, doubling=False)
    with pytest.raises(ValueError, match=r"^Digits must be at least 2, not 1$"):
        Horner(digit=1, digits=1, greatest=1)
    with pytest.raises(ValueError, match=r"^Width must be at least 1, not 0$"):
        ProcessingElement(lanes=2, digit=1, digits=1, width=0, doubling=False)
    with pytest.raises(ValueError, match=r"^Lanes must be an even number, not 3$"):
        TermSums(lanes=3, digit=1)
