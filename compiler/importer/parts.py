"""Parts of a tensor's channels: Split and Slice."""

from __future__ import annotations

from itertools import accumulate

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Channels
from bcsim.compiler.importer.joining import channels_first, joined
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Activation, Constant

NEAR_END = 1 << 31


@operator("Split")
def split(context: NodeContext) -> Lowered:
    x = context.activation()
    axis = _axis(context, x, context.attribute("axis", 0))
    sizes = _sizes(context, context.shape(x)[axis])
    starts = [0, *accumulate(sizes)]
    parts = [
        _part(context, x, axis, (start, 1, size), name)
        for start, size, name in zip(starts, sizes, context.proto.output, strict=False)
    ]
    nodes = tuple(node for _, part in parts for node in part)
    return Lowered(parts[0][0], nodes, more=tuple(value for value, _ in parts[1:]))


def _sizes(context: NodeContext, whole: int) -> list[int]:
    """Channels of each part: the attribute or input `split`, else equal parts, the last one the smallest."""
    parts = context.attribute("num_outputs", len(context.proto.output))
    sizes = context.attribute("split", [])
    if isinstance(context.operand(1), Constant):
        sizes = context.integers(1, "split")
    if not sizes:
        most = -(-whole // parts)
        sizes = [min(most, whole - most * index) for index in range(parts)]
    if min(sizes) < 1 or sum(sizes) != whole:
        raise BcsimError(
            f"its parts are {sizes} of {whole} channels; accepted are parts from 1 up that make them all"
        )
    return [int(size) for size in sizes]


@operator("Slice")
def cut(context: NodeContext) -> Lowered:
    x = context.activation()
    starts, ends, axes, steps = _bounds(context)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise BcsimError(
            f"its starts are {starts} and its ends {ends} along axes {axes}; expected as many of each"
        )
    if 0 in steps:
        raise BcsimError(f"its steps are {steps}; accepted are steps other than 0")
    chosen = [
        (_axis(context, x, axis), slice(start, end if abs(end) < NEAR_END else None, step))
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True)
        if (start, step) != (0, 1) or end < NEAR_END
    ]
    if not chosen:
        return Lowered(x)
    if len(chosen) > 1:
        raise BcsimError(f"it cuts along axes {axes}; accepted are the channels alone")
    ((axis, part),) = chosen
    whole = range(context.shape(x)[axis])[part]
    if whole.step < 1 or not len(whole):
        raise BcsimError(
            f"its step is {whole.step} and it leaves {len(whole)} channels; accepted are 1 and more of each"
        )
    value, nodes = _part(context, x, axis, (whole.start, whole.step, len(whole)), context.output)
    return Lowered(value, nodes)


def _bounds(context: NodeContext) -> tuple[list[int], list[int], list[int], list[int]]:
    """Starts, ends, axes and steps: attributes in operator sets below 10, inputs from then on."""
    if context.operand(1) is None:
        starts, ends = context.attribute("starts", []), context.attribute("ends", [])
        return starts, ends, context.attribute("axes", list(range(len(starts)))), [1] * len(starts)
    starts, ends = (context.integers(index, name) for index, name in ((1, "starts"), (2, "ends")))
    axes = list(range(len(starts))) if context.operand(3) is None else context.integers(3, "axes")
    steps = [1] * len(starts) if context.operand(4) is None else context.integers(4, "steps")
    return starts, ends, axes, steps


def _axis(context: NodeContext, x: Activation, axis: int) -> int:
    """The axis, counted behind the batch axis."""
    rank = len(context.shape(x)) + 1
    axis = axis + rank if axis < 0 else axis
    if not 1 <= axis < rank:
        raise BcsimError(
            f"it parts axis {axis} of an input of shape {x.shape} behind the batch axis; accepted is axis 1"
        )
    return axis - 1


def _part(
    context: NodeContext, x: Activation, axis: int, part: tuple[int, int, int], name: str
) -> tuple[Activation, tuple[Channels, ...]]:
    """Channels of x in the graph's tensor `name`; part : the first, the step and how many."""
    if not name:
        return x, ()
    arranged, shape = channels_first(context, 0, axis), context.shape(x)
    node = Channels(context.name, context.op, (arranged.name,), name, *part)
    return joined(name, (*shape[:axis], part[2], *shape[axis + 1 :]), axis, [arranged]), (node,)
