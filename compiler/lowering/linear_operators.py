"""Linear operators: what a layer accumulates, as a matrix over the windows of its sources.

Letters in shapes: O outputs, I inputs of a window, C channels, H rows, W columns. A matrix' inputs are in the
program's order: source, row, column, channel of the group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import singledispatch
from itertools import pairwise
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.graph.nodes import (
    Add,
    AveragePool,
    Channels,
    Concat,
    Conv,
    Dense,
    Node,
    Positions,
    Values,
)
from bcsim.compiler.program.geometry import Geometry

__all__ = ["LinearOperator", "identity_operator", "is_linear", "linear_operator"]

Shapes: TypeAlias = Sequence[tuple[int, int, int]]

ONE = (Fraction(1),)


@dataclass(frozen=True, slots=True)
class LinearOperator:
    """y = scale * (weights @ window) at every window of the geometry.

    weights : int16 (O, I).
    scale : positive, one for each output or one for all.
    geometry : without the padding's level and the pooling behind it.
    """

    weights: NDArray[np.int16]
    scale: tuple[Fraction, ...]
    geometry: Geometry


def is_linear(node: Node) -> bool:
    """Whether `linear_operator` takes the node."""
    return _operator.dispatch(type(node)) is not _operator.dispatch(Node)


def linear_operator(node: Node, shapes: Shapes) -> LinearOperator:
    """The operator of a linear node that reads sources of `shapes`, each (C, H, W), of the same H and W."""
    return _operator(node, shapes)


def identity_operator(shape: tuple[int, int, int]) -> LinearOperator:
    """The operator that copies a tensor (C, H, W)."""
    return _depthwise([shape], (1, 1), ONE)


@singledispatch
def _operator(node: Node, shapes: Shapes) -> LinearOperator:
    raise TypeError(f"Node must be linear, not {type(node).__name__}")


@_operator.register
def _(node: Dense, shapes: Shapes) -> LinearOperator:
    """Behind a Flatten, whose inputs come channel by channel, the kernel is the whole image."""
    channels, (_, rows, columns) = [shape[0] for shape in shapes], shapes[0]
    kernels = node.weights.reshape(len(node.weights), -1, rows, columns)
    geometry = Geometry(rows, columns, tuple(channels), kernel=(rows, columns))
    return LinearOperator(_matrix(kernels, channels), _scales(node.scale), geometry)


@_operator.register
def _(node: Conv, shapes: Shapes) -> LinearOperator:
    channels, (_, rows, columns) = [shape[0] for shape in shapes], shapes[0]
    parts = channels if node.groups == 1 else [node.weights.shape[1]]
    geometry = Geometry(rows, columns, tuple(channels), node.kernel, node.stride, node.pads, node.groups)
    return LinearOperator(_matrix(node.weights, parts), _scales(node.scale), geometry)


@_operator.register
def _(node: AveragePool, shapes: Shapes) -> LinearOperator:
    scale = (Fraction(1, node.kernel[0] * node.kernel[1]),)
    return _depthwise(shapes, node.kernel, scale, node.stride, node.pads)


@_operator.register
def _(node: Add, shapes: Shapes) -> LinearOperator:
    return _depthwise(shapes, (1, 1), ONE)


@_operator.register
def _(node: Concat, shapes: Shapes) -> LinearOperator:
    """A selection; where a linear layer alone reads the concatenation, it reads the sources instead."""
    _, rows, columns = shapes[0]
    channels = tuple(shape[0] for shape in shapes)
    return LinearOperator(np.eye(sum(channels), dtype=np.int16), ONE, Geometry(rows, columns, channels))


@_operator.register
def _(node: Values, shapes: Shapes) -> LinearOperator:
    """A selection, of a flattened image too."""
    chosen = np.eye(sum(prod(shape) for shape in shapes), dtype=np.int16)[node.index]
    dense = Dense(node.name, node.op, node.inputs, node.output, chosen, np.ones(len(chosen)))
    return linear_operator(dense, shapes)


@_operator.register
def _(node: Channels, shapes: Shapes) -> LinearOperator:
    """A selection."""
    ((channels, rows, columns),) = shapes
    chosen = np.eye(channels, dtype=np.int16)[node.first :: node.step][: node.count]
    return LinearOperator(chosen, ONE, Geometry(rows, columns, (channels,)))


@_operator.register
def _(node: Positions, shapes: Shapes) -> LinearOperator:
    """A selection, channel by channel."""
    ((channels, rows, columns),) = shapes
    weights = np.tile(np.eye(rows * columns, dtype=np.int16), (channels, 1))
    geometry = Geometry(rows, columns, (channels,), (rows, columns), groups=channels)
    return LinearOperator(weights, ONE, geometry)


def _depthwise(
    shapes: Shapes,
    kernel: tuple[int, int],
    scale: tuple[Fraction, ...],
    stride: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> LinearOperator:
    channels, rows, columns = shapes[0]
    sources = (channels,) * len(shapes)
    geometry = Geometry(rows, columns, sources, kernel, stride, pads, channels)
    return LinearOperator(np.ones((channels, geometry.window_inputs), dtype=np.int16), scale, geometry)


def _matrix(kernels: NDArray[np.int16], channels: Sequence[int]) -> NDArray[np.int16]:
    """Kernels (O, C, rows, columns) as (O, I), C split between the sources."""
    ends = np.cumsum([0, *channels]).tolist()
    parts = [
        kernels[:, start:end].transpose(0, 2, 3, 1).reshape(len(kernels), -1) for start, end in pairwise(ends)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _scales(scale: NDArray[np.float64]) -> tuple[Fraction, ...]:
    return tuple(Fraction(value) for value in scale.tolist())
