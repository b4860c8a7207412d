"""Unrolled convolutions: dense layers in place of convolutions whose image becomes flat in earnest.

Letters in shapes: O outputs, C channels, H rows, W columns, P positions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.graph.nodes import Conv, Dense, Flatten, Graph, Node, Positions, Values
from bcsim.compiler.graph.shapes import Shape, image_shape, tensor_shapes
from bcsim.compiler.lowering.node_functions import is_elementwise, to_functions
from bcsim.compiler.lowering.piecewise import Steps
from bcsim.compiler.lowering.views import PARAMETERS

__all__ = ["MOST_WEIGHTS", "at_positions", "conv_matrix", "unroll_convolutions"]

MOST_WEIGHTS = 1 << 24
"""A convolution of more weights, unrolled, is rounded before it becomes flat instead."""


def unroll_convolutions(graph: Graph) -> Graph:
    """The graph with every Positions node where it costs nothing: behind a quantiser, or in a dense layer.

    The dense layer is the convolution that only the Positions node reads, with a weight for each input and output;
    those outside a window are 0. Elementwise nodes in between come behind it, a channel's parameters at every position.
    So it is with a Flatten of which a Values node takes what it needs, such as scores that a Resize repeats.
    """
    nodes = list(graph.nodes)
    for flat in graph.nodes:
        taken = _taken(flat, graph) if isinstance(flat, Flatten) else None
        if not isinstance(flat, Positions) and taken is None:
            continue
        first, *chain = _chain(flat, nodes)
        shapes = tensor_shapes(replace(graph, nodes=tuple(nodes)))
        end = taken or flat
        fits = isinstance(first, Conv) and not first.outside and _weights(first, end, shapes) <= MOST_WEIGHTS
        if isinstance(first, Conv) and fits:
            moved, gone = _unrolled(first, chain, end, shapes), [first, *chain, flat, end]
        elif isinstance(flat, Positions) and chain and _quantises(first):
            moved, gone = _moved(first, chain, flat, shapes), [*chain, flat]
        else:
            continue
        place = nodes.index(gone[0])
        nodes = [*nodes[:place], *moved, *(n for n in nodes[place:] if not any(n is old for old in gone))]
    return replace(graph, nodes=tuple(nodes))


def _taken(flat: Flatten, graph: Graph) -> Values | None:
    """The Values node that alone reads `flat`."""
    readers = [node for node in graph.nodes if flat.output in node.inputs]
    taken = readers[0] if len(readers) == 1 and flat.output != graph.output else None
    return taken if isinstance(taken, Values) else None


def _chain(flat: Node, nodes: Sequence[Node]) -> list[Node]:
    """Elementwise nodes up to `flat` that each read only one another, and before them what they read: a convolution,
    a quantiser or anything else, in the end `flat` itself."""
    makers, uses = {node.output: node for node in nodes}, Counter(name for n in nodes for name in n.inputs)
    chain: list[Node] = []
    tensor = flat.inputs[0]
    while uses[tensor] == 1 and tensor in makers:
        node = makers[tensor]
        chain.insert(0, node)
        if not is_elementwise(node) or _quantises(node):
            return chain
        tensor = node.inputs[0]
    return [flat]


def _quantises(node: Node) -> bool:
    return is_elementwise(node) and any(isinstance(function, Steps) for function in to_functions([node]))


def _weights(conv: Conv, end: Node, shapes: dict[str, Shape]) -> int:
    """Of the convolution as a matrix, or of the rows of it that are taken, if they are more."""
    outputs = prod(shapes[conv.output])
    return prod(shapes[conv.inputs[0]]) * max(outputs, prod(shapes[end.output]))


def _unrolled(conv: Conv, chain: Sequence[Node], end: Node, shapes: dict[str, Shape]) -> list[Node]:
    """A Flatten of the convolution's input, the dense layer and the chain, up to the output of `end`."""
    image = image_shape(shapes[conv.output])
    # The place in the convolution's image of every value.
    places = end.index if isinstance(end, Values) else np.arange(prod(image))
    channels = places // prod(image[1:])
    weights = conv_matrix(conv, image_shape(shapes[conv.inputs[0]]))[places]
    source, product = f"{end.output}/source", f"{end.output}/0" if chain else end.output
    dense = Dense(conv.name, conv.op, (source,), product, weights, conv.scale[channels], conv.rounded)
    behind = _renamed([_of_channels(node, channels) for node in chain], dense, end)
    return [Flatten(conv.name, conv.op, conv.inputs, source), dense, *behind]


def _moved(first: Node, chain: Sequence[Node], flat: Positions, shapes: dict[str, Shape]) -> list[Node]:
    """The Positions node in front of the chain."""
    positions = prod(image_shape(shapes[first.output])[1:])
    moved = replace(flat, inputs=(first.output,), output=f"{flat.output}/0")
    return [moved, *_renamed([at_positions(node, positions) for node in chain], moved, flat)]


def _renamed(chain: Sequence[Node], first: Node, end: Node) -> list[Node]:
    """The chain, one behind the other, behind `first` up to the output of `end`."""
    names = [first.output, *(f"{end.output}/{index}" for index in range(1, len(chain))), end.output]
    return [
        replace(node, inputs=(names[index],), output=names[index + 1]) for index, node in enumerate(chain)
    ]


def at_positions(node: Node, positions: int) -> Node:
    """The node for flattened images: each channel's parameters at every position."""
    arrays = [getattr(node, name) for name in PARAMETERS.get(type(node), ())]
    channels = max((len(array) for array in arrays if array.ndim), default=1)
    return _of_channels(node, np.repeat(np.arange(channels), positions))


def _of_channels(node: Node, channels: NDArray[np.intp]) -> Node:
    """The node for values of these channels, each with its channel's parameters."""
    arrays = {name: getattr(node, name) for name in PARAMETERS.get(type(node), ())}
    more = {name: array[channels] for name, array in arrays.items() if array.ndim and len(array) > 1}
    return replace(node, **more) if more else node


def conv_matrix(conv: Conv, image: tuple[int, int, int]) -> NDArray[np.int16]:
    """The convolution as int16 (O * P, C * H * W), both flattened images."""
    channels, rows, columns = image
    top, left, bottom, right = conv.pads
    outputs, per_group, high, wide = conv.weights.shape
    down = range(-top, rows + bottom - high + 1, conv.stride[0])
    across = range(-left, columns + right - wide + 1, conv.stride[1])
    matrix = np.zeros((outputs, len(down), len(across), channels, rows, columns), dtype=np.int16)
    for i, y in enumerate(down):
        for j, x in enumerate(across):
            ys, xs = _inside(y, high, rows), _inside(x, wide, columns)
            part = conv.weights[:, :, ys.start - y : ys.stop - y, xs.start - x : xs.stop - x]
            for o in range(outputs):
                first = o * conv.groups // outputs * per_group
                matrix[o, i, j, first : first + per_group, ys, xs] = part[o]
    return matrix.reshape(outputs * len(down) * len(across), -1)


def _inside(place: int, length: int, size: int) -> slice:
    """What of a kernel at `place` lies in the image; empty where all of it is padding."""
    first = min(max(0, place), size)
    return slice(first, max(first, min(size, place + length)))
