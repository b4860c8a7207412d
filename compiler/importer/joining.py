"""Operators that join tensors: residual additions and concatenations."""

from __future__ import annotations

from dataclasses import replace

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Add, Concat
from bcsim.compiler.importer.layouts import viewed
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Activation, Constant, Layout, Shape, squeezed

__all__ = ["add_tensors", "channels_first", "joined"]


def add_tensors(context: NodeContext) -> Lowered:
    """Add of two tensors that both depend on the network's input."""
    a, b = (context.activation(index) for index in range(2))
    if context.shape(a) != context.shape(b):
        raise BcsimError(
            f"its inputs have the shapes {a.shape} and {b.shape}; accepted are tensors of one shape"
        )
    if a.layout != b.layout or len(a.layout.stored) == 2:
        a, b = (_settled(context, index) for index in range(2))
    node = Add(context.name, context.op, (a.name, b.name), context.output)
    return Lowered(Activation(context.output, a.shape, a.view), (node,))


@operator("Concat")
def concat(context: NodeContext) -> Lowered:
    if not context.operands:
        raise BcsimError("it has no inputs; accepted are tensors that depend on the network's input")
    if any(isinstance(value, Constant) for value in context.operands):
        raise BcsimError(
            "one of its inputs is a constant; accepted are tensors that depend on the network's input"
        )
    shapes = [context.shape(context.activation(index)) for index in range(len(context.operands))]
    axis = context.attribute("axis", 1)
    axis = (axis + len(shapes[0]) + 1 if axis < 0 else axis) - 1
    if (
        not 0 <= axis < len(shapes[0])
        or len({(len(shape), *shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1
    ):
        raise BcsimError(
            f"its axis is {axis + 1} and its inputs have the shapes {', '.join(map(str, shapes))}; accepted "
            "are inputs that differ in their channels only"
        )
    parts = [channels_first(context, index, axis) for index in range(len(shapes))]
    node = Concat(context.name, context.op, tuple(part.name for part in parts), context.output)
    shape = (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])
    return Lowered(joined(context.output, shape, axis, parts), (node,))


def channels_first(context: NodeContext, index: int, axis: int) -> Activation:
    """Input `index` with `axis` of the file's tensor first in the graph's."""
    x = context.activation(index)
    return _settled(context, index) if axis == 0 else context.channel_first(x, axis)[0]


def _settled(context: NodeContext, index: int) -> Activation:
    """Input `index` in the graph's own order, as an image where it is not flat."""
    x = context.activation(index)
    if len(context.shape(x)) > 1:
        return context.image(index)
    if not x.layout.in_order:
        raise BcsimError(
            f"its input {x.name!r} was flattened in another order than (channels, rows, columns); accepted behind that "
            "are dense layers"
        )
    return x


def joined(name: str, shape: Shape, axis: int, parts: list[Activation]) -> Activation:
    """The concatenation `name`, of `shape` in the file, of parts whose layouts agree but for their channels' number."""
    others = {_without_channels(part) for part in parts}
    if len(others) > 1:
        raise BcsimError("its inputs have their axes in different orders; accepted is one order")
    (other,) = others
    stored = (shape[axis], *other.stored)
    if shape[axis] == 1:
        return viewed(name, shape, replace(other, stored=stored))
    place = len(squeezed(shape[:axis]))
    moved = tuple(axis + 1 for axis in other.axes)
    axes = (*moved[:place], 0, *moved[place:])
    return viewed(name, shape, Layout(stored, (shape[axis], *other.read), axes))


def _without_channels(x: Activation) -> Layout:
    """The layout of one channel of x, whose channels are the first axis in the graph."""
    view = x.layout
    if view.stored[0] == 1:
        return replace(view, stored=view.stored[1:])
    axes = tuple(other - 1 for other in view.axes if other != 0)
    return Layout(view.stored[1:], view.read[1:], axes)
