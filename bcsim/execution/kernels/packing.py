"""A layer of a program as the arguments of the compiled kernel `windows`.

Letters in shapes: as there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.geometry import Geometry, taps, window_corners
from bcsim.compiler.program.layers import ConvLayer, DenseLayer, Search
from bcsim.execution.kernels import lookup
from bcsim.execution.kernels.requantise import accumulator_bound, reciprocal

__all__ = ["Addresses", "Step", "layer_step", "overlaps", "pool_step"]

Addresses: TypeAlias = tuple[NDArray[np.int32], ...]

BUILD_COST, LOOKUP_COST, DIRECT_COST = 250, 5, 4
"""Cycles of filling a pass's tables, of a pass for one output, and of one weight for one output without tables."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of `windows`: its arguments but for the rows, the target and the scratch.

    sizes : (I, B * O, O), the shapes of the scratch.
    """

    places: int
    addresses: Addresses
    weights: tuple[Any, ...]
    constants: tuple[Any, ...]
    sizes: tuple[int, int, int]


def overlaps(geometry: Geometry) -> bool:
    """Whether a window's output is pooled more than once, so that it is worth keeping."""
    pool = geometry.pool
    return pool is not None and any(k > s for k, s in zip(pool.kernel, pool.stride, strict=True))


def layer_step(layer: DenseLayer, bases: Sequence[int], fixed: Mapping[int, int]) -> Step:
    """A layer, pooled unless its pooling overlaps.

    bases : the row of each source's first value.
    fixed : for 0 and the level that pads, the row that holds it.
    Raises BcsimError for accumulators of more than 32 bits and numerators of more than 50.
    """
    constants = _constants(layer)
    geometry = layer.geometry
    if overlaps(geometry):
        geometry = replace(geometry, pool=None)
    passes, outputs = _passes(layer.inputs), layer.outputs // geometry.groups
    few = _few(layer, passes, outputs)
    inputs = layer.inputs if few else passes * lookup.PASS
    places = prod(geometry.pool.kernel) if geometry.pool else 1
    return Step(
        places,
        _addresses(geometry, bases, fixed, inputs),
        _weights(layer, few),
        constants,
        (inputs, len(layer.planes) * outputs, outputs),
    )


def pool_step(geometry: Geometry, outputs: int, base: int, minimum: NDArray[np.bool_] | None) -> Step:
    """An overlapping pooling of a layer's outputs, at rows from `base` on: a weight of 1 for each channel."""
    rows, columns = geometry.windows
    pooled = Geometry(rows, columns, (outputs,), groups=outputs, pool=geometry.pool)
    weights = _no_tables(np.ones((outputs, 1, 1), dtype=np.int32))
    assert geometry.pool is not None
    identity = np.ones(outputs), np.full(outputs, 0.5), float(np.iinfo(np.uint16).max)
    constants = *identity, np.empty((0, 0), dtype=np.int32), 0, _minimum(minimum, outputs)
    return Step(
        prod(geometry.pool.kernel), _addresses(pooled, [base], {0: 0}, 1), weights, constants, (1, 1, 1)
    )


def _passes(inputs: int) -> int:
    return -(-inputs // lookup.PASS)


def _few(layer: DenseLayer, passes: int, outputs: int) -> bool:
    """Whether tables would cost more than they save."""
    tables = passes * (BUILD_COST + LOOKUP_COST * len(layer.planes) * outputs)
    return DIRECT_COST * layer.inputs * outputs < tables


def _weights(layer: DenseLayer, few: bool) -> tuple[Any, ...]:
    groups = layer.geometry.groups
    if few:
        direct = layer.weights().reshape(groups, layer.outputs // groups, layer.inputs)
        return _no_tables(direct)
    top = layer.source.levels - 1
    return (
        np.stack([_offsets(layer, group) for group in range(groups)]),
        np.array([plane.shift for plane in layer.planes], dtype=np.int32),
        -(-layer.source.bits // lookup.DIGIT_BITS),
        top * lookup.PASS < 1 << 8 and top * layer.inputs < 1 << 16,
        np.empty((0, 0, 0), dtype=np.int32),
        False,
    )


def _no_tables(direct: NDArray[np.int32]) -> tuple[Any, ...]:
    return np.empty((0, 0, 0, 0), dtype=np.uint64), np.empty(0, dtype=np.int32), 1, False, direct, True


def _offsets(layer: DenseLayer, group: int) -> NDArray[np.uint64]:
    """Byte offsets into the tables of a pass, four to a word: uint64 (P, B * O, GROUPS / 4)."""
    outputs = layer.outputs // layer.geometry.groups
    rows = slice(group * outputs, (group + 1) * outputs)
    signs = np.concatenate(
        [replace(plane, packed=plane.packed[rows]).signs(layer.inputs) for plane in layer.planes]
    )
    passes = _passes(layer.inputs)
    bits = np.zeros((len(signs), passes * lookup.PASS), dtype=np.uint8)
    bits[:, : layer.inputs] = signs > 0
    groups = bits.reshape(len(signs), passes, lookup.GROUPS, lookup.GROUP)
    entry = (groups << np.arange(lookup.GROUP, dtype=np.uint8)).sum(axis=3, dtype=np.uint16)
    entry += np.arange(lookup.GROUPS, dtype=np.uint16) << np.uint16(lookup.GROUP)
    fours = entry.reshape(len(signs), passes, lookup.GROUPS // 4, 4) * np.uint16(lookup.ROW)
    words = np.zeros(fours.shape[:3], dtype=np.uint64)
    for place in range(4):
        words |= fours[..., place].astype(np.uint64) << np.uint64(16 * place)
    return np.ascontiguousarray(words.transpose(1, 0, 2))


def _minimum(minimum: NDArray[np.bool_] | None, outputs: int) -> NDArray[np.bool_]:
    return np.zeros(outputs, dtype=np.bool_) if minimum is None else minimum


def _constants(layer: DenseLayer) -> tuple[Any, ...]:
    """The requantiser as `windows` takes it."""
    bound = accumulator_bound(layer)
    if bound >= 1 << 31:
        raise BcsimError(
            f"Layer {layer.name}: accumulators may reach {bound}, and the lookup backend takes up to 2**31 - 1"
        )
    minimum = _minimum(layer.minimum if isinstance(layer, ConvLayer) else None, layer.outputs)
    requantiser = layer.requantiser
    if isinstance(requantiser, Search):
        thresholds = np.clip(requantiser.thresholds, -bound, bound + 1).astype(np.int32)
        return np.empty(0), np.empty(0), 0.0, thresholds, requantiser.bits, minimum
    constants = reciprocal(requantiser, bound)
    if constants is None:
        raise BcsimError(
            f"Layer {layer.name}: 2**{requantiser.fraction_bits} * accumulator - offset needs more than 50 bits, "
            "which the lookup backend does not take"
        )
    return *constants, float((1 << requantiser.bits) - 1), np.empty((0, 0), dtype=np.int32), 0, minimum


def _inputs(geometry: Geometry, bases: Sequence[int]) -> tuple[NDArray[np.int64], ...]:
    """Of every input of a window at position 0: row, channels of its source, channels of its group, kernel tap."""
    columns = []
    for tap, (source, down, right) in enumerate(taps(geometry)):
        channels = geometry.channels[source]
        width = channels // geometry.groups
        first = bases[source] + (down * geometry.width + right) * channels
        place = tap % prod(geometry.kernel)
        row = np.arange(first, first + width)
        columns.append(np.stack([row, *(np.full(width, value) for value in (channels, width, place))]))
    return tuple(np.concatenate(columns, axis=1).astype(np.int64))


def _inside(geometry: Geometry, y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which taps of the kernel lie inside the source, bool (windows, taps)."""
    down, right = (axis.reshape(1, -1) for axis in np.mgrid[0 : geometry.kernel[0], 0 : geometry.kernel[1]])
    rows, columns = y.reshape(-1, 1) + down, x.reshape(-1, 1) + right
    found: NDArray[np.bool_] = (
        (rows >= 0) & (rows < geometry.height) & (columns >= 0) & (columns < geometry.width)
    )
    return found


def _addresses(geometry: Geometry, bases: Sequence[int], fixed: Mapping[int, int], inputs: int) -> Addresses:
    y, x = window_corners(geometry)
    kinds, pattern = np.unique(_inside(geometry, y, x), axis=0, return_inverse=True)
    row, scale, stride, place = _inputs(geometry, bases)
    pad = 0, inputs - len(row)
    patterns = np.full((len(kinds), inputs), ~fixed[0], dtype=np.int32)
    patterns[:, : len(row)] = np.where(kinds[:, place], row, ~fixed[geometry.pad_level])
    position = y * geometry.width + x
    columns = np.pad(scale, pad), np.pad(stride, pad), pattern.reshape(-1), position.reshape(-1)
    return patterns, *(column.astype(np.int32) for column in columns)
