"""How far an integer score can be from the real one: what the scores' own rounding costs, for every possible input."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.lowering.fit_requantiser import count_wrong, fit_divide, implied_thresholds, of_rows
from bcsim.compiler.lowering.linear import Linear
from bcsim.compiler.lowering.make_layers import Target
from bcsim.compiler.lowering.piecewise import at
from bcsim.compiler.lowering.shared_thresholds import alike
from bcsim.compiler.program.layers import Divide, Encoding, Requantiser

__all__ = ["best_ordered", "score_error"]

IntArray: TypeAlias = NDArray[np.int64]


# Thresholds of one score encoding, up to which others are worth trying: 128 classes.
MOST_THRESHOLDS = 1 << 23


def best_ordered(linear: Linear, target: Target) -> Target:
    """The target, or one of coarser steps whose scores a requantiser meets more closely.

    A division by fine steps has a small divisor: rounded to 16 fraction bits, its points drift from those of the scores
    by more than the finer steps gain. Steps beyond the smallest gain would give unlike accumulators one score.
    """
    gain = min((abs(scale) for scale in linear.line.scale if scale), default=Fraction(0))
    best, least = target, inf
    while target.thresholds.rows.size <= MOST_THRESHOLDS:
        encoding, thresholds = target.encoding, target.thresholds
        divide = fit_divide(thresholds.rows, encoding.bits, thresholds.low, thresholds.high)
        error = score_error(
            linear, encoding, of_rows(divide, thresholds.row), thresholds.low, thresholds.high
        )
        if error < least:
            best, least = target, error
        wrong = count_wrong(divide, thresholds.rows, thresholds.low, thresholds.high)
        if 2 * encoding.scale > gain or not wrong:
            break
        coarser = Encoding(encoding.bits, 2 * encoding.scale, encoding.offset)
        target = replace(target, encoding=coarser, thresholds=linear.thresholds(coarser))
    return best


def score_error(linear: Linear, encoding: Encoding, requantiser: Requantiser, low: int, high: int) -> float:
    """The most by which a decoded score differs from the real one, in units of the scores, over all accumulators.

    linear : a line alone, so that a score is scale * accumulator + shift.
    low, high : the least and the greatest accumulator of the layer.
    Two classes whose real scores differ by more than twice this compare as they do. 0 means that nothing is rounded.
    """
    lowest, highest = linear.bounds()
    return max(
        _row_error(
            linear,
            encoding,
            _thresholds(requantiser, output, low, high),
            int(lowest[output]),
            int(highest[output]),
            output,
        )
        for output in _unlike(linear, requantiser)
    ) * float(encoding.scale)


def _unlike(linear: Linear, requantiser: Requantiser) -> list[int]:
    """Outputs of which each has other scores than those before."""
    if not isinstance(requantiser, Divide):
        return list(range(len(linear.weights)))
    _, row = alike([linear.line], len(linear.weights))
    columns = np.stack([row, *linear.bounds(), requantiser.offset, requantiser.divisor], axis=1)
    return list(map(int, np.unique(columns, axis=0, return_index=True)[1]))


def _thresholds(requantiser: Requantiser, output: int, low: int, high: int) -> IntArray:
    """The least accumulators of one output at which its integer becomes 1, 2 and so on."""
    if not isinstance(requantiser, Divide):
        return np.asarray(requantiser.thresholds[output])
    one = of_rows(requantiser, slice(output, output + 1))
    return np.asarray(implied_thresholds(one, low, high)[0])


def _row_error(
    linear: Linear, encoding: Encoding, thresholds: IntArray, lowest: int, highest: int, output: int
) -> float:
    """One output's error, in steps of the encoding; each integer is furthest off at the ends of its accumulators."""
    ends = np.clip(np.concatenate([[lowest], thresholds, [highest + 1]]), lowest, highest + 1)
    levels = np.flatnonzero(ends[:-1] < ends[1:])
    gain = float(at(linear.line.scale, output) / encoding.scale)
    start = float((at(linear.line.shift, output) - encoding.offset) / encoding.scale)
    first, last = ends[levels], ends[levels + 1] - 1
    return float(max(np.abs(gain * end + start - levels).max() for end in (first, last)))
