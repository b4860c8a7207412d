"""Integer thresholds: the accumulators at which each output's target passes from one level to the next.

Letters in shapes: O outputs, K thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.lowering.breakpoints import Breakpoints
from bcsim.compiler.lowering.piecewise import Line, at

__all__ = ["integer_thresholds"]

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]

# Each float64 estimate takes five roundings of operands and two of operations, 7 * 2**-53 of the sum of the
# absolute values of its terms; 2**-49 leaves a factor of two.
RELATIVE_ERROR = 2.0**-49
# Beyond 2**300 or 2**-300 a product could overflow or be denormal, and its error would no longer be relative.
EXPONENT_BITS = 300


def integer_thresholds(
    line: Line, breakpoints: Sequence[Breakpoints], outputs: int, low: int, high: int
) -> IntArray:
    """The least integer accumulator from low to high that lies beyond each breakpoint, int64 (O, K).

    line : the value of an accumulator, y = scale * accumulator + shift.
    breakpoints : of y, one for each output or one for all; rising for positive scales, falling for negative ones,
        so that they all are lower bounds of the accumulator.
    low stands for breakpoints that hold for every accumulator in the range, high + 1 for those that hold for none.
    A float64 estimate decides wherever its error bound lets it; the other thresholds are computed in integers.
    """
    count = len(breakpoints[0].numerators)
    thresholds = np.empty((outputs, count), dtype=np.int64)
    shared = _to_floats(breakpoints[0]) if len(breakpoints) == 1 else None
    for o in range(outputs):
        thresholds[o] = _row(
            at(line.scale, o), at(line.shift, o), _of_output(breakpoints, o), shared, low, high
        )
    return thresholds


def _of_output(breakpoints: Sequence[Breakpoints], output: int) -> Breakpoints:
    return breakpoints[output] if len(breakpoints) > 1 else breakpoints[0]


def _row(
    scale: Fraction, shift: Fraction, breakpoints: Breakpoints, floats: FloatArray | None, low: int, high: int
) -> IntArray:
    row = np.full(len(breakpoints.numerators), low, dtype=np.int64)
    if scale == 0:
        row[breakpoints.reached(shift) :] = high + 1
        return row
    row[breakpoints.last :] = high + 1
    finite = slice(breakpoints.first, breakpoints.last)
    floats = _to_floats(breakpoints) if floats is None else floats
    row[finite] = _crossings(scale, shift, breakpoints, floats, finite, low, high)
    return row


def _crossings(
    scale: Fraction,
    shift: Fraction,
    breakpoints: Breakpoints,
    floats: FloatArray,
    finite: slice,
    low: int,
    high: int,
) -> IntArray:
    """The finite breakpoints of one output, at c = (b - shift) / scale."""
    gain, start = 1 / scale, -shift / scale
    products = floats[finite] * _to_float(gain)
    estimate = products + _to_float(start)
    error = (np.abs(products) + abs(_to_float(start))) * RELATIVE_ERROR
    lowest, highest = np.ceil(estimate - error), np.ceil(estimate + error)
    # The ceiling is the least integer reached by closed and open breakpoints alike unless c itself is an integer.
    sure = (lowest == highest) & (np.abs(estimate - np.rint(estimate)) > error)
    sure |= (highest < low) | (lowest > high + 1)
    crossing = np.clip(np.where(sure, highest, low), low, high + 1).astype(np.int64)
    doubtful = np.flatnonzero(~sure)
    if len(doubtful):
        exact = _exact_crossings(gain, start, breakpoints, doubtful + finite.start)
        crossing[doubtful] = np.clip(exact, low, high + 1).astype(np.int64)
    return crossing


def _exact_crossings(
    gain: Fraction, start: Fraction, breakpoints: Breakpoints, indices: NDArray[np.int64]
) -> NDArray[np.object_]:
    """ceil(b * gain + start) of closed breakpoints, floor + 1 of open ones, in integers of any size."""
    numerators = breakpoints.numerators[indices] * (gain.numerator * start.denominator)
    numerators = numerators + start.numerator * gain.denominator * breakpoints.denominator
    denominator = breakpoints.denominator * gain.denominator * start.denominator
    return np.asarray((numerators - breakpoints.closed[indices].astype(object)) // denominator + 1)


def _to_float(value: Fraction) -> float:
    return _ratio(value.numerator, value.denominator)


def _to_floats(breakpoints: Breakpoints) -> FloatArray:
    """The breakpoints to three roundings, or NaN as in `_ratio`."""
    numerators, denominator = breakpoints.numerators, breakpoints.denominator
    try:
        ratios = numerators.astype(np.float64) / float(denominator)
    except OverflowError:
        return np.array([_ratio(n, denominator) for n in numerators], dtype=np.float64)
    size = np.abs(ratios)
    bounded = (size == 0) | ((size > 2.0**-EXPONENT_BITS) & (size < 2.0**EXPONENT_BITS))
    return np.where(bounded, ratios, np.nan)


def _ratio(numerator: int, denominator: int) -> float:
    """The quotient rounded, or NaN where its magnitude leaves no room for the error bound."""
    if numerator and abs(numerator.bit_length() - denominator.bit_length()) > EXPONENT_BITS:
        return float("nan")
    return numerator / denominator
