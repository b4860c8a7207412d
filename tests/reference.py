"""The program by its definition, one window at a time: slow, and shared with no level that it judges."""

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program.layers import ConvLayer, DenseLayer, Divide, Program


def run_reference(program: Program, q: NDArray[np.integer]) -> dict[str, NDArray[np.int64]]:
    """Every layer's output by name, int64 (n, rows, columns, outputs); "" is the input."""
    first = program.layers[0].geometry
    image = q.astype(np.int64).reshape(len(q), first.height, first.width, first.channels[0])
    tensors, previous = {"": image}, ""
    for layer in program.layers:
        names = layer.sources if isinstance(layer, ConvLayer) else (previous,)
        tensors[layer.name] = _layer(layer, [tensors[name] for name in names])
        previous = layer.name
    return tensors


def _layer(layer: DenseLayer, sources: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    geometry = layer.geometry
    if not isinstance(layer, ConvLayer):
        sources = [source.reshape(len(source), 1, 1, -1) for source in sources]
    top, left, bottom, right = geometry.pads
    padded = [
        np.pad(s, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=geometry.pad_level)
        for s in sources
    ]
    rows, columns = geometry.windows
    q = np.empty((len(sources[0]), rows, columns, layer.outputs), dtype=np.int64)
    for y in range(rows):
        for x in range(columns):
            q[:, y, x] = _window(layer, padded, y * geometry.stride[0], x * geometry.stride[1])
    return _pool(layer, q) if geometry.pool else q


def _window(layer: DenseLayer, padded: list[NDArray[np.int64]], top: int, left: int) -> NDArray[np.int64]:
    geometry, weights = layer.geometry, layer.weights().astype(np.int64)
    accumulators = np.empty((len(padded[0]), layer.outputs), dtype=np.int64)
    for output in range(layer.outputs):
        group = output * geometry.groups // layer.outputs
        values = []
        for source in padded:
            per_group = source.shape[3] // geometry.groups
            window = source[:, top : top + geometry.kernel[0], left : left + geometry.kernel[1]]
            values.append(window[..., group * per_group : (group + 1) * per_group].reshape(len(source), -1))
        accumulators[:, output] = np.concatenate(values, axis=1) @ weights[output]
    return _requantise(layer, accumulators)


def _requantise(layer: DenseLayer, accumulators: NDArray[np.int64]) -> NDArray[np.int64]:
    requantiser = layer.requantiser
    if isinstance(requantiser, Divide):
        scaled = accumulators * 2**requantiser.fraction_bits - requantiser.offset
        return np.clip(np.floor_divide(scaled, requantiser.divisor), 0, 2**requantiser.bits - 1)
    reached = accumulators[..., None] >= requantiser.thresholds
    return np.asarray(reached.sum(axis=-1))


def _pool(layer: DenseLayer, q: NDArray[np.int64]) -> NDArray[np.int64]:
    pool, (rows, columns) = layer.geometry.pool, layer.geometry.output
    assert pool is not None
    pooled = np.empty((len(q), rows, columns, layer.outputs), dtype=np.int64)
    minimum = layer.minimum if isinstance(layer, ConvLayer) and layer.minimum is not None else False
    for y in range(rows):
        for x in range(columns):
            top, left = y * pool.stride[0], x * pool.stride[1]
            window = q[:, top : top + pool.kernel[0], left : left + pool.kernel[1]].reshape(
                len(q), -1, layer.outputs
            )
            pooled[:, y, x] = np.where(minimum, window.min(axis=1), window.max(axis=1))
    return pooled
