"""Weight planes: integer weights as sums of -1 and +1 times powers of two.

Letters in shapes: I inputs, O outputs.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program.layers import WeightPlane

__all__ = ["plane_weights", "split_planes"]

BLOCK = 1 << 22


def plane_weights(weights: NDArray[np.int16]) -> tuple[NDArray[np.signedinteger[Any]], Fraction]:
    """Integers (O, I) that planes can sum to, int16 or int32, and the factor with weights = factor * integers.

    Planes of shift 0 are odd in number or even, and so is every sum: weights that are neither all odd nor all
    even, such as {-1, 0, 1}, are doubled. The result is a new array.
    """
    values = _distinct(weights)
    common = math.gcd(*values) or 1
    doubled = 1 if all((value // common) % 2 for value in values) else 2
    most = max(map(abs, values)) * doubled // common
    integers: NDArray[np.signedinteger[Any]] = weights.astype(np.int16 if most < 1 << 15 else np.int32)
    if common > 1:
        integers //= common
    if doubled > 1:
        integers *= doubled
    return integers, Fraction(common, doubled)


def split_planes(weights: NDArray[np.signedinteger[Any]]) -> tuple[WeightPlane, ...]:
    """The fewest planes with weights = sum_b 2**shift[b] * signs[b].

    weights : (O, I), from `plane_weights`, with any rows negated.
    Shifts fall from plane to plane by 0 or 1 and end at 0, as the array can double once between planes. Odd
    weights up to 2**n - 1 in magnitude need n planes; even ones up to 2**n n + 1, the last two of shift 0.
    """
    most = max(-int(weights.min()), int(weights.max()))
    if most == 1:
        return (WeightPlane.pack(weights),)
    weights = weights.astype(np.int32)
    if weights.flat[0] % 2:
        return _odd_planes(weights, most.bit_length())
    last = np.where(weights > 0, np.int32(1), np.int32(-1))
    return (*_odd_planes(weights - last, max(1, (most - 1).bit_length())), WeightPlane.pack(last))


def _odd_planes(weights: NDArray[np.int32], count: int) -> tuple[WeightPlane, ...]:
    """Odd w as sum_b 2**b * (2 * u_b - 1), where u_b are the bits of (w + 2**count - 1) / 2."""
    bits = (weights + ((1 << count) - 1)) >> 1
    return tuple(WeightPlane.pack((bits >> shift) & 1, shift) for shift in reversed(range(count)))


def _distinct(weights: NDArray[np.int16]) -> list[int]:
    """The values that occur, a block of rows at a time: the largest layers have a hundred million weights."""
    least, most = int(weights.min()), int(weights.max())
    present = np.zeros(most - least + 1, dtype=np.int64)
    rows = max(1, BLOCK // weights.shape[1])
    for start in range(0, len(weights), rows):
        block = weights[start : start + rows].astype(np.int32) - least
        present += np.bincount(block.reshape(-1), minlength=len(present))
    return [least + int(value) for value in np.flatnonzero(present)]
