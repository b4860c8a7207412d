"""A layer's accumulators by MatMul, Conv or Add, exact in floating point.

Letters in shapes: n images, O outputs, I inputs, C channels, H rows, W columns. A tensor is (n, C) where it has one
position and (n, C, H, W) elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import DenseLayer
from bcsim.compiler.standard.operators import Operators, narrowest

__all__ = ["EXACT", "accumulators", "is_flat"]

EXACT = 1 << 24
"""float32 holds every integer up to this magnitude, so sums that stay below are exact in any order of adding."""


def accumulators(ops: Operators, layer: DenseLayer, sources: Sequence[str]) -> str:
    """int64 (n, O, window rows, window columns), or (n, O) of an `is_flat` layer, of float32 sources."""
    geometry = layer.geometry
    if _is_sum(layer):
        return ops.cast(_added(ops, sources), TensorProto.INT64)
    if _is_matrix(geometry):
        return _matrix(ops, layer, sources)
    images = [_image(ops, source, geometry, index) for index, source in enumerate(sources)]
    totals = _windows(ops, layer, images)
    return ops.add("Flatten", totals) if is_flat(geometry) else totals


def is_flat(geometry: Geometry) -> bool:
    """Whether a layer has one window, which nothing pools."""
    return geometry.windows == (1, 1) and geometry.pool is None


def _is_sum(layer: DenseLayer) -> bool:
    """Whether every accumulator is the sum of one value of each source: an addition or a copy."""
    geometry = layer.geometry
    alone = all(channels == layer.outputs == geometry.groups for channels in geometry.channels)
    still = geometry.stride == (1, 1) and geometry.pool is None and not any(geometry.pads)
    few = len(geometry.channels) * (layer.source.levels - 1) <= EXACT
    return alone and still and few and geometry.kernel == (1, 1) and bool((layer.weights() == 1).all())


def _is_matrix(geometry: Geometry) -> bool:
    """Whether one window covers the sources whole: a dense layer."""
    whole = geometry.kernel == (geometry.height, geometry.width) and not any(geometry.pads)
    return whole and geometry.groups == 1 and geometry.pool is None


def _added(ops: Operators, tensors: Sequence[str]) -> str:
    total, *others = tensors
    for other in others:
        total = ops.add("Add", total, other)
    return total


def _matrix(ops: Operators, layer: DenseLayer, sources: Sequence[str]) -> str:
    """A MatMul in float32, or in float64 where its sums need more than 24 bits; never more than 41."""
    values = ops.add("Concat", *sources, axis=1) if len(sources) > 1 else sources[0]
    if (layer.geometry.height, layer.geometry.width) != (1, 1):
        values = ops.add("Flatten", values)
    kernels = [part.reshape(layer.outputs, -1) for part in _kernels(layer.weights(), layer.geometry)]
    weights = np.concatenate(kernels, axis=1).T
    kind = TensorProto.FLOAT
    if _reach(layer.weights(), layer) > EXACT:
        kind, values = TensorProto.DOUBLE, ops.cast(values, TensorProto.DOUBLE)
    product = ops.add("MatMul", values, _weights(ops, weights, kind))
    return ops.cast(product, TensorProto.INT64)


def _windows(ops: Operators, layer: DenseLayer, images: list[str]) -> str:
    """Convolutions in float32, as many as their sums need to stay exact, added up as integers."""
    geometry = layer.geometry
    pads = list(geometry.pads)
    if any(pads) and geometry.pad_level:
        images, pads = [_padded(ops, image, geometry) for image in images], [0, 0, 0, 0]
    if geometry.groups == 1 and len(images) > 1:
        images = [ops.add("Concat", *images, axis=1)]
    options = {"strides": list(geometry.stride), "pads": pads, "group": geometry.groups}
    totals = []
    for weights, shift in _terms(layer):
        kernels = _kernels(weights, geometry)
        if len(images) < len(kernels):
            kernels = [np.concatenate(kernels, axis=1)]
        products = [
            ops.add("Conv", image, _weights(ops, kernel, TensorProto.FLOAT), **options)
            for image, kernel in zip(images, kernels, strict=True)
        ]
        total = ops.cast(_added(ops, products), TensorProto.INT64)
        totals.append(ops.add("Mul", total, ops.scalar(1 << shift, "plane")) if shift else total)
    return _added(ops, totals)


def _image(ops: Operators, source: str, geometry: Geometry, index: int) -> str:
    """A source (n, C) as (n, C, 1, 1), as Conv wants it."""
    if (geometry.height, geometry.width) != (1, 1):
        return source
    return ops.reshape(source, [-1, geometry.channels[index], 1, 1])


def _padded(ops: Operators, image: str, geometry: Geometry) -> str:
    top, left, bottom, right = geometry.pads
    pads = ops.constant(np.array([0, 0, top, left, 0, 0, bottom, right], dtype=np.int64), "pads")
    return ops.add("Pad", image, pads, ops.constant(np.array(geometry.pad_level, np.float32), "pad_level"))


def _weights(ops: Operators, integers: NDArray[Any], kind: int) -> str:
    """Stored as narrow integers; a runtime folds the cast when it loads the file."""
    return ops.cast(ops.constant(narrowest(integers), "weights"), kind)


def _reach(weights: NDArray[np.int32], layer: DenseLayer) -> int:
    """No partial sum of an accumulator is larger in magnitude."""
    return int(np.abs(weights).sum(axis=1, dtype=np.int64).max()) * (layer.source.levels - 1)


def _terms(layer: DenseLayer) -> Iterator[tuple[NDArray[np.int32], int]]:
    """Weights (O, I) and shifts that sum to the layer's, each with sums up to EXACT."""
    whole = layer.weights()
    if _reach(whole, layer) <= EXACT:
        yield whole, 0
        return
    most = EXACT // (layer.source.levels - 1)
    for plane in layer.planes:
        signs = plane.signs(layer.inputs).astype(np.int32)
        for start in range(0, layer.inputs, most):
            part = np.zeros_like(signs)
            part[:, start : start + most] = signs[:, start : start + most]
            yield part, plane.shift


def _kernels(weights: NDArray[np.int32], geometry: Geometry) -> list[NDArray[np.int32]]:
    """For each source (O, channels of a group, kernel rows, kernel columns) of weights (O, I)."""
    channels = [count // geometry.groups for count in geometry.channels]
    area = geometry.kernel[0] * geometry.kernel[1]
    parts = np.split(weights, np.cumsum([area * count for count in channels])[:-1], axis=1)
    return [
        part.reshape(len(weights), *geometry.kernel, count).transpose(0, 3, 1, 2)
        for part, count in zip(parts, channels, strict=True)
    ]
