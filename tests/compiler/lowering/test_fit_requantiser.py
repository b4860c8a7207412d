"""Divisions from thresholds: right, smallest, and as near as can be where none is right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcsim.compiler.lowering.fit_requantiser import (
    FRACTION_BITS,
    count_wrong,
    fit_divide,
    implied_thresholds,
    largest_shift,
)


def _lines(rng: np.random.Generator, outputs: int, bits: int, low: int, high: int) -> np.ndarray:
    k = np.arange(1, 2**bits)
    step = rng.uniform(0.05, 1.5, (outputs, 1)) * (high - low) / 2**bits
    start = rng.uniform(low - 20, high + 20, (outputs, 1))
    return np.clip(np.ceil(start + k * step), low, high + 1).astype(np.int64)


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 5))
def test_evenly_spaced_thresholds_get_a_division_that_gives_the_same_levels(
    seed: int, bits: int, outputs: int
) -> None:
    low, high = -90, 130
    thresholds = _lines(np.random.default_rng(seed), outputs, bits, low, high)
    divide = fit_divide(thresholds, bits, low, high)
    assert (implied_thresholds(divide, low, high) == thresholds).all()
    accumulators = np.repeat(np.arange(low, high + 1)[:, None], outputs, axis=1)
    expected = (accumulators[:, :, None] >= thresholds).sum(axis=2)
    assert (divide.apply(accumulators) == expected).all()


def _any_division(thresholds: list[int], fraction_bits: int, low: int, high: int) -> int | None:
    """The least divisor for which some offset is right, by trying all."""
    for divisor in range(1, (high - low + 2) << fraction_bits):
        most = min(
            ((t << fraction_bits) - k * divisor for k, t in enumerate(thresholds, 1) if t <= high),
            default=1 << 40,
        )
        least = max(
            (((t - 1) << fraction_bits) + 1 - k * divisor for k, t in enumerate(thresholds, 1) if t > low),
            default=-(1 << 40),
        )
        if least <= most:
            return divisor
    return None


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_fraction_bits_and_divisor_are_the_least(seed: int, bits: int) -> None:
    low, high = -12, 15
    thresholds = _lines(np.random.default_rng(seed), 1, bits, low, high)
    divide = fit_divide(thresholds, bits, low, high)
    row = thresholds[0].tolist()
    assert _any_division(row, divide.fraction_bits, low, high) == divide.divisor[0]
    if divide.fraction_bits:
        assert _any_division(row, divide.fraction_bits - 1, low, high) is None


def test_one_output_that_needs_fraction_bits_sets_them_for_all() -> None:
    thresholds = np.array([[0, 1, 2], [0, 2, 3], [1, 2, 4]])
    alone = [fit_divide(row[None], 2, -8, 8).fraction_bits for row in thresholds]
    assert fit_divide(thresholds, 2, -8, 8).fraction_bits == max(alone)


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_constant_outputs(bits: int) -> None:
    low, high, top = -100, 100, 2**bits - 1
    levels = np.arange(top + 1)
    thresholds = np.where(np.arange(1, top + 1) <= levels[:, None], low, high + 1)
    divide = fit_divide(thresholds, bits, low, high)
    for accumulator in (low, 0, high):
        assert (divide.apply(np.full((1, top + 1), accumulator)) == levels).all()
    assert divide.fraction_bits == 0
    # The lowest and the highest level need no more room than the accumulators themselves.
    assert abs(divide.offset[0]) <= high
    assert abs(divide.offset[top]) <= -low + top


@pytest.mark.parametrize(("row", "shift"), [([0, 10, 11], 7 / 4), ([0, 1, 10], 6 / 4)])
def test_uneven_thresholds_get_the_division_that_misses_by_least(row: list[int], shift: float) -> None:
    thresholds = np.array([row])
    divide = fit_divide(thresholds, 2, -20, 20)
    assert divide.fraction_bits == FRACTION_BITS
    assert count_wrong(divide, thresholds, -20, 20) > 0
    assert largest_shift(divide, thresholds, -20, 20) == pytest.approx(shift, abs=1e-3)


def test_wrong_thresholds_are_counted_and_measured() -> None:
    even = np.array([[0, 4, 8], [1, 5, 9]])
    divide = fit_divide(even, 2, -20, 20)
    assert count_wrong(divide, even, -20, 20) == 0
    assert largest_shift(divide, even, -20, 20) == 0
    moved = even + np.array([[0, 0, 0], [0, -1, 2]])
    assert count_wrong(divide, moved, -20, 20) == 2
    # T + 3 * D is 9 where the third threshold of the second row needs 11.
    assert largest_shift(divide, moved, -20, 20) == 2
