"""Thresholds that outputs share: a channel has the same ones at every position at which it is an output of its own.

Letters in shapes: O outputs, R rows of thresholds, K thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.lowering.piecewise import (
    Bend,
    Line,
    PiecewiseFunction,
    Steps,
    at,
    parameter_rows,
)

__all__ = ["SharedThresholds", "alike", "of_outputs"]

IntArray: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SharedThresholds:
    """The accumulators at which each output passes from one level to the next, every row kept once.

    rows : int64 (R, K), ascending in k, from low (reached by all accumulators) to high + 1 (by none).
    row : int64 (O,), each output's.
    low, high : the least and the greatest accumulator of the layer.
    """

    rows: IntArray
    row: IntArray
    low: int
    high: int

    @property
    def size(self) -> int:
        """Thresholds of all outputs."""
        return self.row.size * int(self.rows.shape[1])

    @property
    def outputs(self) -> IntArray:
        """How many outputs have each row, int64 (R,)."""
        return np.bincount(self.row, minlength=len(self.rows)).astype(np.int64)

    def each(self) -> IntArray:
        """Every output's own row, int64 (O, K)."""
        return self.rows[self.row]


def alike(functions: Sequence[PiecewiseFunction], outputs: int) -> tuple[IntArray, IntArray]:
    """The first output of every group that has the same functions, int64 (R,), and each output's group, int64 (O,)."""
    own = [function for function in functions if parameter_rows(function) > 1]
    groups: dict[tuple[object, ...], int] = {}
    group = [groups.setdefault(_parameters(own, output), len(groups)) for output in range(outputs)]
    return np.unique(np.array(group, dtype=np.int64), return_index=True)[1], np.array(group, dtype=np.int64)


def of_outputs(functions: Sequence[PiecewiseFunction], outputs: IntArray) -> list[PiecewiseFunction]:
    """The functions of some outputs alone."""
    return [_of(function, outputs.tolist()) for function in functions]


def _parameters(functions: Sequence[PiecewiseFunction], output: int) -> tuple[object, ...]:
    return tuple(
        (at(function.scale, output), at(function.shift, output))
        if isinstance(function, Line)
        else function.row(output)
        if isinstance(function, Steps)
        else at(function.slope, output)
        for function in functions
        if isinstance(function, Line | Steps | Bend)
    )


def _of(function: PiecewiseFunction, outputs: Sequence[int]) -> PiecewiseFunction:
    if parameter_rows(function) == 1:
        return function
    if isinstance(function, Line):
        return Line(
            tuple(at(function.scale, output) for output in outputs),
            tuple(at(function.shift, output) for output in outputs),
        )
    if isinstance(function, Steps):
        rows = [function.row(output) for output in outputs]
        return Steps(
            function.values, tuple(bounds for bounds, _ in rows), tuple(closed for _, closed in rows)
        )
    assert isinstance(function, Bend)
    return Bend(tuple(function.slope[output] for output in outputs), function.kind)
