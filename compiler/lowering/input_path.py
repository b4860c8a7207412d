"""The way from a network's input to the tensor that the host streams: elementwise nodes and changes of shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.graph.nodes import Flatten, Graph, Node, Reshape, Transpose
from bcsim.compiler.graph.shapes import image_shape
from bcsim.compiler.lowering.node_functions import is_elementwise, to_functions
from bcsim.compiler.lowering.piecewise import is_shared

__all__ = ["InputPath", "follow_input"]

IntArray: TypeAlias = NDArray[np.int64]

VIEWS = (Flatten, Reshape, Transpose)


@dataclass(frozen=True, slots=True)
class InputPath:
    """The nodes that the host does.

    tensor : the last one's output, or the graph's input.
    elementwise : those of the nodes that compute.
    order : which value of the flattened image each value of the stream is, int64 (inputs,), in the program's order
        (row, column, channel); None where the image is (channel, row, column) itself.
    """

    tensor: str
    members: tuple[Node, ...]
    elementwise: tuple[Node, ...]
    order: IntArray | None


def follow_input(graph: Graph, nodes: list[Node]) -> InputPath:
    """The path of nodes that each alone read what comes before, up to the first that the host cannot do.

    The host does elementwise nodes that are the same for all values, views, and on flat inputs any elementwise node.
    """
    tensor, members = graph.input, []
    values = np.arange(np.prod(graph.input_shape), dtype=np.int64).reshape(graph.input_shape)
    while True:
        readers = [node for node in nodes if tensor in node.inputs]
        if len(readers) != 1 or not _hosted(readers[0], values.shape) or tensor == graph.output:
            break
        members.append(readers[0])
        values, tensor = _viewed(readers[0], values), readers[0].output
    elementwise = tuple(node for node in members if not isinstance(node, VIEWS))
    return InputPath(tensor, tuple(members), elementwise, _order(values))


def _hosted(node: Node, shape: tuple[int, ...]) -> bool:
    if isinstance(node, VIEWS):
        return True
    shared = is_elementwise(node) and all(map(is_shared, to_functions([node])))
    return shared or (is_elementwise(node) and len(shape) == 1)


def _viewed(node: Node, values: IntArray) -> IntArray:
    if isinstance(node, Flatten):
        return values.reshape(-1)
    if isinstance(node, Reshape):
        return values.reshape(node.shape)
    return values.transpose(node.axes) if isinstance(node, Transpose) else values


def _order(values: IntArray) -> IntArray | None:
    order = values.reshape(image_shape(values.shape))
    plain = np.array_equal(order.reshape(-1), np.arange(order.size))
    return None if plain else order.transpose(1, 2, 0).reshape(-1)
