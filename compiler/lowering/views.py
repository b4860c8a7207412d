"""Views: flattened and reshaped images give way, so that what follows a layer works on the layer's own image.

An accelerator's layer has channels at positions, and its requantiser has parameters for each channel. Behind a
Flatten a file has one long axis instead. Elementwise nodes, additions and concatenations there are moved before it,
where they mean the same. Where parameters differ between the positions of a channel, or a flattened image meets a
tensor of another shape, the image becomes flat in earnest: by a Positions node, or by a dense layer in place of the
convolution before it (`unrolled.py`), which rounds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from bcsim.compiler.graph.nodes import (
    Add,
    Affine,
    BatchNorm,
    Channels,
    Concat,
    Flatten,
    FloatArray,
    Graph,
    LeakyRelu,
    MultiThreshold,
    Node,
    Positions,
    Reshape,
)
from bcsim.compiler.graph.shapes import Shape, image_shape, tensor_shapes
from bcsim.compiler.lowering.input_path import follow_input
from bcsim.compiler.lowering.node_functions import is_elementwise

__all__ = ["PARAMETERS", "views_last"]

PARAMETERS = {
    Affine: ("scale", "shift"),
    BatchNorm: ("gamma", "beta", "mean", "variance"),
    LeakyRelu: ("slope",),
    MultiThreshold: ("thresholds",),
}
"""The arrays of elementwise nodes that may have an entry for each channel along their first axis."""


def views_last(graph: Graph) -> Graph:
    """The graph with views behind other nodes; its output must need all nodes.

    It computes the same output. The nodes at the input that the host does stay as they are.
    """
    hosted = follow_input(graph, list(graph.nodes)).members
    mover = _Mover(tensor_shapes(graph))
    for node in graph.nodes:
        if node in hosted:
            mover.nodes.append(node)
        else:
            mover.add(node)
    output = mover.settled(graph.output)
    return replace(graph, nodes=tuple(mover.nodes), output=output)


@dataclass(slots=True)
class _Mover:
    """The rewritten nodes so far.

    shapes : of every tensor, without the batch axis.
    origins : for a view, the tensor that it shows in another shape.
    """

    shapes: dict[str, Shape]
    nodes: list[Node] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)

    def add(self, node: Node) -> None:
        if isinstance(node, Flatten | Reshape):
            self._view(node, node.inputs[0])
        elif is_elementwise(node) and node.inputs[0] in self.origins:
            self._elementwise(node)
        elif isinstance(node, Channels) and self._spread(node.inputs[0]):
            self.nodes.append(replace(node, inputs=(self._flat(node.inputs[0]),)))
        elif isinstance(node, Add | Concat) and self.origins.keys() & set(node.inputs):
            self._join(node)
        else:
            self.nodes.append(node)

    def settled(self, output: str) -> str:
        """The scores' tensor, flat in earnest where it is a flattened image of several positions."""
        return self._flat(output) if self._spread(output) else output

    def _view(self, node: Node, source: str) -> None:
        """A view of `source` in the shape of the node's output; views of views show what those show."""
        origin, shape = self._origin(source), self.shapes[node.output]
        self.origins[node.output] = origin
        head = (node.name, node.op, (origin,), node.output)
        self.nodes.append(Flatten(*head) if len(shape) == 1 else Reshape(*head, shape))

    def _origin(self, tensor: str) -> str:
        return self.origins.get(tensor, tensor)

    def _spread(self, tensor: str) -> bool:
        """Whether the tensor is the flattened image of several positions."""
        return len(self.shapes[tensor]) == 1 and prod(self._image(tensor)[1:]) > 1

    def _image(self, tensor: str) -> Shape:
        return image_shape(self.shapes[self._origin(tensor)])

    def _elementwise(self, node: Node) -> None:
        source = node.inputs[0]
        moved = _by_channel(node, self.shapes[source], self._image(source))
        if moved is not None:
            self._before_view(replace(moved, inputs=(self._origin(source),)), node)
        else:
            self.nodes.append(replace(node, inputs=(self._flat(source),)) if self._spread(source) else node)

    def _join(self, node: Node) -> None:
        """An addition or concatenation of views before the view, if the images fit each other."""
        shapes = [self._image(name) for name in node.inputs]
        first = 0 if isinstance(node, Add) else 1
        viewed = any(self.shapes[name] != self.shapes[self._origin(name)] for name in node.inputs)
        if viewed and len({shape[first:] for shape in shapes}) == 1:
            self._before_view(replace(node, inputs=tuple(map(self._origin, node.inputs))), node)
        else:
            self.nodes.append(
                replace(
                    node,
                    inputs=tuple(self._flat(name) if self._spread(name) else name for name in node.inputs),
                )
            )

    def _before_view(self, moved: Node, node: Node) -> None:
        """`moved`, which does on images what `node` does on views of them, and a view of its result."""
        image = f"{node.output}/image"
        shapes = [self.shapes[name] for name in moved.inputs]
        channels = sum(shape[0] for shape in shapes) if isinstance(moved, Concat) else shapes[0][0]
        self.shapes[image] = (channels, *shapes[0][1:])
        self.nodes.append(replace(moved, output=image))
        self._view(node, image)

    def _flat(self, tensor: str) -> str:
        """The flattened image as a tensor of its own."""
        flat = f"{tensor}/flat"
        if flat not in self.shapes:
            self.shapes[flat] = self.shapes[tensor]
            origin = self._origin(tensor)
            maker = next(node for node in self.nodes if node.output == tensor)
            self.nodes.append(Positions(maker.name, maker.op, (origin,), flat))
        return flat


def _by_channel(node: Node, shape: Shape, image: Shape) -> Node | None:
    """The node for an image of which it takes a view of `shape`; None where that would take other parameters."""
    changed: dict[str, FloatArray] = {}
    for name in PARAMETERS.get(type(node), ()):
        array: FloatArray = getattr(node, name)
        if array.ndim and len(array) > 1 and shape[0] != image[0]:
            if len(shape) > 1:
                return None
            by_position = array.reshape(image[0], -1, *array.shape[1:])
            if not (by_position == by_position[:, :1]).all():
                return None
            changed[name] = np.ascontiguousarray(by_position[:, 0])
    return replace(node, **changed) if changed else node  # type: ignore[arg-type]
