"""Piecewise functions on many values at once: intervals of float64 that surely hold the exact results.

The ends are widened by more than float64's own rounding and that of its functions, a few units in the last place.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.graph.curves import evaluate_curve
from bcsim.compiler.lowering.float_rounding import FORMATS
from bcsim.compiler.lowering.pieces import Pieces
from bcsim.compiler.lowering.piecewise import (
    Bend,
    Limit,
    Line,
    PiecewiseFunction,
    Smooth,
    Steps,
    Whole,
    at,
)

__all__ = ["Interval", "float_ends", "through"]

FloatArray: TypeAlias = NDArray[np.float64]
Interval: TypeAlias = tuple[FloatArray, FloatArray]

# Of the sum of magnitudes in a line, some roundings of 2**-53; of a curve's value, some thousand of them.
LINE_ERROR = 2.0**-48
CURVE_ERROR = 2.0**-41
LEAST = 2.0**-1000

_ROUNDINGS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "ROUND": np.rint,
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "ROUND_TO_ZERO": np.trunc,
}


def through(function: PiecewiseFunction, x: Interval, channel: int) -> Interval:
    """The interval of the function's values, of the shape of x; NaN where float64 cannot tell."""
    if isinstance(function, Line):
        return _line(at(function.scale, channel), at(function.shift, channel), x)
    if isinstance(function, Limit):
        low, high = (_bound(function.low, -np.inf), _bound(function.high, np.inf))
        return np.clip(x[0], low[0], high[0]), np.clip(x[1], low[1], high[1])
    if isinstance(function, Bend):
        scaled = _rounded(_line(at(function.slope, channel), Fraction(0), x), function.kind)
        return np.where(x[0] >= 0, x[0], scaled[0]), np.where(x[1] >= 0, x[1], scaled[1])
    if isinstance(function, Smooth):
        return _rounded(_curve(function, x), function.kind)
    if isinstance(function, Whole):
        return _whole(function, x)
    if isinstance(function, Pieces):
        return _pieces(function, x)
    return _steps(function, x, channel)


def float_ends(value: Fraction) -> tuple[float, float]:
    """Floats below and above a number, the nearest but for one; NaN beyond what float64 holds."""
    try:
        nearest = value.numerator / value.denominator
    except OverflowError:
        return np.nan, np.nan
    return float(np.nextafter(nearest, -np.inf)), float(np.nextafter(nearest, np.inf))


def _bound(value: Fraction | None, none: float) -> tuple[float, float]:
    return (none, none) if value is None else float_ends(value)


def _line(scale: Fraction, shift: Fraction, x: Interval) -> Interval:
    gain, start = (sum(float_ends(value)) / 2 for value in (scale, shift))
    ends = x if scale >= 0 else x[::-1]
    products = [gain * end for end in ends]
    errors = [(np.abs(product) + abs(start)) * LINE_ERROR + LEAST for product in products]
    return products[0] + start - errors[0], products[1] + start + errors[1]


def _curve(smooth: Smooth, x: Interval) -> Interval:
    with np.errstate(over="ignore", invalid="ignore"):
        ends = [evaluate_curve(smooth.curve.name, end) for end in x]
        low, high = np.minimum(*ends), np.maximum(*ends)
        if smooth.curve.valley:
            place, least = (float(value) for value in smooth.curve.valley)
            near = (x[0] <= place + 2.0**-20) & (x[1] >= place - 2.0**-20)
            low = np.where(near, np.minimum(low, least), low)
        return low - np.abs(low) * CURVE_ERROR - LEAST, high + np.abs(high) * CURVE_ERROR + LEAST


def _rounded(x: Interval, kind: str) -> Interval:
    """Both ends rounded to floats of a kind, ties to even, without an upper end of exponents."""
    if kind == "exact":
        return x
    bits, least = FORMATS[kind]
    ends = []
    for end in x:
        exponents = np.maximum(np.frexp(end)[1] - 1, least) - bits + 1
        with np.errstate(over="ignore", invalid="ignore"):
            ends.append(np.ldexp(np.rint(np.ldexp(end, -exponents)), exponents))
    return ends[0], ends[1]


def _whole(whole: Whole, x: Interval) -> Interval:
    if whole.rounding == "HALF_UP":
        below, above = np.nextafter(x[0] + 0.5, -np.inf), np.nextafter(x[1] + 0.5, np.inf)
        return np.floor(below), np.floor(above)
    rounding = _ROUNDINGS[whole.rounding]
    return rounding(x[0]), rounding(x[1])


def _pieces(pieces: Pieces, x: Interval) -> Interval:
    """The least and the greatest of all lines on which an end may lie."""
    below, above = np.array([float_ends(bound) for bound in pieces.bounds]).T
    ends: list[FloatArray] = []
    for end, extreme in zip(x, (np.fmin, np.fmax), strict=True):
        first, last = np.searchsorted(above, end, side="left"), np.searchsorted(below, end, side="right")
        found = np.full(end.shape, np.nan)
        for k, (scale, shift) in enumerate(zip(pieces.scale, pieces.shift, strict=True)):
            value = _line(scale, shift, (end, end))[len(ends)]
            found = extreme(found, np.where((first <= k) & (k <= last), value, np.nan))
        ends.append(found)
    return ends[0], ends[1]


def _steps(steps: Steps, x: Interval, channel: int) -> Interval:
    bounds, _ = steps.row(channel)
    below, above = (np.array([float_ends(bound)[side] for bound in bounds]) for side in (0, 1))
    values = [np.array([float_ends(value)[side] for value in steps.values]) for side in (0, 1)]
    least = values[0][np.searchsorted(above, x[0], side="left")]
    most = values[1][np.searchsorted(below, x[1], side="right")]
    unknown = np.isnan(x[0]) | np.isnan(x[1])
    return np.where(unknown, np.nan, least), np.where(unknown, np.nan, most)
