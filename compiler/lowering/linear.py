"""A linear layer in integers, before its requantiser.

Letters in shapes: I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.lowering.breakpoints import Breakpoints, pull_back, pull_shared, uniform_breakpoints
from bcsim.compiler.lowering.crossings import crossings
from bcsim.compiler.lowering.piecewise import (
    Line,
    PiecewiseFunction,
    Smooth,
    at,
    compose,
    forward,
    is_shared,
    narrowed,
)
from bcsim.compiler.lowering.shared_thresholds import SharedThresholds, alike, of_outputs
from bcsim.compiler.lowering.thresholds import integer_thresholds
from bcsim.compiler.program.layers import Encoding
from bcsim.compiler.program.weight_planes import plane_weights

__all__ = ["Linear", "falling", "to_linear"]

IntArray: TypeAlias = NDArray[np.int64]

MOST_PULLED = 1 << 12
"""Breakpoints of all outputs that are pulled back one by one, each up to a millisecond."""


@dataclass(frozen=True, slots=True)
class Linear:
    """accumulator = weights @ q, and all that the float network makes of it.

    weights : int16 or int32 (O, I), sums of weight planes.
    line : the float layer's value of an accumulator and the lines right after it.
    functions : from that value to the tensor that feeds the next layer.
    """

    weights: NDArray[np.signedinteger[Any]]
    source: Encoding
    line: Line
    functions: tuple[PiecewiseFunction, ...]

    def bounds(self) -> tuple[IntArray, IntArray]:
        """The least and the greatest accumulator of each output, int64 (O,)."""
        most = self.source.levels - 1
        negative = np.minimum(self.weights, 0).sum(axis=1, dtype=np.int64)
        return negative * most, (self.weights.sum(axis=1, dtype=np.int64) - negative) * most

    def thresholds(self, target: Encoding) -> SharedThresholds:
        """The accumulators at which rounding to `target` passes from each level to the next."""
        lowest, highest = self.bounds()
        low, high = int(lowest.min()), int(highest.max())
        functions = narrowed(self.functions, self._ends())
        rest, breakpoints = pull_shared(functions, uniform_breakpoints(target), MOST_PULLED)
        first, row = alike([self.line, *rest], len(self.weights))
        line, *rest = of_outputs([self.line, *rest], first)
        assert isinstance(line, Line)
        count = breakpoints.last - breakpoints.first
        if rest and count * (1 if all(map(is_shared, rest)) else len(first)) > MOST_PULLED:
            ends = _of_groups(lowest, highest, row, len(first))
            return SharedThresholds(_searched(line, rest, breakpoints, *ends), row, low, high)
        pulled = pull_back(rest, breakpoints, len(first))
        return SharedThresholds(integer_thresholds(line, pulled, len(first), low, high), row, low, high)

    def _ends(self) -> list[tuple[Fraction, Fraction]]:
        """The least and the greatest value of each output's line, in either order."""
        ends = zip(*(bound.tolist() for bound in self.bounds()), strict=True)
        return [
            (forward(self.line, Fraction(low), o), forward(self.line, Fraction(high), o))
            for o, (low, high) in enumerate(ends)
        ]


def _of_groups(
    lowest: IntArray, highest: IntArray, group: IntArray, groups: int
) -> tuple[IntArray, IntArray]:
    """The least and the greatest accumulator of all outputs of each group, int64 (groups,)."""
    least, most = np.full(groups, lowest.max()), np.full(groups, highest.min())
    np.minimum.at(least, group, lowest)
    np.maximum.at(most, group, highest)
    return least, most


def _searched(
    line: Line,
    functions: Sequence[PiecewiseFunction],
    breakpoints: Breakpoints,
    lowest: IntArray,
    highest: IntArray,
) -> IntArray:
    """The thresholds of breakpoints behind functions through which too many would have to be pulled."""
    node = next((function.node for function in functions if isinstance(function, Smooth)), "The network")
    found = crossings([line, *functions], breakpoints, lowest, highest, node)
    # In place: a thousand scores have half a gigabyte of thresholds.
    never = found > highest[:, None]
    found[found <= lowest[:, None]] = lowest.min()
    found[never] = highest.max() + 1
    return found


def to_linear(
    weights: NDArray[np.int16],
    scales: Sequence[Fraction],
    functions: Sequence[PiecewiseFunction],
    source: Encoding,
) -> Linear:
    """The integer form of y = scale * (weights @ x), which `functions` follow, for a source of unsigned integers.

    scales : positive, one for each output or one for all.
    The weights of outputs that fall as their accumulator grows are negated, so that all rise or are constant. An
    output whose weights are all 0 is a constant, whatever its weights in the result.
    """
    dead = np.logical_not(weights.any(axis=1)).reshape(-1)
    if dead.any():
        weights = np.where(dead[:, None], np.int16(1), weights)
    summed, factor = plane_weights(weights)
    gains = [Fraction(0) if dead[o] else at(scales, o) * factor for o in range(len(summed))]
    sums = summed.sum(axis=1, dtype=np.int64).tolist()
    line = Line(
        tuple(gain * source.scale for gain in gains),
        tuple(gain * source.offset * total for gain, total in zip(gains, sums, strict=True)),
    )
    if functions and isinstance(functions[0], Line):
        line, functions = compose(line, functions[0]), functions[1:]
    return _rising(Linear(summed, source, line, tuple(functions)))


def falling(functions: Sequence[PiecewiseFunction], outputs: int) -> NDArray[np.bool_]:
    """Which outputs fall as the input of the first function grows, bool (O,)."""
    lines = [function for function in functions if isinstance(function, Line)]
    return np.array([sum(at(line.scale, o) < 0 for line in lines) % 2 == 1 for o in range(outputs)])


def _rising(linear: Linear) -> Linear:
    falls = falling([linear.line, *linear.functions], len(linear.weights))
    scale = tuple(
        -at(linear.line.scale, o) if falls[o] else at(linear.line.scale, o) for o in range(len(falls))
    )
    linear.weights[falls] *= -1
    return replace(linear, line=Line(scale, linear.line.shift))
