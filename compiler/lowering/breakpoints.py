"""Breakpoints: where a tensor's value crosses from one integer level to the next, pulled back to the accumulators.

Every function is monotone in each channel, so the values of its input for which its output lies beyond a breakpoint
are themselves a half line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, lcm

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.lowering.curves import Curved
from bcsim.compiler.lowering.float_rounding import rounds_from
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
    is_shared,
)
from bcsim.compiler.program.layers import Encoding

__all__ = ["Breakpoints", "pull_back", "pull_shared", "uniform_breakpoints"]


@dataclass(frozen=True, slots=True)
class Breakpoints:
    """K half lines, each inside the one before: breakpoint k is {x : x >= b} if rising, {x : x <= b} if not.

    numerators : object (K,) of int; b = numerators[k] / denominator for first <= k < last.
    denominator : positive.
    closed : bool (K,), whether b itself belongs to the half line.
    first, last : breakpoints before `first` hold for every x, breakpoints from `last` on for none.
    """

    numerators: NDArray[np.object_]
    denominator: int
    closed: NDArray[np.bool_]
    rising: bool
    first: int
    last: int

    def bound(self, k: int) -> Fraction:
        return Fraction(self.numerators[k], self.denominator)

    def limited(self, first: int, last: int) -> Breakpoints:
        """These breakpoints with those before `first` always true and those from `last` on never."""
        first = min(max(first, self.first), self.last)
        return replace(self, first=first, last=max(first, min(last, self.last)))

    def reached(self, value: Fraction) -> int:
        """How many of the breakpoints `value` lies beyond."""
        low, high = self.first, self.last
        while low < high:
            middle = (low + high) // 2
            bound = self.bound(middle)
            beyond = value > bound if self.rising else value < bound
            low, high = (
                (middle + 1, high) if beyond or (value == bound and self.closed[middle]) else (low, middle)
            )
        return low


def uniform_breakpoints(encoding: Encoding) -> Breakpoints:
    """The breakpoints at which rounding to the nearest level of `encoding`, halves up, passes from k - 1 to k."""
    start, step = encoding.offset - encoding.scale / 2, encoding.scale
    denominator = start.denominator * step.denominator
    k = np.arange(1, encoding.levels).astype(object)
    numerators = k * (step.numerator * start.denominator) + start.numerator * step.denominator
    return Breakpoints(numerators, denominator, np.ones(len(k), dtype=np.bool_), True, 0, len(k))


def pull_back(
    functions: Sequence[PiecewiseFunction], breakpoints: Breakpoints, channels: int
) -> list[Breakpoints]:
    """The breakpoints of the first function's input from those of the last function's output.

    One entry if no function differs between channels, else one per channel.
    """
    rest, breakpoints = pull_shared(functions, breakpoints)
    if not rest:
        return [breakpoints]
    return [_pull_channel(rest, breakpoints, channel) for channel in range(channels)]


def pull_shared(
    functions: Sequence[PiecewiseFunction], breakpoints: Breakpoints, most_smooth: int | None = None
) -> tuple[Sequence[PiecewiseFunction], Breakpoints]:
    """The breakpoints pulled back to before the last functions that are alike in all channels, and those before them.

    most_smooth : breakpoints that are pulled through a curve; more of them stay behind it.
    """
    rest = list(functions)
    while rest and is_shared(rest[-1]):
        many = most_smooth is not None and breakpoints.last - breakpoints.first > most_smooth
        if many and isinstance(rest[-1], Smooth):
            break
        breakpoints = _pull_function(rest.pop(), breakpoints, 0)
    return rest, breakpoints


def _pull_channel(
    functions: Sequence[PiecewiseFunction], breakpoints: Breakpoints, channel: int
) -> Breakpoints:
    for function in reversed(functions):
        breakpoints = _pull_function(function, breakpoints, channel)
    return breakpoints


def _pull_function(function: PiecewiseFunction, breakpoints: Breakpoints, channel: int) -> Breakpoints:
    if isinstance(function, Line):
        return _pull_line(at(function.scale, channel), at(function.shift, channel), breakpoints)
    if isinstance(function, Limit):
        return _pull_limit(function, breakpoints)
    if isinstance(function, Bend):
        return _pull_bend(at(function.slope, channel), function.kind, breakpoints)
    if isinstance(function, Smooth):
        return _pull_smooth(function, breakpoints)
    if isinstance(function, Whole):
        return _pull_whole(function, breakpoints)
    if isinstance(function, Pieces):
        return _pull_pieces(function, breakpoints)
    return _pull_steps(function, breakpoints, channel)


def _pull_line(scale: Fraction, shift: Fraction, breakpoints: Breakpoints) -> Breakpoints:
    """x = (b - shift) / scale; a negative scale turns the half lines round."""
    if scale == 0:
        reached = breakpoints.reached(shift)
        return breakpoints.limited(reached, reached)
    sign = 1 if scale > 0 else -1
    factor = scale.denominator * sign
    numerators = breakpoints.numerators * (shift.denominator * factor)
    numerators = numerators - shift.numerator * breakpoints.denominator * factor
    denominator = breakpoints.denominator * shift.denominator * scale.numerator * sign
    rising = breakpoints.rising == (scale > 0)
    return replace(breakpoints, numerators=numerators, denominator=denominator, rising=rising)


def _pull_limit(limit: Limit, breakpoints: Breakpoints) -> Breakpoints:
    """No value lies below the near bound, so breakpoints up to it always hold; those past the far bound never do."""
    near, far = (limit.low, limit.high) if breakpoints.rising else (limit.high, limit.low)
    first = 0 if near is None else breakpoints.reached(near)
    last = len(breakpoints.numerators) if far is None else breakpoints.reached(far)
    return breakpoints.limited(first, last)


def _unrounded(breakpoints: Breakpoints, kind: str) -> Breakpoints:
    """The breakpoints of what is rounded to a float before it meets these."""
    if kind == "exact":
        return breakpoints
    closed, bounds = breakpoints.closed.copy(), []
    for k in range(breakpoints.first, breakpoints.last):
        beyond = bool(closed[k]) != breakpoints.rising
        place, reached = rounds_from(breakpoints.bound(k), kind, beyond=beyond)
        bounds.append(place)
        closed[k] = reached == breakpoints.rising
    return replace(_moved(breakpoints, bounds, breakpoints.first), closed=closed)


def _pull_bend(slope: Fraction, kind: str, breakpoints: Breakpoints) -> Breakpoints:
    """x = b from 0 on, x = b / slope below; without a slope the bend is a limit."""
    if slope == 0:
        return _pull_limit(Limit(Fraction(0), None), breakpoints)
    if slope != 1:
        breakpoints = _falling_side(breakpoints, kind)
    bounds = [breakpoints.bound(k) for k in range(breakpoints.first, breakpoints.last)]
    return _moved(breakpoints, [b if b >= 0 else b / slope for b in bounds], breakpoints.first)


def _pull_whole(whole: Whole, breakpoints: Breakpoints) -> Breakpoints:
    """A breakpoint of whole numbers becomes the place from which rounding gives the first of them beyond it."""
    closed, bounds = breakpoints.closed.copy(), []
    for k in range(breakpoints.first, breakpoints.last):
        bound = breakpoints.bound(k)
        reached = bool(closed[k]) == breakpoints.rising
        place, inclusive = whole.first(ceil(bound) if reached else floor(bound) + 1)
        bounds.append(place)
        closed[k] = inclusive == breakpoints.rising
    return replace(_moved(breakpoints, bounds, breakpoints.first), closed=closed)


def _pull_pieces(pieces: Pieces, breakpoints: Breakpoints) -> Breakpoints:
    """From where on the pieces lie beyond each breakpoint, but for those that they always or never do."""
    found = [
        pieces.first_beyond(breakpoints.bound(k), bool(breakpoints.closed[k]) == breakpoints.rising)
        for k in range(breakpoints.first, breakpoints.last)
    ]
    always, never = (True, None) if breakpoints.rising else (None, True)
    first, last = breakpoints.first + found.count(always), breakpoints.last - found.count(never)
    places = [place for place in found if isinstance(place, tuple)]
    closed = breakpoints.closed.copy()
    closed[first:last] = [inclusive == breakpoints.rising for _, inclusive in places]
    moved = _moved(breakpoints.limited(first, last), [place for place, _ in places], first)
    return replace(moved, closed=closed)


def _falling_side(breakpoints: Breakpoints, kind: str) -> Breakpoints:
    """The breakpoints, those up to 0 before rounding: only what a bend scales is rounded."""
    before = _unrounded(breakpoints, kind)
    closed, bounds = breakpoints.closed.copy(), []
    for k in range(breakpoints.first, breakpoints.last):
        scaled = before.bound(k) < 0
        bounds.append(before.bound(k) if scaled else breakpoints.bound(k))
        closed[k] = before.closed[k] if scaled else closed[k]
    return replace(_moved(breakpoints, bounds, breakpoints.first), closed=closed)


def _pull_smooth(smooth: Smooth, breakpoints: Breakpoints) -> Breakpoints:
    """Where the curve takes the value of each breakpoint, but for those that it always or never goes beyond.

    Raises BcsimError for breakpoints that it crosses twice.
    """
    curve, breakpoints = smooth.curve, _unrounded(breakpoints, smooth.kind)
    places = range(breakpoints.first, breakpoints.last)
    bounds = [breakpoints.bound(k) for k in places]
    below = [
        _is_below(curve, b, bool(breakpoints.closed[k]) == breakpoints.rising)
        for k, b in zip(places, bounds, strict=True)
    ]
    above = [curve.high is not None and b >= curve.high for b in bounds]
    always, never = (below, above) if breakpoints.rising else (above, below)
    first, last = breakpoints.first + sum(always), breakpoints.last - sum(never)
    inside = bounds[sum(always) : len(bounds) - sum(never)]
    if curve.valley and not smooth.rises:
        _check_single(smooth, inside, breakpoints, first)
    return _moved(breakpoints.limited(first, last), [curve.inverse(b) for b in inside], first)


def _is_below(curve: Curved, bound: Fraction, reached: bool) -> bool:
    """Whether every value of the curve lies beyond the bound; `reached` says that one at the bound does."""
    if curve.valley:
        return bound < curve.valley[1] or (bound == curve.valley[1] and reached)
    return curve.low is not None and bound <= curve.low


def _check_single(smooth: Smooth, bounds: Sequence[Fraction], breakpoints: Breakpoints, first: int) -> None:
    """Raise BcsimError for breakpoints between the least value of a curve and 0, from which it falls to that."""
    for k, bound in enumerate(bounds, first):
        if bound < 0 or (bound == 0 and bool(breakpoints.closed[k]) == breakpoints.rising):
            raise BcsimError(smooth.refusal)


def _moved(breakpoints: Breakpoints, bounds: Sequence[Fraction], first: int) -> Breakpoints:
    """The breakpoints with those from `first` on at `bounds`."""
    numerators = breakpoints.numerators.copy()
    denominator = lcm(*(bound.denominator for bound in bounds))
    for k, bound in enumerate(bounds, first):
        numerators[k] = bound.numerator * (denominator // bound.denominator)
    return replace(breakpoints, numerators=numerators, denominator=denominator)


def _pull_steps(steps: Steps, breakpoints: Breakpoints, channel: int) -> Breakpoints:
    """A breakpoint of the values becomes the bound of the first value beyond it."""
    bounds, inclusive = steps.row(channel)
    count = len(bounds)
    levels = [_first_level(steps, breakpoints, k) for k in range(breakpoints.first, breakpoints.last)]
    always, never = (0, count + 1) if breakpoints.rising else (count + 1, 0)
    first, last = breakpoints.first + levels.count(always), breakpoints.last - levels.count(never)
    denominator = lcm(*(bound.denominator for bound in bounds))
    numerators, closed = breakpoints.numerators.copy(), breakpoints.closed.copy()
    for k in range(first, last):
        index = levels[k - breakpoints.first] - 1
        numerators[k] = bounds[index].numerator * (denominator // bounds[index].denominator)
        closed[k] = inclusive[index] == breakpoints.rising
    return Breakpoints(numerators, denominator, closed, breakpoints.rising, first, last)


def _first_level(steps: Steps, breakpoints: Breakpoints, k: int) -> int:
    """Rising: the first level whose value lies beyond breakpoint k. Falling: the first whose value does not."""
    bound, values = breakpoints.bound(k), steps.values
    level = bisect_left(values, bound)
    equal = level < len(values) and values[level] == bound
    inclusive = bool(breakpoints.closed[k]) == breakpoints.rising
    return level + 1 if equal and not inclusive else level
