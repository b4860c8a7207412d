"""Weight planes: integer weights as sums of -1 and +1 times powers of two.

Letters in shapes: I inputs, O outputs.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program import WeightPlane

__all__ = ["plane_weights", "split_planes"]

IntArray: TypeAlias = NDArray[np.int64]


def plane_weights(weights: NDArray[np.integer[Any]]) -> tuple[IntArray, Fraction]:
    """Integers (O, I) that planes can sum to, and the factor with weights = factor * integers.

    Planes of shift 0 are odd in number or even, and so is every sum: weights that are neither all odd nor all
    even, such as {-1, 0, 1}, are doubled.
    """
    values = _distinct(weights)
    common = int(np.gcd.reduce(values)) or 1
    doubled = 1 if all((value // common) % 2 for value in values) else 2
    return weights.astype(np.int64) * doubled // common, Fraction(common, doubled)


def split_planes(weights: IntArray) -> tuple[WeightPlane, ...]:
    """The fewest planes with weights = sum_b 2**shift[b] * signs[b].

    weights : (O, I), from `plane_weights`, with any rows negated.
    Shifts fall from plane to plane by 0 or 1 and end at 0, as the array can double once between planes. Odd
    weights up to 2**n - 1 in magnitude need n planes; even ones up to 2**n n + 1, the last two of shift 0.
    """
    most = int(np.abs(weights).max())
    if weights.flat[0] % 2:
        return _odd_planes(weights, most.bit_length())
    last = np.where(weights > 0, 1, -1)
    return (*_odd_planes(weights - last, max(1, (most - 1).bit_length())), WeightPlane.pack(last))


def _odd_planes(weights: IntArray, count: int) -> tuple[WeightPlane, ...]:
    """Odd w as sum_b 2**b * (2 * u_b - 1), where u_b are the bits of (w + 2**count - 1) / 2."""
    bits = (weights + (1 << count) - 1) >> 1
    return tuple(WeightPlane.pack((bits >> shift) & 1, shift) for shift in reversed(range(count)))


def _distinct(weights: NDArray[np.integer[Any]]) -> list[int]:
    least = int(weights.min())
    present = np.bincount((weights.astype(np.int64) - least).reshape(-1))
    return [least + int(value) for value in np.flatnonzero(present)]
