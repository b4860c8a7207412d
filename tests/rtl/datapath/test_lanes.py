# amaranth: UnusedElaboratable=no
"""Lanes against sums of digits, and the models against design's definition by matching."""

import itertools
import random

import pytest

from bcsim.rtl.datapath.lanes import Lanes, is_late, pair_terms, select_term, term_sum
from tests.rtl.simulation import simulate


@pytest.mark.parametrize("digit", [1, 2, 4])
def test_a_selected_term_matches_each_lane_with_its_weight(digit):
    greatest = (1 << digit) - 1
    for a, b in itertools.product(range(greatest + 1), repeat=2):
        for first, second in itertools.product((1, -1), repeat=2):
            weights = (first < 0) | (first != second) << 1
            matches = (a if first > 0 else greatest - a) + (b if second > 0 else greatest - b)
            # A complemented term has one bit more than a lane: it counts one too many.
            assert select_term(*pair_terms(a, b, digit), weights, digit) == matches + (first < 0)


def test_the_sum_over_a_word_takes_lanes_from_the_least_significant_bit():
    # Lanes 3, 1, 2, 0 of two bits; the second pair's weights are -1 and +1.
    assert term_sum(0b00_10_01_11, 0b11_00, lanes=4, digit=2) == (3 + 1) + (7 - (2 + 3 - 0))


@pytest.mark.parametrize("lanes", [2, 6, 8, 16])
@pytest.mark.parametrize("digit", [1, 2, 4, 8])
def test_pairs_follow_the_activations(lanes, digit):
    generator = random.Random(lanes * digit)
    words = [0, (1 << lanes * digit) - 1] + [generator.getrandbits(lanes * digit) for _ in range(30)]
    dut = Lanes(lanes=lanes, digit=digit)

    def expected(word: int, pair: int) -> tuple[int, int]:
        a, b = (word >> (2 * pair + lane) * digit & (1 << digit) - 1 for lane in range(2))
        return pair_terms(a, b, digit)

    async def script(ctx):
        for cycle, word in enumerate(words):
            ctx.set(dut.activation, word)
            await ctx.tick()
            for pair in range(lanes // 2):
                shown = cycle - is_late(pair, digit)
                if shown >= 0:
                    sums = ctx.get(dut.pairs[pair])
                    assert (sums.same, sums.differ) == expected(words[shown], pair)

    simulate(dut, script)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match=r"^Lanes must be an even number, not 7$"):
        Lanes(lanes=7, digit=1)
    with pytest.raises(ValueError, match=r"^Lanes must be at least 1, not 0$"):
        Lanes(lanes=0, digit=1)
    with pytest.raises(TypeError, match=r"^Digit must be an integer, not '8'$"):
        Lanes(lanes=2, digit="8")
