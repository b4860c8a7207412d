"""Pooling: the maximum or the mean of windows, or of a whole image."""

from __future__ import annotations

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import AveragePool, Flatten, MaxPool
from bcsim.compiler.importer.layouts import from_image, reshaped
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Activation, Shape
from bcsim.compiler.importer.windows import Windows, read_windows


@operator("MaxPool")
def max_pool(context: NodeContext) -> Lowered:
    context.activation()
    x = context.image()
    windows = read_windows(context, x)
    if context.attribute("ceil_mode", 0):
        windows = windows.ceiled()
    windows = windows.unpadded()
    if any(pad >= size for pad, size in zip(windows.pads, windows.kernel * 2, strict=True)):
        raise BcsimError(
            f"its pads are {list(windows.pads)}, so that windows of {windows.kernel[0]}x{windows.kernel[1]} miss the "
            "image; accepted are pads less than the kernel"
        )
    node = MaxPool(
        context.name, context.op, (x.name,), context.output, windows.kernel, windows.stride, windows.pads
    )
    return Lowered(_pooled(context, x, windows), (node,))


@operator("AveragePool")
def average_pool(context: NodeContext) -> Lowered:
    x = context.image()
    windows = read_windows(context, x)
    if context.attribute("ceil_mode", 0) and not windows.whole:
        raise BcsimError(
            "its ceil_mode adds windows that reach beyond the image; accepted is ceil_mode = 0, or where it adds none"
        )
    windows = windows.unpadded()
    if any(x.pads) and x.outside:
        raise BcsimError(
            f"node {x.padded_by!r} (Pad) before it pads with {x.outside:g}; accepted before a mean are zeros"
        )
    if any(windows.pads) and windows.pads != x.pads and not context.attribute("count_include_pad", 0):
        raise BcsimError(
            "it has pads that it does not count, so that its divisor varies; accepted are count_include_pad = 1 and "
            "no pads"
        )
    fields = (context.name, context.op, (x.name,), context.output)
    return Lowered(
        _pooled(context, x, windows), (AveragePool(*fields, windows.kernel, windows.stride, windows.pads),)
    )


def _pooled(context: NodeContext, x: Activation, windows: Windows) -> Activation:
    return from_image(context.output, (context.shape(x)[0], *windows.counts), like=x)


@operator("GlobalAveragePool")
def global_average_pool(context: NodeContext) -> Lowered:
    context.activation()
    return _global(context, context.image(), AveragePool)


@operator("GlobalMaxPool")
def global_max_pool(context: NodeContext) -> Lowered:
    context.activation()
    return _global(context, context.image(), MaxPool)


def _global(context: NodeContext, x: Activation, kind: type[AveragePool] | type[MaxPool]) -> Lowered:
    rows, columns = x.layout.stored[1:]
    node = kind(context.name, context.op, (x.name,), context.output, (rows, columns), (rows, columns))
    return Lowered(from_image(context.output, (context.shape(x)[0], 1, 1), like=x), (node,))


@operator("ReduceMean")
def reduce_mean(context: NodeContext) -> Lowered:
    """The mean over all axes but the channels', with or without these axes of size 1 in the result."""
    x = context.activation()
    shape, axes = context.shape(x), _reduced_axes(context)
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    if len(kept) != 1 or len(shape) not in (2, 3) or len(axes) != len(shape) - 1:
        raise BcsimError(
            f"it reduces axes {[axis + 1 for axis in axes]} of an input of shape {shape} behind the batch axis; "
            "accepted are the rows and columns of an image, both"
        )
    x = context.image() if kept[0] == 0 else context.channel_first(x, kept[0])[0]
    return _reduced(context, x, tuple(size if axis in kept else 1 for axis, size in enumerate(shape)))


def _reduced_axes(context: NodeContext) -> list[int]:
    """The axes it reduces, counted behind the batch axis."""
    given = context.attribute("axes", []) if context.operand(1) is None else context.integers(1, "axes")
    rank = len(context.shape(context.activation())) + 1
    return sorted({(axis + rank if axis < 0 else axis) - 1 for axis in given})


def _reduced(context: NodeContext, x: Activation, shape: Shape) -> Lowered:
    channels, rows, columns = x.layout.stored
    keep = bool(context.attribute("keepdims", 1))
    mean = context.output if keep else f"{context.output}/mean"
    pool = AveragePool(context.name, context.op, (x.name,), mean, (rows, columns), (rows, columns))
    if keep:
        return Lowered(reshaped(Activation(mean, (channels, 1, 1)), shape), (pool,))
    flat = Flatten(context.name, context.op, (mean,), context.output)
    return Lowered(Activation(context.output, (channels,)), (pool, flat))
