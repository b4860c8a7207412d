"""Shapes of a graph's tensors, without the batch axis."""

from __future__ import annotations

import math
from functools import singledispatch
from typing import TypeAlias

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import (
    AveragePool,
    Channels,
    Concat,
    Conv,
    Dense,
    Flatten,
    Graph,
    MaxPool,
    Node,
    Positions,
    Reshape,
    Transpose,
    Upsample,
    Values,
)

__all__ = [
    "MAX_VALUES",
    "MAX_WINDOW_VALUES",
    "Shape",
    "check_sizes",
    "count_accumulations",
    "image_shape",
    "node_shape",
    "tensor_shapes",
]

Shape: TypeAlias = tuple[int, ...]

MAX_VALUES = 1 << 25
"""In one image's tensor, 256 MiB of float64: a file of kilobytes can ask for any size."""

MAX_WINDOW_VALUES = 1 << 28
"""In all windows of one image's convolution, copied side by side."""


def tensor_shapes(graph: Graph) -> dict[str, Shape]:
    """The shape of every tensor of `graph`, by name."""
    shapes = {graph.input: graph.input_shape}
    for node in graph.nodes:
        shapes[node.output] = node_shape(node, *(shapes[name] for name in node.inputs))
    return shapes


def check_sizes(graph: Graph) -> None:
    """Raise BcsimError naming the first node whose output or windows take more values than memory has room for."""
    shapes = tensor_shapes(graph)
    for node in graph.nodes:
        shape = shapes[node.output]
        if math.prod(shape) > MAX_VALUES:
            raise BcsimError(
                f"Node {node.name!r} ({node.op}) gives {math.prod(shape)} values for one image; accepted are up to "
                f"{MAX_VALUES}"
            )
        windows = math.prod(shape[1:]) * shapes[node.inputs[0]][0] * _places(node)
        if windows > MAX_WINDOW_VALUES:
            raise BcsimError(
                f"Node {node.name!r} ({node.op}) reads {windows} values in the windows of one image; accepted are up "
                f"to {MAX_WINDOW_VALUES}"
            )


def _places(node: Node) -> int:
    return math.prod(node.kernel) if isinstance(node, Conv | MaxPool | AveragePool) else 1


def count_accumulations(graph: Graph) -> int:
    """Weighted inputs of all linear layers for one image: the float network's multiply-accumulates."""
    shapes = tensor_shapes(graph)
    return sum(
        node.weights.size * math.prod(shapes[node.output][1:])
        for node in graph.nodes
        if isinstance(node, Dense | Conv)
    )


def image_shape(shape: Shape) -> tuple[int, int, int]:
    """(C, H, W) of an image, of a flat tensor (C,), which has one position, and of any other, which has one row."""
    if len(shape) == 3:
        channels, rows, columns = shape
        return channels, rows, columns
    return shape[0], 1, math.prod(shape[1:])


@singledispatch
def node_shape(node: Node, *inputs: Shape) -> Shape:
    """The shape of the node's output from those of its inputs."""
    return inputs[0]


@node_shape.register
def _(node: Dense, x: Shape) -> Shape:
    return (len(node.weights),)


@node_shape.register
def _(node: Conv, x: Shape) -> Shape:
    return len(node.weights), *_windows(x, node.kernel, node.stride, node.pads)


@node_shape.register
def _(node: MaxPool, x: Shape) -> Shape:
    return x[0], *_windows(x, node.kernel, node.stride, node.pads)


@node_shape.register
def _(node: AveragePool, x: Shape) -> Shape:
    return x[0], *_windows(x, node.kernel, node.stride, node.pads)


@node_shape.register
def _(node: Concat, *inputs: Shape) -> Shape:
    return sum(shape[0] for shape in inputs), *inputs[0][1:]


@node_shape.register
def _(node: Upsample, x: Shape) -> Shape:
    return x[0], x[1] * node.factor[0], x[2] * node.factor[1]


@node_shape.register
def _(node: Values, x: Shape) -> Shape:
    return (len(node.index),)


@node_shape.register
def _(node: Channels, x: Shape) -> Shape:
    return node.count, *x[1:]


@node_shape.register(Flatten)
@node_shape.register(Positions)
def _(node: Flatten | Positions, x: Shape) -> Shape:
    return (math.prod(x),)


@node_shape.register
def _(node: Reshape, x: Shape) -> Shape:
    return node.shape


@node_shape.register
def _(node: Transpose, x: Shape) -> Shape:
    return tuple(x[axis] for axis in node.axes)


def _windows(
    x: Shape, kernel: tuple[int, int], stride: tuple[int, int], pads: tuple[int, int, int, int]
) -> tuple[int, int]:
    top, left, bottom, right = pads
    rows = (x[1] + top + bottom - kernel[0]) // stride[0] + 1
    columns = (x[2] + left + right - kernel[1]) // stride[1] + 1
    return rows, columns
