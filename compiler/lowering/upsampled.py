"""Repeated pixels: what follows an Upsample, as dense layers on the image before it.

An upsampled image has no values of its own, so a layer that reads it can read what it repeats, with the weights of
equal pixels added. No window of the array repeats a pixel, so the layers behind it are unrolled: one dense layer for
each, whose outputs are a flattened image.

Letters in shapes: O outputs, C channels, H rows, W columns, I inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import (
    Add,
    AveragePool,
    Concat,
    Conv,
    Dense,
    Flatten,
    Graph,
    MaxPool,
    Node,
    Positions,
    Upsample,
    Values,
)
from bcsim.compiler.graph.shapes import Shape, image_shape, tensor_shapes
from bcsim.compiler.lowering.node_functions import is_elementwise, to_functions
from bcsim.compiler.lowering.piecewise import is_shared
from bcsim.compiler.lowering.unrolled import MOST_WEIGHTS, at_positions, conv_matrix

__all__ = ["without_upsampling"]

Index: TypeAlias = NDArray[np.intp]


def without_upsampling(graph: Graph) -> Graph:
    """The graph without Upsample nodes, whose readers are dense layers instead. It computes the same output.

    Raises BcsimError for readers that cannot be one.
    """
    if not any(isinstance(node, Upsample) for node in graph.nodes):
        return graph
    rewriting = _Rewriting(tensor_shapes(graph))
    for node in graph.nodes:
        rewriting.add(node)
    output = rewriting.settled(graph.output)
    return replace(graph, nodes=tuple(rewriting.nodes), output=output)


def _is_shared(node: Node) -> bool:
    return all(map(is_shared, to_functions([node])))


@dataclass(frozen=True, slots=True)
class _Windows:
    """The windows of a pooling along one axis."""

    kernel: int
    stride: int
    before: int
    after: int


def _over_repeated(pool: MaxPool, axis: int, factor: int, size: int, count: int) -> _Windows:
    """The windows along an axis whose `size` values are each repeated `factor` times, over the values themselves."""
    kernel, before, stride = pool.kernel[axis], pool.pads[axis], pool.stride[axis] // factor
    first, last = -before // factor, (kernel - 1 - before) // factor
    reached = (count - 1) * stride + last + 1
    return _Windows(last - first + 1, stride, -first, max(0, reached - size))


@dataclass(slots=True)
class _Rewriting:
    """The rewritten nodes so far.

    shapes : of every tensor of the graph as it was.
    flat : the tensors that are flattened now, and stay so.
    repeats : for a tensor with repeated pixels, the tensor that it repeats and which of its values each one is.
    """

    shapes: dict[str, Shape]
    nodes: list[Node] = field(default_factory=list)
    flat: set[str] = field(default_factory=set)
    repeats: dict[str, tuple[str, Index]] = field(default_factory=dict)

    def add(self, node: Node) -> None:
        touched = any(name in self.flat or name in self.repeats for name in node.inputs)
        if isinstance(node, Upsample):
            self._repeat(node)
        elif not touched:
            self.nodes.append(node)
        elif is_elementwise(node) and not isinstance(node, Flatten):
            self._elementwise(node)
        elif isinstance(node, Flatten):
            self._flatten(node)
        elif isinstance(node, Dense):
            self._dense(node, node.weights.astype(np.int64), node.scale)
        elif isinstance(node, Conv) and not node.outside:
            self._conv(node)
        elif isinstance(node, AveragePool) and self._is_global(node):
            self._mean(node)
        elif isinstance(node, MaxPool) and (pool := self._maximum(node)):
            self.nodes.append(pool)
        elif isinstance(node, Add | Concat):
            self.nodes.append(replace(node, inputs=tuple(map(self.settled, node.inputs))))
            self.flat.add(node.output)
        else:
            raise BcsimError(
                f"Node {node.name!r} ({node.op}) reads repeated pixels; accepted behind a Resize are Conv, dense "
                "layers, a MaxPool whose stride is a multiple of the repetition, the mean of the whole image, "
                "additions, concatenations and elementwise operations"
            )

    def _repeat(self, node: Upsample) -> None:
        source, index = self._origin(node.inputs[0])
        channels, rows, columns = image_shape(self.shapes[node.inputs[0]])
        image = index.reshape(channels, rows, columns)
        repeated = image.repeat(node.factor[0], axis=1).repeat(node.factor[1], axis=2)
        self.repeats[node.output] = source, repeated.reshape(-1)

    def _origin(self, tensor: str) -> tuple[str, Index]:
        return self.repeats.get(tensor, (tensor, np.arange(prod(self.shapes[tensor]))))

    def _elementwise(self, node: Node) -> None:
        """Before the repetition, where it costs least."""
        source, index = self._origin(node.inputs[0])
        if len(self.shapes[node.inputs[0]]) == 1 and not _is_shared(node):
            self.nodes.append(replace(node, inputs=(self.settled(node.inputs[0]),)))
            self.flat.add(node.output)
            return
        if source in self.flat:
            positions = prod(image_shape(self.shapes[source])[1:])
            moved = at_positions(node, positions) if len(self.shapes[node.inputs[0]]) > 1 else node
        else:
            moved = node
        if node.inputs[0] not in self.repeats:
            self.nodes.append(moved)
            self.flat.add(node.output)
            return
        name = f"{node.output}/once"
        self.nodes.append(replace(moved, inputs=(source,), output=name))
        self.shapes[name] = self.shapes[source]
        if source in self.flat:
            self.flat.add(name)
        self.repeats[node.output] = name, index

    def _flatten(self, node: Flatten) -> None:
        if node.inputs[0] in self.repeats:
            self.repeats[node.output] = self.repeats[node.inputs[0]]
        else:
            self.repeats[node.output] = self._origin(node.inputs[0])

    def _conv(self, node: Conv) -> None:
        positions = prod(image_shape(self.shapes[node.output])[1:])
        image = image_shape(self.shapes[node.inputs[0]])
        weights = positions * len(node.weights) * prod(image)
        if weights > MOST_WEIGHTS:
            raise BcsimError(
                f"Node {node.name!r} ({node.op}) reads repeated pixels and would be a dense layer of {weights} "
                f"weights; accepted are up to {MOST_WEIGHTS}"
            )
        self._dense(node, conv_matrix(node, image).astype(np.int64), np.repeat(node.scale, positions))

    def _dense(self, node: Dense | Conv, matrix: NDArray[np.int64], scale: NDArray[np.float64]) -> None:
        """The layer on what its input repeats; matrix int64 (O, I)."""
        source, index = self._origin(node.inputs[0])
        folded = np.zeros((len(matrix), prod(self.shapes[source])), dtype=np.int64)
        np.add.at(folded.T, index, matrix.T)
        name = self._flat_name(source, node)
        self.nodes.append(
            Dense(node.name, node.op, (name,), node.output, folded.astype(np.int16), scale, node.rounded)
        )
        self.flat.add(node.output)

    def _flat_name(self, source: str, node: Node) -> str:
        """The source as a flat tensor."""
        if source in self.flat or len(self.shapes[source]) == 1:
            return source
        name = f"{source}/flat"
        if name not in self.shapes:
            self.nodes.append(Flatten(node.name, node.op, (source,), name))
            self.shapes[name] = (prod(self.shapes[source]),)
        return name

    def _is_global(self, node: AveragePool) -> bool:
        source, _ = self._origin(node.inputs[0])
        return (
            node.kernel == self.shapes[node.inputs[0]][1:] and source not in self.flat and not any(node.pads)
        )

    def _mean(self, node: AveragePool) -> None:
        """Every pixel is repeated as often as any other."""
        source, _ = self._origin(node.inputs[0])
        rows, columns = image_shape(self.shapes[source])[1:]
        self.nodes.append(replace(node, inputs=(source,), kernel=(rows, columns), stride=(rows, columns)))

    def _maximum(self, node: MaxPool) -> MaxPool | None:
        """The maximum of what is repeated, where windows begin at equal places of the repetition."""
        source, index = self._origin(node.inputs[0])
        if source in self.flat or len(self.shapes[source]) == 1:
            return None
        sizes, repeated = image_shape(self.shapes[source])[1:], image_shape(self.shapes[node.inputs[0]])[1:]
        factors = repeated[0] // sizes[0], repeated[1] // sizes[1]
        channels = len(index) // prod(repeated)
        plain = np.arange(channels * prod(sizes)).reshape(channels, *sizes)
        again = plain.repeat(factors[0], axis=1).repeat(factors[1], axis=2)
        if any(s % f for s, f in zip(node.stride, factors, strict=True)) or not np.array_equal(
            again.reshape(-1), index
        ):
            return None
        windows = image_shape(self.shapes[node.output])[1:]
        rows, columns = (
            _over_repeated(node, axis, factors[axis], sizes[axis], windows[axis]) for axis in range(2)
        )
        kernel, stride = (rows.kernel, columns.kernel), (rows.stride, columns.stride)
        pads = (rows.before, columns.before, rows.after, columns.after)
        return replace(node, inputs=(source,), kernel=kernel, stride=stride, pads=pads)

    def settled(self, tensor: str) -> str:
        """The tensor, flat in earnest where it or what it repeats is not."""
        if tensor in self.flat:
            return tensor
        source, index = self._origin(tensor)
        if tensor in self.repeats and not np.array_equal(index, np.arange(len(index))):
            name = f"{tensor}/repeated"
            if name not in self.shapes:
                self.shapes[name] = (len(index),)
                flat = self._flat_name(source, self.nodes[-1])
                self.nodes.append(Values(tensor, "Resize", (flat,), name, index))
            return name
        if source in self.flat or len(self.shapes[source]) == 1:
            return source
        name = f"{source}/positions"
        if name not in self.shapes:
            self.shapes[name] = (prod(self.shapes[source]),)
            self.nodes.append(Positions(source, "Flatten", (source,), name))
        return name
