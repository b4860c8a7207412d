"""Linear layers in integers: thresholds held to the float layer, accumulator by accumulator."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from bcsim.compiler.lowering.linear import Linear, falling, to_linear
from bcsim.compiler.lowering.piecewise import Limit, Line, PiecewiseFunction
from bcsim.compiler.program.layers import Encoding

SOURCE = Encoding(2, Fraction(1, 3), Fraction(-1, 4))
TARGET = Encoding(2, Fraction(1, 2), Fraction(-1, 3))
WEIGHTS = np.array([[1, -1, 1], [-1, -1, 1], [0, 0, 0], [1, 1, 1]], np.int16)
SCALES = (Fraction(1), Fraction(2, 3), Fraction(5), Fraction(1, 7))
NORM = Line(
    (Fraction(3, 2), Fraction(-1), Fraction(1), Fraction(-4)),
    (Fraction(0), Fraction(1, 9), Fraction(2), Fraction(-1)),
)
CLIP = Limit(Fraction(0), Fraction(1))
FUNCTIONS: tuple[PiecewiseFunction, ...] = (NORM, CLIP)


def linear() -> Linear:
    return to_linear(WEIGHTS.copy(), SCALES, FUNCTIONS, SOURCE)


def float_level(q: np.ndarray, output: int) -> int:
    """The level of TARGET that the float layer gives for the source's levels q, halves up."""
    x = [SOURCE.offset + SOURCE.scale * int(value) for value in q]
    y = SCALES[output] * sum(int(w) * v for w, v in zip(WEIGHTS[output], x, strict=True))
    y = min(max(NORM.scale[output] * y + NORM.shift[output], Fraction(0)), Fraction(1))
    return min(max(floor((y - TARGET.offset) / TARGET.scale + Fraction(1, 2)), 0), 3)


def test_thresholds_give_the_float_layers_levels_for_every_input() -> None:
    found = linear()
    shared = found.thresholds(TARGET)
    thresholds, low, high = shared.each(), shared.low, shared.high
    seen = set()
    for q in np.ndindex(4, 4, 4):
        accumulators = found.weights.astype(np.int64) @ np.array(q)
        assert low <= accumulators.min()
        assert accumulators.max() <= high
        for output, accumulator in enumerate(accumulators):
            level = int((accumulator >= thresholds[output]).sum())
            assert level == float_level(np.array(q), output), (q, output)
            seen.add((output, level))
    assert len(seen) >= 8


def test_weights_of_falling_outputs_are_negated() -> None:
    found = linear()
    factor = found.weights[0, 0]
    np.testing.assert_array_equal(
        found.weights[[0, 1, 3]], factor * np.array([[1, -1, 1], [1, 1, -1], [-1] * 3])
    )
    assert all(scale >= 0 for scale in found.line.scale)


def test_an_output_without_weights_is_a_constant() -> None:
    assert linear().line.scale[2] == 0
    assert linear().line.shift[2] == 2


def test_bounds_are_reached() -> None:
    found = linear()
    sums = np.array([found.weights.astype(np.int64) @ np.array(q) for q in np.ndindex(4, 4, 4)])
    low, high = found.bounds()
    np.testing.assert_array_equal((low, high), (sums.min(axis=0), sums.max(axis=0)))


@pytest.mark.parametrize(
    ("functions", "falls"),
    [((NORM,), [0, 1, 0, 1]), ((NORM, CLIP, NORM), [0, 0, 0, 0]), ((CLIP,), [0, 0, 0, 0])],
)
def test_two_falling_lines_rise(functions: tuple[PiecewiseFunction, ...], falls: list[int]) -> None:
    assert falling(functions, 4).tolist() == [bool(fall) for fall in falls]
