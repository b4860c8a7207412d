"""How far an integer score can be from the real one: what the scores' own rounding costs, for every possible input."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.lowering.fit_requantiser import count_wrong, fit_divide, implied_thresholds
from bcsim.compiler.lowering.linear import Linear
from bcsim.compiler.lowering.make_layers import Target
from bcsim.compiler.lowering.piecewise import at
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
    while target.thresholds.size <= MOST_THRESHOLDS:
        encoding, low, high = target.encoding, target.low, target.high
        divide = fit_divide(target.thresholds, encoding.bits, low, high)
        error = score_error(linear, encoding, divide, low, high)
        if error < least:
            best, least = target, error
        if 2 * encoding.scale > gain or not count_wrong(divide, target.thresholds, low, high):
            break
        coarser = Encoding(encoding.bits, 2 * encoding.scale, encoding.offset)
        target = replace(target, encoding=coarser, thresholds=linear.thresholds(coarser)[0])
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
        for output in range(len(linear.weights))
    ) * float(encoding.scale)


def _thresholds(requantiser: Requantiser, output: int, low: int, high: int) -> IntArray:
    """The least accumulators of one output at which its integer becomes 1, 2 and so on."""
    rows = slice(output, output + 1)
    if not isinstance(requantiser, Divide):
        return np.asarray(requantiser.thresholds[output])
    one = Divide(
        requantiser.bits, requantiser.fraction_bits, requantiser.offset[rows], requantiser.divisor[rows]
    )
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
