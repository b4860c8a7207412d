"""Requantisers from thresholds: the smallest exact division, or a table where no division is exact.

Letters in shapes: O outputs, K thresholds (2**bits - 1).

T + k * D is the point, in units of 2**-F accumulators, at which `Divide` passes from k - 1 to k, so that its
threshold k is ceil((T + k * D) / 2**F). It equals thresholds[o, k] where

    2**F * (thresholds[o, k] - 1) < T + k * D <= 2**F * thresholds[o, k]

and a threshold that no accumulator of the range can miss, or reach, needs only one of the two sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program.layers import Divide

__all__ = ["FRACTION_BITS", "count_wrong", "fit_divide", "implied_thresholds", "largest_shift", "of_rows"]

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
    bands = [_Band.of(thresholds[rows], low, high, fraction_bits) for rows in _row_chunks(thresholds)]
    offsets, divisors = zip(*(_offsets_and_divisors(band) for band in bands), strict=True)
    return Divide(bits, fraction_bits, np.concatenate(offsets), np.concatenate(divisors))


def implied_thresholds(divide: Divide, low: int, high: int) -> IntArray:
    """The least accumulator from low to high (high + 1: none) at which `divide` yields k or more, int64 (O, K)."""
    k = np.arange(1, 1 << divide.bits, dtype=np.int64)
    points = divide.offset[:, None] + k * divide.divisor[:, None]
    return np.asarray(np.clip(-(-points >> divide.fraction_bits), low, high + 1))


def count_wrong(
    divide: Divide, thresholds: IntArray, low: int, high: int, outputs: IntArray | None = None
) -> int:
    """How many thresholds of `divide` are not those given, compared one by one.

    outputs : how many outputs have each row, int64 (O,); None for one each.
    """
    wrong = 0
    for rows in _row_chunks(thresholds):
        differ = (implied_thresholds(of_rows(divide, rows), low, high) != thresholds[rows]).sum(axis=1)
        wrong += int(differ.sum() if outputs is None else differ @ outputs[rows])
    return wrong


def largest_shift(divide: Divide, thresholds: IntArray, low: int, high: int) -> float:
    """The most accumulators by which a point T + k * D lies outside its two sides; 0 where all thresholds are right."""
    shift = 0
    for rows in _row_chunks(thresholds):
        band = _Band.of(thresholds[rows], low, high, divide.fraction_bits)
        points = divide.offset[rows, None] + band.k * divide.divisor[rows, None]
        shift = max(shift, int((points - band.upper).max()), int((band.lower - points).max()))
    return shift / (1 << divide.fraction_bits)


def of_rows(divide: Divide, rows: slice | IntArray) -> Divide:
    """The division of some outputs alone."""
    return Divide(divide.bits, divide.fraction_bits, divide.offset[rows], divide.divisor[rows])


@dataclass(frozen=True, slots=True)
class _Band:
    """lower <= T + k * D <= upper: the two sides for some rows and the columns that matter.

    k : int64 (K,). upper, lower : int64 (O, K).
    """

    k: IntArray
    upper: IntArray
    lower: IntArray

    @classmethod
    def of(cls, thresholds: IntArray, low: int, high: int, fraction_bits: int) -> _Band:
        # Columns before the last that all rows always reach, or after the first that none does, follow suit.
        always = int((thresholds <= low).sum(axis=1).min())
        finite = int((thresholds <= high).sum(axis=1).max())
        columns = slice(max(0, always - 1), finite + 1)
        k = np.arange(1, thresholds.shape[1] + 1, dtype=np.int64)[columns]
        thresholds = thresholds[:, columns]
        upper = np.where(thresholds <= high, thresholds << fraction_bits, _UNBOUNDED)
        lower = np.where(thresholds > low, ((thresholds - 1) << fraction_bits) + 1, -_UNBOUNDED)
        return cls(k, upper, lower)

    def offsets(self, rows: IntArray, divisor: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """The greatest and the least T that the sides allow, and how fast the room between them grows with D."""
        step = self.k * divisor[:, None]
        above, below = self.upper[rows] - step, self.lower[rows] - step
        at_most, at_least = above.argmin(axis=1), below.argmax(axis=1)
        each = np.arange(len(rows))
        return above[each, at_most], below[each, at_least], at_least - at_most


def _least_fraction_bits(thresholds: IntArray, low: int, high: int) -> int:
    """Bisection, as a division exact at F is exact at F + 1, with 2 * T and 2 * D.

    The greatest F is tried first, since one wrong output settles it: scores have 65,535 levels for every class.
    """
    least, greatest = 0, FRACTION_BITS
    if not all(right.all() for right in _right_rows(thresholds, low, high, greatest)):
        return greatest
    open_rows = np.arange(len(thresholds))
    while least < greatest:
        middle = (least + greatest) // 2
        right = np.concatenate(list(_right_rows(thresholds[open_rows], low, high, middle)))
        if right.all():
            greatest = middle
        else:
            least, open_rows = middle + 1, open_rows[~right]
    return least


def _right_rows(thresholds: IntArray, low: int, high: int, fraction_bits: int) -> Iterator[NDArray[np.bool_]]:
    """Whether each row has an exact division, a chunk of rows at a time."""
    for rows in _row_chunks(thresholds):
        yield _least_divisors(_Band.of(thresholds[rows], low, high, fraction_bits))[1]


def _row_chunks(thresholds: IntArray) -> list[slice]:
    rows = max(1, _CHUNK_ELEMENTS // max(1, thresholds.shape[1]))
    return [slice(start, start + rows) for start in range(0, len(thresholds), rows)]


def _offsets_and_divisors(band: _Band) -> tuple[IntArray, IntArray]:
    divisor, right = _least_divisors(band)
    wrong = np.flatnonzero(~right)
    divisor[wrong] = _roomiest_divisors(band, wrong, divisor[wrong])
    most, least, _ = band.offsets(np.arange(len(divisor)), divisor)
    nearest_zero = np.clip(0, least, np.maximum(most, least))
    return np.where(right, nearest_zero, (most >> 1) + (least >> 1)), divisor


def _least_divisors(band: _Band) -> tuple[IntArray, NDArray[np.bool_]]:
    """The least exact divisor of every row, int64 (O,), and whether there is any; by Newton's method from below.

    The room is concave in the divisor. Where it is negative, the two sides that bound it tell the next divisor worth
    trying or, if they close in as the divisor grows, that none is exact. So the first divisor with room is the
    least there is, and the last one tried where there is none is past the most room.
    """
    divisor = np.ones(len(band.upper), dtype=np.int64)
    right = np.zeros(len(divisor), dtype=np.bool_)
    rows = np.arange(len(divisor))
    while len(rows):
        most, least, growth = band.offsets(rows, divisor[rows])
        right[rows] = most >= least
        going = (most < least) & (growth > 0)
        divisor[rows[going]] += -((most - least)[going] // growth[going])
        rows = rows[going]
    return divisor, right


def _roomiest_divisors(band: _Band, rows: IntArray, most: IntArray) -> IntArray:
    """The divisors up to `most` with the most room, where none has any: those that miss by least. By bisection."""
    below, above = np.zeros_like(most), most
    while len(rows) and (above - below).max() > 1:
        middle = (below + above) // 2
        grows = (band.offsets(rows, middle)[2] > 0) & (middle > below)
        below, above = np.where(grows, middle, below), np.where(grows, above, np.maximum(middle, below + 1))
    return above
