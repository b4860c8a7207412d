"""Cuts: where a tensor's value crosses from one integer level to the next, pulled back through the pieces before it.

Every piece is monotone in each channel, so the values of its input for which its output lies beyond a cut are
themselves a half line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.lowering.piecewise import Limit, Line, Piece, Steps, at, is_shared
from bcsim.compiler.program.layers import Encoding

__all__ = ["Cuts", "pull_back", "uniform_cuts"]


@dataclass(frozen=True, slots=True)
class Cuts:
    """K half lines, each inside the one before: cut k is {x : x >= b} if rising, {x : x <= b} if not.

    numerators : object (K,) of int; b = numerators[k] / denominator for first <= k < last.
    denominator : positive.
    closed : bool (K,), whether b itself belongs to the half line.
    first, last : cuts before `first` hold for every x, cuts from `last` on for none.
    """

    numerators: NDArray[np.object_]
    denominator: int
    closed: NDArray[np.bool_]
    rising: bool
    first: int
    last: int

    def bound(self, k: int) -> Fraction:
        return Fraction(self.numerators[k], self.denominator)

    def limited(self, first: int, last: int) -> Cuts:
        """These cuts with those before `first` always true and those from `last` on never."""
        first = min(max(first, self.first), self.last)
        return replace(self, first=first, last=max(first, min(last, self.last)))

    def reached(self, value: Fraction) -> int:
        """How many of the cuts `value` lies beyond."""
        low, high = self.first, self.last
        while low < high:
            middle = (low + high) // 2
            bound = self.bound(middle)
            beyond = value > bound if self.rising else value < bound
            low, high = (
                (middle + 1, high) if beyond or (value == bound and self.closed[middle]) else (low, middle)
            )
        return low


def uniform_cuts(encoding: Encoding) -> Cuts:
    """The cuts at which rounding to the nearest level of `encoding`, halves up, passes from k - 1 to k."""
    start, step = encoding.offset - encoding.scale / 2, encoding.scale
    denominator = start.denominator * step.denominator
    k = np.arange(1, encoding.levels).astype(object)
    numerators = k * (step.numerator * start.denominator) + start.numerator * step.denominator
    return Cuts(numerators, denominator, np.ones(len(k), dtype=np.bool_), True, 0, len(k))


def pull_back(pieces: Sequence[Piece], cuts: Cuts, channels: int) -> list[Cuts]:
    """The cuts of the first piece's input from those of the last piece's output.

    One entry if no piece differs between channels, else one per channel.
    """
    rest = list(pieces)
    while rest and is_shared(rest[-1]):
        cuts = _pull_piece(rest.pop(), cuts, 0)
    if not rest:
        return [cuts]
    return [_pull_channel(rest, cuts, channel) for channel in range(channels)]


def _pull_channel(pieces: Sequence[Piece], cuts: Cuts, channel: int) -> Cuts:
    for piece in reversed(pieces):
        cuts = _pull_piece(piece, cuts, channel)
    return cuts


def _pull_piece(piece: Piece, cuts: Cuts, channel: int) -> Cuts:
    if isinstance(piece, Line):
        return _pull_line(at(piece.scale, channel), at(piece.shift, channel), cuts)
    if isinstance(piece, Limit):
        return _pull_limit(piece, cuts)
    return _pull_steps(piece, cuts, channel if len(piece.bounds) > 1 else 0)


def _pull_line(scale: Fraction, shift: Fraction, cuts: Cuts) -> Cuts:
    """x = (b - shift) / scale; a negative scale turns the half lines round."""
    if scale == 0:
        reached = cuts.reached(shift)
        return cuts.limited(reached, reached)
    sign = 1 if scale > 0 else -1
    factor = scale.denominator * sign
    numerators = cuts.numerators * (shift.denominator * factor) - shift.numerator * cuts.denominator * factor
    denominator = cuts.denominator * shift.denominator * scale.numerator * sign
    return replace(cuts, numerators=numerators, denominator=denominator, rising=cuts.rising == (scale > 0))


def _pull_limit(limit: Limit, cuts: Cuts) -> Cuts:
    """No value lies below the near bound, so cuts up to it always hold; cuts past the far bound never do."""
    near, far = (limit.low, limit.high) if cuts.rising else (limit.high, limit.low)
    first = 0 if near is None else cuts.reached(near)
    last = len(cuts.numerators) if far is None else cuts.reached(far)
    return cuts.limited(first, last)


def _pull_steps(steps: Steps, cuts: Cuts, row: int) -> Cuts:
    """A cut of the values becomes the bound of the first value beyond it."""
    bounds, count = steps.bounds[row], len(steps.bounds[row])
    levels = [_first_level(steps, cuts, k) for k in range(cuts.first, cuts.last)]
    always, never = (0, count + 1) if cuts.rising else (count + 1, 0)
    first, last = cuts.first + levels.count(always), cuts.last - levels.count(never)
    denominator = lcm(*(bound.denominator for bound in bounds))
    numerators, closed = cuts.numerators.copy(), cuts.closed.copy()
    for k in range(first, last):
        index = levels[k - cuts.first] - 1
        numerators[k] = bounds[index].numerator * (denominator // bounds[index].denominator)
        closed[k] = steps.closed[index] == cuts.rising
    return Cuts(numerators, denominator, closed, cuts.rising, first, last)


def _first_level(steps: Steps, cuts: Cuts, k: int) -> int:
    """Rising: the first level whose value lies beyond cut k. Falling: the first whose value does not."""
    bound, values = cuts.bound(k), steps.values
    level = bisect_left(values, bound)
    equal = level < len(values) and values[level] == bound
    inclusive = bool(cuts.closed[k]) == cuts.rising
    return level + 1 if equal and not inclusive else level
