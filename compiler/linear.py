"""A linear layer in integers, before its requantiser.

Letters in shapes: I inputs, O outputs, K thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.cuts import pull_back, uniform_cuts
from bcsim.compiler.graph import Dense
from bcsim.compiler.pieces import Line, Piece, at, compose
from bcsim.compiler.planes import plane_weights
from bcsim.compiler.program import Encoding
from bcsim.compiler.thresholds import integer_thresholds

__all__ = ["Linear", "to_linear"]

IntArray: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Linear:
    """accumulator = weights @ q, and all that the float network makes of it.

    weights : int64 (O, I), sums of weight planes.
    line : the float layer's value of an accumulator and the lines right after it.
    pieces : from that value to the tensor that feeds the next layer.
    """

    weights: IntArray
    source: Encoding
    line: Line
    pieces: tuple[Piece, ...]

    def bounds(self) -> tuple[IntArray, IntArray]:
        """The least and the greatest accumulator of each output, int64 (O,)."""
        most = self.source.levels - 1
        return np.minimum(self.weights, 0).sum(axis=1) * most, np.maximum(self.weights, 0).sum(axis=1) * most

    def thresholds(self, target: Encoding) -> tuple[IntArray, int, int]:
        """The accumulators at which rounding to `target` passes from each level to the next.

        Returns the thresholds, int64 (O, K), as `integer_thresholds` gives them, and the least and the greatest
        accumulator of the layer.
        """
        outputs = len(self.weights)
        lowest, highest = self.bounds()
        low, high = int(lowest.min()), int(highest.max())
        cuts = pull_back(self.pieces, uniform_cuts(target), outputs)
        return integer_thresholds(self.line, cuts, outputs, low, high), low, high


def to_linear(dense: Dense, pieces: list[Piece], source: Encoding) -> Linear:
    """The integer form of `dense`, which `pieces` follow, for a source of unsigned integers.

    The weights of outputs that fall as their accumulator grows are negated, so that all rise or are constant.
    """
    weights, factor = plane_weights(dense.weights)
    scales = [Fraction(scale) * factor for scale in dense.scale.tolist()]
    sums = weights.sum(axis=1).tolist()
    line = Line(
        tuple(scale * source.scale for scale in scales),
        tuple(scale * source.offset * total for scale, total in zip(scales, sums, strict=True)),
    )
    if pieces and isinstance(pieces[0], Line):
        line, pieces = compose(line, pieces[0]), pieces[1:]
    return _rising(Linear(weights, source, line, tuple(pieces)))


def _rising(linear: Linear) -> Linear:
    outputs = len(linear.weights)
    lines = [linear.line, *(piece for piece in linear.pieces if isinstance(piece, Line))]
    falls = [sum(at(line.scale, o) < 0 for line in lines) % 2 == 1 for o in range(outputs)]
    scale = tuple(-at(linear.line.scale, o) if falls[o] else at(linear.line.scale, o) for o in range(outputs))
    weights = np.where(np.array(falls)[:, None], -linear.weights, linear.weights)
    return replace(linear, weights=weights, line=Line(scale, linear.line.shift))
