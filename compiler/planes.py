"""Weight planes: integer weights as sums of -1 and +1 times powers of two.

Letters in shapes: I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program import WeightPlane

__all__ = ["plane_weights", "split_planes"]

IntArray: TypeAlias = NDArray[np.int64]
Signs: TypeAlias = tuple[int, ...]


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
    Shifts fall from plane to plane by 0 or 1 and end at 0, as the array can double once between planes.
    Weights of -1 and +1 need one plane; {-2, 0, 2} two of shift 0; odd ones up to 2**n - 1 in magnitude n
    planes; even ones up to 2**n n + 1, the last two of shift 0.
    """
    values = _distinct(weights)
    shifts, signs = _fewest_planes(values)
    table = np.zeros((values[-1] - values[0] + 1, len(shifts)), dtype=np.int8)
    for value in values:
        table[value - values[0]] = signs[value]
    index = weights - values[0]
    return tuple(WeightPlane.pack(table[index, b], shift) for b, shift in enumerate(shifts))


def _distinct(weights: NDArray[np.integer[Any]]) -> list[int]:
    least = int(weights.min())
    present = np.bincount((weights.astype(np.int64) - least).reshape(-1))
    return [least + int(value) for value in np.flatnonzero(present)]


def _fewest_planes(values: list[int]) -> tuple[tuple[int, ...], Mapping[int, Signs]]:
    """The shifts of the fewest planes whose signed sums include all values, and the signs of each sum."""
    most, odd = max(map(abs, values)), values[0] % 2
    count = max(1, (len(values) - 1).bit_length())
    while True:
        for shifts in _shift_sequences(count):
            if sum(1 << shift for shift in shifts) < most or shifts.count(0) % 2 != odd:
                continue
            sums = _signed_sums(shifts)
            if sums.keys() >= set(values):
                return shifts, sums
        count += 1


def _shift_sequences(count: int) -> Iterator[tuple[int, ...]]:
    """All sequences of `count` shifts that fall to 0 by 0 or 1, those of the least sum first."""
    steps = sorted(
        product((0, 1), repeat=count - 1), key=lambda gaps: sum(i * gap for i, gap in enumerate(gaps, 1))
    )
    for gaps in steps:
        yield tuple(sum(gaps[b:]) for b in range(count))


def _signed_sums(shifts: tuple[int, ...]) -> dict[int, Signs]:
    """Every sum of +-2**shift, with the signs that make it."""
    sums: dict[int, Signs] = {0: ()}
    for shift in shifts:
        sums = {
            total + sign * (1 << shift): (*signs, sign) for total, signs in sums.items() for sign in (-1, 1)
        }
    return sums
