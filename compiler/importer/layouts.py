"""Bringing tensors into the order that the graph has: images as (C, H, W), channels first.

Reshapes and transposes of a file become no nodes where they stand. They are carried along as an Activation's view,
so that those that undo each other vanish, and made up for where an operator depends on the order: in the weights of
a dense layer, or by a Reshape or Transpose node behind the network's input.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Node, Reshape, Transpose
from bcsim.compiler.importer.values import Activation, Layout, Shape, squeezed

__all__ = [
    "along_channels",
    "channel_axis",
    "flattened",
    "from_image",
    "image",
    "reshaped",
    "transposed",
    "viewed",
    "with_channel_first",
]

Arranged: TypeAlias = tuple[Activation, tuple[Node, ...]]

_ACCEPTED = "accepted are transposes at the network's input, and those that a later one undoes"


def image_shape(shape: Shape) -> tuple[int, int, int]:
    """(C, H, W) of a tensor that is an image, a sequence (C, W) or flat (C,)."""
    if not 1 <= len(shape) <= 3:
        raise BcsimError(
            f"its input has the shape {shape} behind the batch axis; accepted are images (channels, rows, columns) and "
            "sequences (channels, values)"
        )
    channels, *rest = shape
    rows, columns = [1] * (2 - len(rest)) + rest
    return channels, rows, columns


def viewed(name: str, shape: Shape, view: Layout) -> Activation:
    """The file's tensor of `shape` that lies in the graph's tensor `name` as `view` says."""
    return _simplified(Activation(name, shape, view))


def reshaped(x: Activation, shape: Shape) -> Activation:
    """x read in another shape, its values in the same order."""
    return _simplified(replace(x, shape=shape, view=x.layout))


def flattened(x: Activation, name: str) -> Activation:
    """What a Flatten node makes of x, in the graph's tensor `name`."""
    assert x.shape is not None
    shape = (math.prod(x.shape),)
    return _simplified(replace(x, name=name, shape=shape, view=replace(x.layout, stored=shape)))


def transposed(x: Activation, axes: tuple[int, ...]) -> Activation | None:
    """x with its axes moved; None where it was reshaped in another order than the graph's tensor has."""
    assert x.shape is not None
    view, shape = x.layout, tuple(x.shape[axis] for axis in axes)
    order = [_place(x.shape, axis) for axis in axes if x.shape[axis] != 1]
    if order == sorted(order):
        return reshaped(x, shape)
    if view.moved != squeezed(x.shape):
        return None
    moved = Layout(view.stored, view.read, tuple(view.axes[place] for place in order))
    return _simplified(replace(x, shape=shape, view=moved))


def _place(shape: Shape, axis: int) -> int:
    """Which of the axes that are larger than 1 `axis` is."""
    return len(squeezed(shape[:axis]))


def _simplified(x: Activation) -> Activation:
    """x without its view where that changes nothing, and with a plain one where the values are in order."""
    view, shape = x.layout, x.shape or ()
    if not view.in_order:
        return x
    return replace(x, view=None if view.stored == shape else Layout.plain(shape, view.stored))


def image(x: Activation) -> Arranged:
    """x as an image in the graph, and the nodes that make it one. Raises BcsimError where none may."""
    assert x.shape is not None
    wanted = image_shape(x.shape)
    if x.layout.in_order:
        return _as_shape(x, wanted)
    if not x.raw:
        raise BcsimError(
            f"the axes of its input {x.name!r} are in another order than (channels, rows, columns); {_ACCEPTED}"
        )
    return _in_axes(x, wanted)


def _as_shape(x: Activation, wanted: Shape) -> Arranged:
    """x, in order, with another shape in the graph."""
    if x.layout.stored == wanted:
        return _placed(x, x.name, wanted), ()
    name = f"{x.name}/{'x'.join(map(str, wanted))}"
    return _placed(x, name, wanted), (Reshape(name, "Reshape", (x.name,), name, wanted),)


def _in_axes(x: Activation, wanted: Shape) -> Arranged:
    view = x.layout
    source, before = _as_shape(x, view.read)
    name = f"{source.name}/axes{''.join(map(str, view.axes))}"
    node = Transpose(name, "Transpose", (source.name,), name, view.axes)
    result, after = _as_shape(_placed(x, name, view.moved), wanted)
    return result, (*before, node, *after)


def _placed(x: Activation, name: str, stored: Shape) -> Activation:
    """x in the graph's tensor `name`, in order."""
    return _simplified(replace(x, name=name, view=Layout.plain(stored, stored)))


def channel_axis(shape: Shape, parameter: Shape) -> int | None:
    """The axis of a tensor along which a parameter that is broadcast to it varies; None for several, or a misfit."""
    aligned = (1,) * (1 + len(shape) - len(parameter)) + parameter
    along = [axis for axis, size in enumerate(aligned) if size != 1]
    fits = len(aligned) == len(shape) + 1 and len(along) == 1 and along[0] > 0
    return along[0] - 1 if fits and aligned[along[0]] == shape[along[0] - 1] else None


def along_channels(x: Activation, axis: int) -> bool:
    """Whether what differs along an axis of the file's tensor are the graph's channels, in order."""
    assert x.shape is not None
    channels, positions = x.layout.stored[0], math.prod(x.layout.stored[1:])
    places = x.layout.sources().reshape(x.shape)
    return x.shape[axis] == channels and bool((np.diff(places, axis=axis) == positions).all())


def with_channel_first(
    x: Activation, axis: int
) -> tuple[Activation, tuple[Node, ...], NDArray[np.intp] | None]:
    """x so that `axis` of the file's tensor is the first of the graph's, the nodes that make it so, and an index.

    The index takes a parameter from the file's order along that axis to the graph's; None where they are the same.
    """
    assert x.shape is not None
    if len(x.shape) == 1:
        return x, (), None if x.layout.in_order else np.argsort(x.layout.sources())
    if x.shape[axis] > 1 and _is_first(x, axis):
        return x, (), None
    return *(image(x) if axis == 0 else _moved_first(x, axis)), None


def _is_first(x: Activation, axis: int) -> bool:
    """Whether an axis larger than 1 of the file's tensor is the first of the graph's image."""
    assert x.shape is not None
    view = x.layout
    known = view.moved == squeezed(x.shape) and len(view.stored) == 3 and view.stored[0] == view.read[0]
    return known and view.axes[_place(x.shape, axis)] == 0


def _moved_first(x: Activation, axis: int) -> Arranged:
    assert x.shape is not None
    order = (axis, *(other for other in range(len(x.shape)) if other != axis))
    first = transposed(x, order) if x.raw else None
    if first is None:
        raise BcsimError(
            f"axis {axis + 1} of its input {x.name!r} of shape {x.shape} does not hold the channels; accepted "
            "is axis 1"
        )
    arranged, nodes = image(first)
    back = transposed(arranged, tuple(int(place) for place in np.argsort(order)))
    assert back is not None
    return back, nodes


def from_image(name: str, shape: tuple[int, int, int], like: Activation) -> Activation:
    """The graph's image `name` of shape (C, H, W), in the file a sequence (C, W) where `like` is one."""
    result = Activation(name, shape)
    assert like.shape is not None
    return reshaped(result, (shape[0], shape[2])) if len(like.shape) == 2 else result
