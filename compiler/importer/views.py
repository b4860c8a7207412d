"""Operators that leave every value as it is: they rename, flatten, reshape or move axes."""

from __future__ import annotations

import math

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Flatten
from bcsim.compiler.importer.layouts import flattened, reshaped, transposed
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.site import Lowered, Site
from bcsim.compiler.importer.values import PROBES, Activation, Array, Constant, Scores, Shape

_ACCEPTED = "accepted is what keeps the batch axis first and the values in order, such as flattening"


def _view(site: Site, x: Activation, shape: Shape) -> Lowered:
    """x in another shape: a Flatten where it gets flat, else a change of view only."""
    if len(shape) != 1 or len(x.layout.stored) == 1:
        return Lowered(reshaped(x, shape))
    node = Flatten(site.name, site.op, (x.name,), site.output)
    return Lowered(flattened(x, site.output), (node,))


@operator("Identity", "Dropout")
def identity(site: Site) -> Lowered:
    value = site.operand(0)
    if site.op == "Dropout" and site.operand(2) is not None and site.constant(2, "training_mode").any():
        raise BcsimError("it is in training mode; export the network for inference")
    return Lowered(value if isinstance(value, Scores) else site.activation())


@operator("Cast")
def cast(site: Site) -> Lowered:
    if isinstance(value := site.operand(0), Scores):
        return Lowered(value)
    x = site.activation()
    # FLOAT, FLOAT16, DOUBLE and BFLOAT16 of TensorProto.DataType
    if site.attribute("to", 0) not in (1, 10, 11, 16):
        raise BcsimError("it casts to a type that is not a float, which rounds; accepted are casts to floats")
    return Lowered(x)


@operator("Shape")
def shape_of(site: Site) -> Lowered:
    shape = site.shape(site.activation())
    axes = slice(site.attribute("start", 0), site.attribute("end", len(shape) + 1))
    return Lowered(Constant.of(*(np.array((batch, *shape)[axes], dtype=np.int64) for batch in PROBES)))


@operator("Flatten")
def flatten(site: Site) -> Lowered:
    x = site.activation()
    axis = site.attribute("axis", 1)
    if x.shape is None and axis == 1:
        node = Flatten(site.name, site.op, (x.name,), site.output)
        return Lowered(x.at(site.output), (node,))
    shape = site.shape(x)
    axis += len(shape) + 1 if axis < 0 else 0
    if not 1 <= axis <= len(shape) + 1 or math.prod(shape[: axis - 1]) != 1:
        raise BcsimError(
            f"its axis is {axis} for an input of shape {shape} behind the batch axis; {_ACCEPTED}"
        )
    return _view(site, x, (math.prod(shape[axis - 1 :]),))


@operator("Reshape")
def reshape(site: Site) -> Lowered:
    x = site.activation()
    if x.shape is None and isinstance(site.operand(1), Constant):
        return Lowered(Activation(x.name, None))
    shape = site.shape(x)
    value = site.operand(1)
    targets = value.arrays if isinstance(value, Constant) else (site.constant(1, "shape"),)
    shapes = {_resolved(site, batch, shape, targets[-1 if i else 0]) for i, batch in enumerate(PROBES)}
    if len(targets) == 1 and (len(shapes) > 1 or None in shapes):
        shapes = {_resolved(site, site.batch, shape, targets[0])}
    target = shapes.pop()
    if shapes or target is None:
        raise BcsimError(
            f"it reshapes {shape} behind the batch axis to {targets[0].ravel().tolist()}; {_ACCEPTED}"
        )
    return _view(site, x, target)


def _resolved(site: Site, batch: int, shape: Shape, target: Array) -> Shape | None:
    """The new shape without the batch axis; None where the batch axis does not stay first and whole."""
    full = (batch, *shape)
    wanted = [int(value) for value in target.ravel()]
    if not site.attribute("allowzero", 0):
        wanted = [full[i] if value == 0 and i < len(full) else value for i, value in enumerate(wanted)]
    if wanted.count(-1) == 1 and (rest := -math.prod(wanted)) > 0:
        wanted[wanted.index(-1)] = math.prod(full) // rest
    whole = wanted[:1] == [batch] and all(value > 0 for value in wanted)
    return tuple(wanted[1:]) if whole and math.prod(wanted) == math.prod(full) else None


def _axes(site: Site) -> list[int]:
    """The axes of Squeeze and Unsqueeze: an attribute in operator sets below 13, an input from then on."""
    if site.operand(1) is None:
        return [int(axis) for axis in site.attribute("axes", [])]
    return [int(axis) for axis in site.constant(1, "axes").ravel()]


def _positive(axes: list[int], rank: int) -> list[int]:
    return sorted(axis + rank if axis < 0 else axis for axis in axes)


@operator("Squeeze")
def squeeze(site: Site) -> Lowered:
    if isinstance(value := site.operand(0), Scores):
        return Lowered(value)
    x = site.activation()
    full = (0, *site.shape(x))
    axes = _positive(_axes(site), len(full)) or [i for i, size in enumerate(full) if size == 1]
    if any(not 0 < axis < len(full) or full[axis] != 1 for axis in axes):
        raise BcsimError(
            f"it removes axes {axes} of {full[1:]} behind the batch axis; accepted are axes of size 1"
        )
    return _view(site, x, tuple(size for i, size in enumerate(full) if i and i not in axes))


@operator("Unsqueeze")
def unsqueeze(site: Site) -> Lowered:
    x = site.activation()
    shape, axes = list(site.shape(x)), _axes(site)
    for axis in _positive(axes, 1 + len(shape) + len(axes)):
        if not 0 < axis <= len(shape) + 1:
            raise BcsimError(f"it adds axes {axes}; accepted are axes behind the batch axis")
        shape.insert(axis - 1, 1)
    return _view(site, x, tuple(shape))


@operator("Transpose")
def transpose(site: Site) -> Lowered:
    x = site.activation()
    full = (0, *site.shape(x))
    order = site.attribute("perm", list(reversed(range(len(full)))))
    known = sorted(order) == list(range(len(full))) and order[0] == 0
    moved = transposed(x, tuple(axis - 1 for axis in order[1:])) if known else None
    if moved is None:
        raise BcsimError(f"it moves axes of {full[1:]} to the order {order}; {_ACCEPTED}")
    if len(moved.shape or ()) == 1:
        return _view(site, x, moved.shape or ())
    return Lowered(moved)
