"""Requantisers from thresholds: the smallest exact division, or a table where no division is exact.

Letters in shapes: O outputs, K thresholds (2**bits - 1).

T + k * D is the point, in units of 2**-F accumulators, at which `Divide` passes from k - 1 to k, so that its
threshold k is ceil((T + k * D) / 2**F). It equals thresholds[o, k] where

    2**F * (thresholds[o, k] - 1) < T + k * D <= 2**F * thresholds[o, k]

and a threshold that no accumulator of the range can miss, or reach, needs only one of the two sides.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program import Divide

__all__ = ["FRACTION_BITS", "fit_divide", "implied_thresholds", "largest_miss"]

IntArray: TypeAlias = NDArray[np.int64]

# F of every preset machine's requantisers.
FRACTION_BITS = 16

_UNBOUNDED = 1 << 61
_CHUNK_ELEMENTS = 1 << 19


def fit_divide(thresholds: IntArray, bits: int, low: int, high: int) -> Divide:
    """The division with the least F up to FRACTION_BITS that makes every threshold right.

    thresholds : int64 (O, K), ascending in k, from low (reached by all) to high + 1 (by none).
    Each output gets the least divisor that is right for it and the offset of least magnitude. Where no F is
    right for all, the outputs that have no exact division get, at the greatest F, the one whose thresholds miss
    by least.
    """
    fraction_bits = _least_fraction_bits(thresholds, low, high)
    divisor, offset, _ = _solve(thresholds, low, high, fraction_bits)
    return Divide(bits, fraction_bits, offset, divisor)


def implied_thresholds(divide: Divide, low: int, high: int) -> IntArray:
    """The least accumulator from low to high (high + 1: none) at which `divide` yields k or more, int64 (O, K)."""
    k = np.arange(1, 1 << divide.bits, dtype=np.int64)
    points = divide.offset[:, None] + k * divide.divisor[:, None]
    return np.asarray(np.clip(-(-points >> divide.fraction_bits), low, high + 1))


def largest_miss(divide: Divide, thresholds: IntArray, low: int, high: int) -> int:
    """The most accumulators by which a threshold of `divide` misses; 0 where all are right."""
    misses = 0
    for rows in _row_chunks(thresholds):
        part = Divide(divide.bits, divide.fraction_bits, divide.offset[rows], divide.divisor[rows])
        misses = max(
            misses, int(np.abs(implied_thresholds(part, low, high) - thresholds[rows]).max(initial=0))
        )
    return misses


def _least_fraction_bits(thresholds: IntArray, low: int, high: int) -> int:
    """Bisection, as a division exact at F is exact at F + 1, with 2 * T and 2 * D."""
    least, greatest = 0, FRACTION_BITS
    open_rows = np.arange(len(thresholds))
    while least < greatest and len(open_rows):
        middle = (least + greatest) // 2
        right = _solve(thresholds[open_rows], low, high, middle)[2]
        if right.all():
            greatest = middle
        else:
            least, open_rows = middle + 1, open_rows[~right]
    return least


def _row_chunks(thresholds: IntArray) -> list[slice]:
    rows = max(1, _CHUNK_ELEMENTS // max(1, thresholds.shape[1]))
    return [slice(start, start + rows) for start in range(0, len(thresholds), rows)]


def _deciding(thresholds: IntArray, low: int, high: int) -> slice:
    """The columns from the last that all rows always reach to the first that none ever does; others follow suit."""
    always = int((thresholds <= low).sum(axis=1).min())
    finite = int((thresholds <= high).sum(axis=1).max())
    return slice(max(0, always - 1), finite + 1)


def _solve(
    thresholds: IntArray, low: int, high: int, fraction_bits: int
) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
    """Divisor and offset int64 (O,) of every output, and where they are exact, bool (O,)."""
    parts = [_solve_rows(thresholds[rows], low, high, fraction_bits) for rows in _row_chunks(thresholds)]
    divisor, offset, right = (np.concatenate(column) for column in zip(*parts, strict=True))
    return divisor, offset, right


def _solve_rows(
    thresholds: IntArray, low: int, high: int, fraction_bits: int
) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
    """Newton's method on the divisor, from below, for all rows at once.

    The room for T at a divisor D is min_k (upper_k - k * D) - max_k (lower_k - k * D), concave in D. Where it is
    negative, the two k that decide tell the next divisor worth trying, or, if the room shrinks as D grows, that none
    is exact. So the first divisor with room is the least there is.
    """
    deciding = _deciding(thresholds, low, high)
    k = np.arange(1, thresholds.shape[1] + 1, dtype=np.int64)[deciding]
    thresholds = thresholds[:, deciding]
    upper = np.where(thresholds <= high, thresholds << fraction_bits, _UNBOUNDED)
    lower = np.where(thresholds > low, ((thresholds - 1) << fraction_bits) + 1, -_UNBOUNDED)
    divisor = np.ones(len(thresholds), dtype=np.int64)
    most, least = np.empty_like(divisor), np.empty_like(divisor)
    rows = np.arange(len(thresholds))
    while len(rows):
        step = k * divisor[rows, None]
        above, below = upper[rows] - step, lower[rows] - step
        at_most, at_least = above.argmin(axis=1), below.argmax(axis=1)
        most[rows] = np.take_along_axis(above, at_most[:, None], axis=1)[:, 0]
        least[rows] = np.take_along_axis(below, at_least[:, None], axis=1)[:, 0]
        going = (most[rows] < least[rows]) & (at_least > at_most)
        rows, span = rows[going], (at_least - at_most)[going]
        divisor[rows] += -((most[rows] - least[rows]) // span)
    right = most >= least
    middle = (most >> 1) + (least >> 1)
    offset = np.where(right, np.clip(0, least, np.maximum(most, least)), middle)
    return divisor, offset, right
