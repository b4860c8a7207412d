"""Operators that leave every value as it is: they rename, flatten, reshape or move axes."""

from __future__ import annotations

import math

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Flatten, Round
from bcsim.compiler.importer.layouts import flattened, reshaped, transposed
from bcsim.compiler.importer.node_context import Lowered, NodeContext, whole_numbers
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import PROBES, Activation, Array, Constant, Scores, Shape, Truth

# FLOAT, FLOAT16, DOUBLE and BFLOAT16 of TensorProto.DataType, and INT32 and INT64.
_FLOATS = (1, 10, 11, 16)
_INTEGERS = (6, 7)
_ACCEPTED = "accepted is what keeps the batch axis first and the values in order, such as flattening"


def _view(context: NodeContext, x: Activation, shape: Shape) -> Lowered:
    """x in another shape: a Flatten where it gets flat, else a change of view only."""
    if len(shape) != 1 or len(x.layout.stored) == 1:
        return Lowered(reshaped(x, shape))
    node = Flatten(context.name, context.op, (x.name,), context.output)
    return Lowered(flattened(x, context.output), (node,))


@operator("Identity", "Dropout")
def identity(context: NodeContext) -> Lowered:
    value = context.operand(0)
    if (
        context.op == "Dropout"
        and context.operand(2) is not None
        and context.constant(2, "training_mode").any()
    ):
        raise BcsimError("it is in training mode; export the network for inference")
    return Lowered(value if isinstance(value, Scores) else context.activation())


@operator("Cast")
def cast(context: NodeContext) -> Lowered:
    if isinstance(value := context.operand(0), Scores):
        return Lowered(value)
    target = context.attribute("to", 0)
    x = value.source if isinstance(value, Truth) else context.activation()
    if target in _FLOATS or (isinstance(value, Truth) and target in _INTEGERS):
        return Lowered(x)
    if target in _INTEGERS:
        node = Round(context.name, context.op, (x.name,), context.output, "ROUND_TO_ZERO")
        return Lowered(x.at(context.output), (node,))
    raise BcsimError(
        "it casts to a type that cuts off what does not fit; accepted are floats, int32 and int64"
    )


@operator("Shape")
def shape_of(context: NodeContext) -> Lowered:
    shape = context.shape(context.activation())
    axes = slice(context.attribute("start", 0), context.attribute("end", len(shape) + 1))
    return Lowered(Constant.of(*(np.array((batch, *shape)[axes], dtype=np.int64) for batch in PROBES)))


@operator("Flatten")
def flatten(context: NodeContext) -> Lowered:
    x = context.activation()
    axis = context.attribute("axis", 1)
    if x.shape is None and axis == 1:
        node = Flatten(context.name, context.op, (x.name,), context.output)
        return Lowered(x.at(context.output), (node,))
    shape = context.shape(x)
    axis += len(shape) + 1 if axis < 0 else 0
    if not 1 <= axis <= len(shape) + 1 or math.prod(shape[: axis - 1]) != 1:
        raise BcsimError(
            f"its axis is {axis} for an input of shape {shape} behind the batch axis; {_ACCEPTED}"
        )
    return _view(context, x, (math.prod(shape[axis - 1 :]),))


@operator("Reshape")
def reshape(context: NodeContext) -> Lowered:
    x = context.activation()
    if x.shape is None and isinstance(context.operand(1), Constant):
        return Lowered(Activation(x.name, None))
    shape = context.shape(x)
    value = context.operand(1)
    targets = value.arrays if isinstance(value, Constant) else (context.constant(1, "shape"),)
    shapes = {_resolved(context, batch, shape, targets[-1 if i else 0]) for i, batch in enumerate(PROBES)}
    if len(targets) == 1 and (len(shapes) > 1 or None in shapes):
        shapes = {_resolved(context, context.batch, shape, targets[0])}
    target = shapes.pop()
    if shapes or target is None:
        raise BcsimError(
            f"it reshapes {shape} behind the batch axis to {targets[0].ravel().tolist()}; {_ACCEPTED}"
        )
    return _view(context, x, target)


def _resolved(context: NodeContext, batch: int, shape: Shape, target: Array) -> Shape | None:
    """The new shape without the batch axis; None where the batch axis does not stay first and whole."""
    full = (batch, *shape)
    wanted = whole_numbers(target, "its shape")
    if not context.attribute("allowzero", 0):
        wanted = [full[i] if value == 0 and i < len(full) else value for i, value in enumerate(wanted)]
    if wanted.count(-1) == 1 and (rest := -math.prod(wanted)) > 0:
        wanted[wanted.index(-1)] = math.prod(full) // rest
    whole = wanted[:1] == [batch] and all(value > 0 for value in wanted)
    return tuple(wanted[1:]) if whole and math.prod(wanted) == math.prod(full) else None


def _axes(context: NodeContext) -> list[int]:
    """The axes of Squeeze and Unsqueeze: an attribute in operator sets below 13, an input from then on."""
    if context.operand(1) is None:
        return [int(axis) for axis in context.attribute("axes", [])]
    return context.integers(1, "axes")


def _positive(axes: list[int], rank: int) -> list[int]:
    return sorted(axis + rank if axis < 0 else axis for axis in axes)


@operator("Squeeze")
def squeeze(context: NodeContext) -> Lowered:
    if isinstance(value := context.operand(0), Scores):
        return Lowered(value)
    x = context.activation()
    full = (0, *context.shape(x))
    axes = _positive(_axes(context), len(full)) or [i for i, size in enumerate(full) if size == 1]
    if any(not 0 < axis < len(full) or full[axis] != 1 for axis in axes):
        raise BcsimError(
            f"it removes axes {axes} of {full[1:]} behind the batch axis; accepted are axes of size 1"
        )
    return _view(context, x, tuple(size for i, size in enumerate(full) if i and i not in axes))


@operator("Unsqueeze")
def unsqueeze(context: NodeContext) -> Lowered:
    x = context.activation()
    shape, axes = list(context.shape(x)), _axes(context)
    for axis in _positive(axes, 1 + len(shape) + len(axes)):
        if not 0 < axis <= len(shape) + 1:
            raise BcsimError(f"it adds axes {axes}; accepted are axes behind the batch axis")
        shape.insert(axis - 1, 1)
    return _view(context, x, tuple(shape))


@operator("Transpose")
def transpose(context: NodeContext) -> Lowered:
    x = context.activation()
    full = (0, *context.shape(x))
    order = context.attribute("perm", list(reversed(range(len(full)))))
    known = sorted(order) == list(range(len(full))) and order[0] == 0
    moved = transposed(x, tuple(axis - 1 for axis in order[1:])) if known else None
    if moved is None:
        raise BcsimError(f"it moves axes of {full[1:]} to the order {order}; {_ACCEPTED}")
    if len(moved.shape or ()) == 1:
        return _view(context, x, moved.shape or ())
    return Lowered(moved)
