"""Thresholds by search: at which accumulators a chain of functions crosses many breakpoints.

Pulling each breakpoint back takes exact arithmetic for every one of them, in every output whose functions are its
own. Here float64 intervals find the accumulators, and only those too near to a breakpoint are computed exactly.

Letters in shapes: K breakpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.lowering.breakpoints import Breakpoints
from bcsim.compiler.lowering.float_intervals import Interval, float_ends, through
from bcsim.compiler.lowering.piecewise import PiecewiseFunction, Smooth, forward

__all__ = ["crossings"]

IntArray: TypeAlias = NDArray[np.int64]

GRID = 1 << 15
"""Accumulators that are looked at first; what lies between is bisected."""
MOST_EXACT = 20_000
"""Exact values of one layer, some seconds."""


@dataclass(slots=True)
class _Budget:
    """How many exact values may still be computed.

    node : whose, for the refusal.
    """

    node: str
    left: int = MOST_EXACT

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise BcsimError(
                f"{self.node}: more than {MOST_EXACT} of the values before it lie within rounding of a threshold; "
                "accepted are steps that float64 tells apart"
            )


@dataclass(slots=True)
class _Output:
    """One output's functions of its accumulator, the first of them a line."""

    functions: Sequence[PiecewiseFunction]
    channel: int
    breakpoints: Breakpoints
    budget: _Budget
    _exact: dict[int, Fraction] = field(default_factory=dict)

    def interval(self, accumulators: IntArray) -> Interval:
        """Of the values, negated where breakpoints are upper bounds."""
        x = accumulators.astype(np.float64)
        low, high = reduce(
            lambda ends, function: through(function, ends, self.channel), self.functions, (x, x)
        )
        return (low, high) if self.breakpoints.rising else (-high, -low)

    def reaches(self, accumulator: int, k: int) -> bool:
        """Whether the exact value lies beyond breakpoint k."""
        value = self._exact.get(accumulator)
        if value is None:
            self.budget.spend()
            value = self._exact[accumulator] = _value(self.functions, Fraction(accumulator), self.channel)
        bound = self.breakpoints.bound(k)
        if value == bound:
            return bool(self.breakpoints.closed[k])
        return (value > bound) == self.breakpoints.rising


def crossings(
    functions: Sequence[PiecewiseFunction],
    breakpoints: Breakpoints,
    lowest: IntArray,
    highest: IntArray,
    node: str,
) -> IntArray:
    """The least accumulator of each output whose value lies beyond each breakpoint, int64 (O, K).

    functions : of the accumulator, a line first; the breakpoints are of the last one's output.
    lowest, highest : each output's accumulators, int64 (O,). lowest stands for breakpoints that hold for all of them,
        highest + 1 for those that hold for none.
    node : whose values they are, for a refusal.

    Raises BcsimError for breakpoints that a curve crosses twice, and where too many values are too near to them.
    """
    budget = _Budget(node)
    places = np.arange(breakpoints.first, breakpoints.last)
    bounds = _float_bounds(breakpoints, places)
    rows = np.empty((len(lowest), len(breakpoints.numerators)), dtype=np.int64)
    for channel, (least, most) in enumerate(zip(lowest.tolist(), highest.tolist(), strict=True)):
        output = _Output(functions, channel, breakpoints, budget)
        _check_valleys(output)
        rows[channel, : breakpoints.first] = least
        rows[channel, breakpoints.last :] = most + 1
        rows[channel, places] = _bisected(output, places, bounds, *_brackets(output, bounds, least, most))
    return rows


def _check_valleys(output: _Output) -> None:
    """Raise BcsimError where a breakpoint lies between a curve's least value and 0, from which it falls to that."""
    breakpoints = output.breakpoints
    for index, function in reversed(list(enumerate(output.functions))):
        if not isinstance(function, Smooth) or not function.curve.valley or function.rises:
            continue
        behind = output.functions[index + 1 :]
        ends = [Fraction(0), function.curve.valley[1]]
        reached = {breakpoints.reached(_value(behind, end, output.channel)) for end in ends}
        if len(reached) > 1:
            raise BcsimError(function.refusal)


def _value(functions: Iterable[PiecewiseFunction], x: Fraction, channel: int) -> Fraction:
    return reduce(lambda value, function: forward(function, value, channel), functions, x)


def _float_bounds(breakpoints: Breakpoints, places: IntArray) -> Interval:
    """Floats just below and just above the breakpoints, negated where those are upper bounds, both (K,) ascending."""
    below, above = np.array([float_ends(breakpoints.bound(k)) for k in places.tolist()]).reshape(-1, 2).T
    return (below, above) if breakpoints.rising else (-above, -below)


def _brackets(output: _Output, bounds: Interval, lowest: int, highest: int) -> tuple[IntArray, IntArray]:
    """Bounds of every threshold: beyond its breakpoint lies no accumulator below `low`, and every one from `high`.

    What is certain of one accumulator is certain of all on its side of it.
    """
    below, above = bounds
    grid = np.unique(np.linspace(lowest, highest, min(GRID, highest - lowest + 1)).astype(np.int64))
    least, most = output.interval(grid)
    sure = np.maximum.accumulate(np.where(np.isnan(least), -np.inf, least))
    possible = np.minimum.accumulate(np.where(np.isnan(most), np.inf, most)[::-1])[::-1]
    first_sure = np.searchsorted(sure, np.where(np.isnan(above), np.inf, above), side="right")
    first_possible = np.searchsorted(possible, np.where(np.isnan(below), -np.inf, below), side="left")
    low = np.append(lowest, grid + 1)[first_possible]
    high = np.append(grid, highest + 1)[first_sure]
    return low, high


def _bisected(output: _Output, places: IntArray, bounds: Interval, low: IntArray, high: IntArray) -> IntArray:
    """The brackets closed: in floats as long as these can tell, exactly from there."""
    below, above = bounds
    open_ones = np.flatnonzero(low < high)
    while len(open_ones):
        middle = (low[open_ones] + high[open_ones]) // 2
        least, most = output.interval(middle)
        beyond, short = least > above[open_ones], most < below[open_ones]
        for index in np.flatnonzero(~(beyond | short)):
            beyond[index] = output.reaches(int(middle[index]), int(places[open_ones[index]]))
        high[open_ones] = np.where(beyond, middle, high[open_ones])
        low[open_ones] = np.where(beyond, low[open_ones], middle + 1)
        open_ones = open_ones[low[open_ones] < high[open_ones]]
    return low
