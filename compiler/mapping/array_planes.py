"""Array planes: a layer's weight planes as passes of the array take them, with weights of 0 where lanes add nothing.

A lane that another group's channel feeds must add nothing to an accumulator, nor one beyond the channels that holds
other values inside of the tensor than in its padding; but a one-bit weight is -1 or +1. So the planes hold there what
sums to 0: +1 in one plane and -1 in others of together the same weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bcsim.compiler.program.layers import DenseLayer

__all__ = ["ArrayPlane", "array_planes"]

TWICE_AT_MOST = 2
"""Planes up to which each of them twice is no more than two planes behind them all."""


@dataclass(frozen=True, slots=True)
class ArrayPlane:
    """One plane of the array's weights.

    shift : log2 of its weight.
    source : index of the layer's plane that it holds, None where it is the same sign everywhere.
    inside : that sign.
    outside : the sign in the lanes of other groups and beyond the channels.
    """

    shift: int
    source: int | None
    inside: int
    outside: int


def array_planes(layer: DenseLayer, cancels: bool) -> tuple[tuple[ArrayPlane, ...], int]:
    """The planes, the highest shift first, and the factor by which they multiply every accumulator.

    cancels : whether lanes of other groups' channels, or beyond the channels, must add nothing.

    Where they need not the planes are the layer's. Where they must they are too if two of its planes have shift 0, as
    those of weights that are all even do: then 0 is one of the sums that planes have. Otherwise every accumulator is
    doubled: up to two planes come twice, more have two planes of shift 0 behind them, which cancel each other inside.
    """
    shifts = [plane.shift for plane in layer.planes]
    if not cancels:
        return tuple(ArrayPlane(shift, index, 1, 1) for index, shift in enumerate(shifts)), 1
    if shifts.count(0) % 2 == 0:
        return _with_zero(shifts, range(len(shifts))), 1
    if len(shifts) <= TWICE_AT_MOST:
        pairs = [(shift, index) for index, shift in enumerate(shifts) for _ in range(2)]
        return _with_zero([shift for shift, _ in pairs], [index for _, index in pairs]), 2
    return _with_zero([*(shift + 1 for shift in shifts), 0, 0], [*range(len(shifts)), None, None]), 2


def _with_zero(shifts: Sequence[int], sources: Sequence[int | None]) -> tuple[ArrayPlane, ...]:
    """Planes with signs outside that sum to 0: each one moves the sum of those before it towards 0.

    Shifts fall by 0 or 1 from plane to plane, so the sum is never more than the plane's own weight; an even number of
    planes of shift 0 leaves none.
    """
    planes, total, constant = [], 0, 1
    for shift, source in zip(shifts, sources, strict=True):
        outside = -1 if total > 0 else 1
        total += outside << shift
        planes.append(ArrayPlane(shift, source, constant, outside))
        constant = -constant if source is None else constant
    return tuple(planes)
