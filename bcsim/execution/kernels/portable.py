"""The portable backend: NumPy matrix products in the narrowest type whose sums are exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.dependencies import INPUT, last_reader, layer_reads
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import ConvLayer, DenseLayer, Program, Requantiser, Search
from bcsim.execution.kernels.requantise import accumulator_bound, numerator_bound, reciprocal

__all__ = ["Portable"]

Levels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
Requantise: TypeAlias = Callable[[NDArray[Any]], NDArray[np.uint16]]

BLOCK = 512
BLOCK_BYTES = 256 << 20
"""Bounds what the images computed together take, but for a single image."""

OUTPUT_BYTES = 32
"""Of one output on its way through the requantiser: accumulator, quotient, masks and q."""


def _sum_type(bound: int) -> type[np.float32] | type[np.float64] | type[np.int64]:
    """The fastest type in which every partial sum up to `bound` is an exact integer."""
    if bound <= 1 << 24:
        return np.float32
    return np.float64 if bound <= 1 << 53 else np.int64


def _integer_requantise(requantiser: Requantiser) -> Requantise:
    return lambda accumulator: requantiser.apply(accumulator.astype(np.int64))


def _float_requantise(m: NDArray[np.float64], c: NDArray[np.float64], top: int) -> Requantise:
    def requantise(accumulator: NDArray[Any]) -> NDArray[np.uint16]:
        quotient = accumulator * m
        quotient += c
        return np.clip(quotient, 0, top, out=quotient).astype(np.uint16)

    return requantise


def _requantise(layer: DenseLayer, bound: int) -> Requantise:
    divide = layer.requantiser
    if isinstance(divide, Search):
        return _integer_requantise(divide)
    if numerator_bound(divide, bound) >= 1 << 63:
        raise BcsimError(
            f"Layer {layer.name}: 2**{divide.fraction_bits} * accumulator - offset needs more than 64 bits; "
            "the program level takes accumulators, fraction bits and offsets that stay within 64"
        )
    constants = reciprocal(divide, bound)
    if constants is None:
        return _integer_requantise(divide)
    return _float_requantise(*constants, (1 << divide.bits) - 1)


def _windows(source: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    """A view of every window (groups, n, rows, columns, kernel rows, kernel columns, channels of the group)."""
    top, left, bottom, right = geometry.pads
    if any(geometry.pads):
        border = ((0, 0), (top, bottom), (left, right), (0, 0))
        source = np.pad(source, border, constant_values=geometry.pad_level)
    down, across = geometry.stride
    windows = sliding_window_view(source, geometry.kernel, axis=(1, 2))[:, ::down, ::across]
    images, rows, columns, channels, *kernel = windows.shape
    groups = geometry.groups
    grouped = windows.reshape(images, rows, columns, groups, channels // groups, *kernel)
    return grouped.transpose(3, 0, 1, 2, 5, 6, 4)


def _pool(q: NDArray[np.uint16], geometry: Geometry, minimum: NDArray[np.bool_] | None) -> NDArray[np.uint16]:
    """Greatest, or least where `minimum`, of every pooling window of q (n, rows, columns, O)."""
    if geometry.pool is None:
        return q
    (down, across), (rows, columns) = geometry.pool.stride, geometry.output
    places = [
        q[:, y : y + down * (rows - 1) + 1 : down, x : x + across * (columns - 1) + 1 : across]
        for y in range(geometry.pool.kernel[0])
        for x in range(geometry.pool.kernel[1])
    ]
    pooled: NDArray[np.uint16] = reduce(np.maximum, places)
    return pooled if minimum is None else np.where(minimum, reduce(np.minimum, places), pooled)


@dataclass(frozen=True, slots=True)
class _Layer:
    """weights : (groups, I, O / groups), float32, float64 or int64."""

    geometry: Geometry
    weights: NDArray[Any]
    requantise: Requantise
    minimum: NDArray[np.bool_] | None

    @classmethod
    def prepare(cls, layer: DenseLayer) -> _Layer:
        bound, groups = accumulator_bound(layer), layer.geometry.groups
        weights = layer.weights().reshape(groups, layer.outputs // groups, layer.inputs)
        return cls(
            layer.geometry,
            weights.transpose(0, 2, 1).astype(_sum_type(bound), order="C"),
            _requantise(layer, bound),
            layer.minimum if isinstance(layer, ConvLayer) else None,
        )

    @property
    def image_bytes(self) -> int:
        """Memory that one image takes on its way through the layer, about."""
        groups, inputs, outputs = self.weights.shape
        window: int = groups * (inputs * self.weights.itemsize + outputs * OUTPUT_BYTES)
        return prod(self.geometry.windows) * window

    def __call__(self, sources: list[Levels]) -> NDArray[np.uint16]:
        """q (n, rows, columns, O) of sources (n, H, W, C)."""
        images, (rows, columns) = len(sources[0]), self.geometry.windows
        products = self._patches(sources) @ self.weights
        accumulators = products.transpose(1, 0, 2).reshape(images, rows, columns, -1)
        return _pool(self.requantise(accumulators), self.geometry, self.minimum)

    def _patches(self, sources: list[Levels]) -> NDArray[Any]:
        """The inputs of every window, (groups, n * rows * columns, I)."""
        groups, inputs, _ = self.weights.shape
        patches = np.empty(
            (groups, len(sources[0]), *self.geometry.windows, inputs), dtype=self.weights.dtype
        )
        start = 0
        for source in sources:
            windows = _windows(source, self.geometry)
            stop = start + windows[0, 0, 0, 0].size
            patches[..., start:stop].reshape(windows.shape, copy=False)[:] = windows
            start = stop
        return patches.reshape(groups, -1, inputs)


class Portable:
    """A program's layers as NumPy arrays, for any host.

    Raises BcsimError for a layer whose accumulators or numerators do not fit 64 bits.
    """

    def __init__(self, program: Program) -> None:
        self._layers = tuple(_Layer.prepare(layer) for layer in program.layers)
        self._reads = layer_reads(program)
        self._last = last_reader(self._reads)
        largest = max(layer.image_bytes for layer in self._layers)
        self._block = min(BLOCK, max(1, BLOCK_BYTES // largest))

    def run(self, q: Levels, outputs: tuple[NDArray[np.uint16] | None, ...], threads: int) -> None:
        """Write every layer's q into its array of `outputs`, (n, values) each, or None where nobody asked.

        q : (n, inputs). NumPy's own BLAS chooses its threads; `threads` changes nothing here.
        """
        for start in range(0, len(q), self._block):
            rows = slice(start, start + self._block)
            self._run_block(q[rows], tuple(None if output is None else output[rows] for output in outputs))

    def _run_block(self, q: Levels, outputs: tuple[NDArray[np.uint16] | None, ...]) -> None:
        tensors: dict[int, Levels] = {INPUT: q}
        for index, (layer, output) in enumerate(zip(self._layers, outputs, strict=True)):
            geometry = layer.geometry
            sources = [
                tensors[read].reshape(len(q), geometry.height, geometry.width, channels)
                for read, channels in zip(self._reads[index], geometry.channels, strict=True)
            ]
            values = tensors[index] = layer(sources)
            if output is not None:
                output[:] = values.reshape(len(q), -1)
            for tensor in self._reads[index]:
                if self._last[tensor] == index:
                    tensors.pop(tensor, None)
