"""Fusion: a graph divided into layers, each a linear node with the elementwise nodes and the pooling behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from itertools import count

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import (
    AveragePool,
    Concat,
    Conv,
    Dense,
    Flatten,
    Graph,
    MaxPool,
    Node,
    Reshape,
)
from bcsim.compiler.graph.shapes import Shape, image_shape, tensor_shapes
from bcsim.compiler.lowering.input_path import InputPath, follow_input
from bcsim.compiler.lowering.linear_operators import is_linear
from bcsim.compiler.lowering.node_functions import is_elementwise
from bcsim.compiler.program.geometry import Pool

__all__ = ["FusedGraph", "FusedLayer", "fuse_layers", "needed_nodes"]


@dataclass(frozen=True, slots=True)
class FusedLayer:
    """The nodes of which one layer of the program is made.

    linear : the linear node, None for the identity.
    sources : the tensors it reads, each another layer's output or the stream.
    nodes : what follows, elementwise nodes and at one place among them one MaxPool or several in a row, of which
        the first alone may have pads; then it is the layer's first node, and there is no linear node.
    """

    name: str
    linear: Node | None
    sources: tuple[str, ...]
    nodes: tuple[Node, ...]
    output: str

    @property
    def is_weighted(self) -> bool:
        """Whether the network has weights here, so that --bits counts it."""
        return isinstance(self.linear, Dense | Conv)

    @property
    def has_rounded_weights(self) -> bool:
        """Whether the file's weights are real."""
        return isinstance(self.linear, Dense | Conv) and self.linear.rounded

    @property
    def pads(self) -> bool:
        """Whether its windows reach beyond its sources, where they read `outside`."""
        return isinstance(self.linear, Conv | AveragePool) and any(self.linear.pads)

    @property
    def outside(self) -> Fraction:
        """What its windows read beyond its sources."""
        return Fraction(self.linear.outside) if isinstance(self.linear, Conv) else Fraction(0)

    @property
    def elementwise(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if not isinstance(node, MaxPool))

    @property
    def behind_pool(self) -> tuple[Node, ...]:
        """The elementwise nodes behind the pooling; all of them without one."""
        places = [index for index, node in enumerate(self.nodes) if isinstance(node, MaxPool)]
        return self.nodes[places[-1] + 1 :] if places else self.elementwise

    @property
    def copies(self) -> bool:
        """Whether its output has no values but those of its source."""
        return self.linear is None and not self.elementwise

    @property
    def pool_pads(self) -> tuple[int, int, int, int]:
        """Rows and columns around the source that take no part in the maximum: (top, left, bottom, right)."""
        first = self.nodes[0] if self.nodes else None
        return first.pads if isinstance(first, MaxPool) else (0, 0, 0, 0)

    @property
    def pool(self) -> Pool | None:
        """The maximum over windows of maxima over windows is one over larger windows."""
        pools = [Pool(node.kernel, node.stride) for node in self.nodes if isinstance(node, MaxPool)]
        return reduce(_pool_of_pools, pools) if pools else None


@dataclass(frozen=True, slots=True)
class FusedGraph:
    """The layers of a graph in execution order.

    path : from the graph's input to the tensor that the machine is sent, `path.tensor`.
    shapes : of every tensor.
    """

    path: InputPath
    layers: tuple[FusedLayer, ...]
    shapes: dict[str, Shape]

    def image(self, tensor: str) -> tuple[int, int, int]:
        """(C, H, W) of a tensor."""
        return image_shape(self.shapes[tensor])


def _pool_of_pools(inner: Pool, outer: Pool) -> Pool:
    kernel = [k + (more - 1) * s for k, more, s in zip(inner.kernel, outer.kernel, inner.stride, strict=True)]
    stride = [s * more for s, more in zip(inner.stride, outer.stride, strict=True)]
    return Pool((kernel[0], kernel[1]), (stride[0], stride[1]))


def fuse_layers(graph: Graph) -> FusedGraph:
    """The layers of `graph`; nodes that its output does not need are left out.

    Raises BcsimError for a network without a linear layer, and for operations and orders that no layer can have.
    """
    if not any(isinstance(node, Dense | Conv) for node in graph.nodes):
        raise BcsimError(
            f"Network {graph.name!r} has no linear layer (MatMul, Gemm or Conv), which bcsim needs"
        )
    shapes = tensor_shapes(graph)
    nodes = needed_nodes(graph)
    path = follow_input(graph, nodes)
    rest = [node for node in nodes if node not in path.members]
    linked, output = _without_views(rest, graph.output, shapes)
    return FusedGraph(path, tuple(_Splitter(linked, output).split()), shapes)


def needed_nodes(graph: Graph) -> list[Node]:
    """The nodes that the graph's output depends on, in order."""
    needed, kept = {graph.output}, []
    for node in reversed(graph.nodes):
        if node.output in needed:
            needed.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def _without_views(nodes: Sequence[Node], output: str, shapes: dict[str, Shape]) -> tuple[list[Node], str]:
    """The nodes that compute, each reading the tensors that views show under another name."""
    seen: dict[str, str] = {}
    linked = []
    for node in nodes:
        inputs = tuple(seen.get(name, name) for name in node.inputs)
        if isinstance(node, Flatten) or (isinstance(node, Reshape) and _is_plain(node, shapes)):
            seen[node.output] = inputs[0]
        elif is_linear(node) or is_elementwise(node) or isinstance(node, MaxPool):
            linked.append(replace(node, inputs=inputs))
        else:
            raise BcsimError(
                f"Node {node.name!r} ({node.op}) cannot be lowered; accepted are linear layers, pooling, additions, "
                "concatenations and elementwise operations, and changes of shape at the network's input"
            )
    return linked, seen.get(output, output)


def _is_plain(node: Reshape, shapes: dict[str, Shape]) -> bool:
    """Whether only axes of size 1 come or go."""
    before, after = shapes[node.inputs[0]], shapes[node.output]
    return [size for size in before if size > 1] == [size for size in after if size > 1]


def _unused(name: str, names: set[str]) -> str:
    """The name, with a number where it is in `names`, to which it is added."""
    tried = (name if number == 1 else f"{name}#{number}" for number in count(1))
    found = next(candidate for candidate in tried if candidate not in names)
    names.add(found)
    return found


class _Splitter:
    def __init__(self, nodes: Sequence[Node], output: str) -> None:
        self.nodes, self.output = nodes, output
        self.readers: dict[str, list[Node]] = {}
        for node in nodes:
            for name in dict.fromkeys(node.inputs):
                self.readers.setdefault(name, []).append(node)
        self.uses = Counter(name for node in nodes for name in node.inputs)
        self.parts: dict[str, tuple[str, ...]] = {}

    def split(self) -> Iterable[FusedLayer]:
        absorbed: set[str] = set()
        names: set[str] = set()
        for node in self.nodes:
            if node.output in absorbed:
                continue
            if isinstance(node, Concat) and self._only_linear(node):
                self.parts[node.output] = self._sources(node)
                continue
            layer = self._fuse(node)
            absorbed.update(member.output for member in layer.nodes)
            yield replace(layer, name=_unused(layer.name, names))

    def _fuse(self, node: Node) -> FusedLayer:
        linear = node if is_linear(node) else None
        nodes = [] if linear else [node]
        tensor = node.output
        while (following := self._next(tensor, nodes)) is not None:
            nodes.append(following)
            tensor = following.output
        return FusedLayer(node.name, linear, self._sources(node), tuple(nodes), tensor)

    def _next(self, tensor: str, nodes: Sequence[Node]) -> Node | None:
        """The node that goes on with the layer: the tensor's only reader, if a layer can hold it.

        What a padded maximum leaves out is known only where it reads a tensor, hence a layer of its own.
        """
        readers = self.readers.get(tensor, [])
        if tensor == self.output or self.uses[tensor] != 1 or is_linear(readers[0]):
            return None
        if not isinstance(readers[0], MaxPool):
            return readers[0]
        pooled = any(isinstance(node, MaxPool) for node in nodes) and not isinstance(nodes[-1], MaxPool)
        return None if pooled or any(readers[0].pads) else readers[0]

    def _sources(self, node: Node) -> tuple[str, ...]:
        return tuple(part for name in node.inputs for part in self.parts.get(name, (name,)))

    def _only_linear(self, node: Concat) -> bool:
        """Whether layers alone read the concatenation, which can as well read its inputs."""
        readers = self.readers.get(node.output, [])
        return node.output != self.output and all(
            isinstance(reader, Dense)
            or (isinstance(reader, Conv) and reader.groups == 1)
            or (isinstance(reader, Concat) and self._only_linear(reader))
            for reader in readers
        )
