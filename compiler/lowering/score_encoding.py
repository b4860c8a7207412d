"""Class scores: one scale and offset for all outputs of the last layer, so that they compare as integers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.graph.nodes import FloatArray
from bcsim.compiler.lowering.piecewise import Line, PiecewiseFunction, forward
from bcsim.compiler.program.layers import Encoding
from bcsim.machine.widths import SCORE_BITS

__all__ = ["score_encoding"]

IntArray: TypeAlias = NDArray[np.int64]

STEPS = (1 << SCORE_BITS) - 1
# Parts of the smallest step that classes of unlike gain or bias are compared in, where the scores' bits allow it.
FINEST_SHIFT = 8
# What unseen images may exceed the calibration images' range of scores by, as a part of it, on either side.
MARGIN = 0.25


def score_encoding(
    functions: Sequence[PiecewiseFunction], lowest: IntArray, highest: IntArray, values: FloatArray | None
) -> tuple[Encoding, bool]:
    """The encoding of the scores, and whether it is exact.

    functions : from the accumulators to the scores.
    lowest, highest : each class's least and greatest accumulator, int64 (O,).
    values : scores of calibration images, float64, if there are any.
    Exact means that no score of any input clips and that accumulators of one class with different real
    scores get different integers; classes then compare as their real scores do, but for differences below
    one step, half a step of rounding each. Where all gains and all differences of biases are multiples of one step and
    the scores' bits hold it, nothing is rounded, and no difference is lost at all.
    """
    least, most = _extremes(functions, lowest, highest)
    lattice = _lattice_step(functions)
    if lattice and most - least <= STEPS * lattice:
        return Encoding(SCORE_BITS, lattice, least), True
    step = _smallest_gain(functions)
    if step:
        for shift in range(FINEST_SHIFT, -1, -1):
            if most - least <= STEPS * step / (1 << shift):
                return Encoding(SCORE_BITS, step / (1 << shift), least), True
    if values is not None and len(values):
        least, most = _with_margin(values, least, most)
    scale = Fraction(float(max((most - least) / STEPS, step))) or Fraction(1)
    offset = Fraction(float((least + most) / 2)) - scale * (STEPS // 2)
    return Encoding(SCORE_BITS, scale, offset), False


def _extremes(
    functions: Sequence[PiecewiseFunction], lowest: IntArray, highest: IntArray
) -> tuple[Fraction, Fraction]:
    ends = [
        reduce(lambda x, function, o=o: forward(function, x, o), functions, Fraction(end))  # type: ignore[misc]
        for bounds in (lowest.tolist(), highest.tolist())
        for o, end in enumerate(bounds)
    ]
    return min(ends), max(ends)


def _smallest_gain(functions: Sequence[PiecewiseFunction]) -> Fraction:
    """The least change of a score with its accumulator, constant classes aside; 0 where it isn't constant."""
    line = functions[0]
    if len(functions) > 1 or not isinstance(line, Line):
        return Fraction(0)
    return min((abs(scale) for scale in line.scale if scale), default=Fraction(0))


def _lattice_step(functions: Sequence[PiecewiseFunction]) -> Fraction:
    """The greatest step whose multiples all scores are, counted from one of them; 0 where there is none."""
    line = functions[0]
    if len(functions) > 1 or not isinstance(line, Line):
        return Fraction(0)
    parts = [*line.scale, *(shift - line.shift[0] for shift in line.shift)]
    below = lcm(*(part.denominator for part in parts))
    return Fraction(gcd(*(int(part * below) for part in parts)), below)


def _with_margin(values: FloatArray, least: Fraction, most: Fraction) -> tuple[Fraction, Fraction]:
    low, high = float(values.min()), float(values.max())
    margin = MARGIN * (high - low)
    return max(least, Fraction(low - margin)), min(most, Fraction(high + margin))
