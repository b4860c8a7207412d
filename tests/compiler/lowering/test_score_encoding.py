"""Score encodings: exact where 16 bits hold every accumulator, else the calibrated range with a margin."""

from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.lowering.piecewise import Limit, Line
from bcsim.compiler.lowering.score_encoding import score_encoding
from bcsim.compiler.program.layers import Encoding

LOW, HIGH = np.array([-10, -12, -8]), np.array([10, 9, 12])


def _line(scale: list[object], shift: list[object]) -> Line:
    return Line(tuple(Fraction(s) for s in scale), tuple(Fraction(s) for s in shift))  # type: ignore[arg-type]


def test_equal_gains_and_biases_lose_nothing() -> None:
    encoding, exact = score_encoding([_line(["1/3"], ["1/7"])], LOW, HIGH, None)
    assert exact
    assert encoding == Encoding(16, Fraction(1, 3), Fraction(1, 7) - 4)


def test_biases_that_differ_by_whole_gains_lose_nothing() -> None:
    encoding, exact = score_encoding([_line([2, 2, -2], [0.5, 4.5, -1.5])], LOW, HIGH, None)
    assert exact
    assert encoding.scale == 2


@pytest.mark.parametrize(
    ("scale", "shift", "step"),
    [
        ([1], [0, "1/3", 0], Fraction(1, 3)),
        ([1, "1/2", -3], [0], Fraction(1, 2)),
        ([6, 4, 10], ["1/2", "13/2", "1/2"], Fraction(2)),
        ([1, 0, 1], [0, 5, 0], Fraction(1)),
    ],
)
def test_multiples_of_one_step_lose_nothing(scale: list[object], shift: list[object], step: Fraction) -> None:
    encoding, exact = score_encoding([_line(scale, shift)], LOW, HIGH, None)
    assert exact
    assert encoding.scale == step
    values = [
        Fraction(s) * a + Fraction(b) for s, b in zip(scale * 3, shift * 3, strict=False) for a in (-8, 9)
    ]  # type: ignore[arg-type]
    assert all(((value - encoding.offset) / step).denominator == 1 for value in values)


FINE = "1/100003"
"""A part of a gain whose multiples 16 bits do not hold."""


def test_other_biases_take_parts_of_the_gain() -> None:
    encoding, exact = score_encoding([_line([1], [0, FINE, 0])], LOW, HIGH, None)
    assert exact
    assert encoding == Encoding(16, Fraction(1, 256), Fraction(FINE) - 12)


def test_unlike_gains_take_parts_of_the_smallest() -> None:
    encoding, exact = score_encoding([_line([1, "1/2", -3], [0, FINE, 0])], LOW, HIGH, None)
    assert exact
    assert encoding == Encoding(16, Fraction(1, 512), Fraction(-36))


def test_a_constant_class_takes_no_part_in_the_smallest_gain() -> None:
    encoding, exact = score_encoding([_line([1, 0, 1], [0, FINE, 0])], LOW, HIGH, None)
    assert exact
    assert encoding.scale == Fraction(1, 256)


@pytest.mark.parametrize(
    ("reach", "scale", "exact"), [(65535, 1, True), (65536, Fraction(65536 / 65535), False)]
)
def test_the_widest_exact_range_and_one_more(reach: int, scale: Fraction, exact: bool) -> None:
    line = _line([1], [0])
    found, was_exact = score_encoding([line], np.array([0]), np.array([reach]), None)
    assert (found.scale, was_exact) == (scale, exact)


def test_calibration_narrows_a_range_that_is_too_wide() -> None:
    wide = np.array([10**7])
    values = np.array([[-1000.0], [3000.0]])
    encoding, exact = score_encoding([_line([1], [0])], -wide, wide, values)
    assert not exact
    assert encoding == Encoding(16, Fraction(1), Fraction(1000 - 32767))
    encoding, _ = score_encoding([_line([1], [0])], -wide, wide, values * 100)
    assert float(encoding.offset) == pytest.approx(-200_000, abs=10)
    assert float(encoding.offset + encoding.scale * 65535) == pytest.approx(400_000, abs=10)


def test_calibration_never_widens_the_range() -> None:
    encoding, _ = score_encoding(
        [_line([1], [0])], np.array([0]), np.array([65536]), np.array([[0.0], [65536.0]])
    )
    assert encoding.scale == Fraction(65536 / 65535)


@pytest.mark.parametrize("gain", [0, 1])
def test_scores_that_are_constant_or_clipped_are_not_exact(gain: int) -> None:
    functions = [_line([gain], [3]), Limit(Fraction(0), None)]
    encoding, exact = score_encoding(functions, np.array([-8]), np.array([5]), None)
    assert not exact
    low, high = encoding.offset, encoding.offset + encoding.scale * 65535
    assert low <= 3 * (1 - gain) + Fraction(1, 10**4)
    assert high >= 3 + 5 * gain - Fraction(1, 10**3)
