"""Conv with few-valued weights, and the Pad before it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.integer_weights import integer_weights
from bcsim.compiler.graph.nodes import Affine, Conv, FloatArray
from bcsim.compiler.importer.dense import weight_notes
from bcsim.compiler.importer.layouts import from_image
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Activation, Array, Shape
from bcsim.compiler.importer.windows import Pads, Windows, read_dilations, read_windows

# Pixels under a kernel with the zeros of its dilation, as many as a machine's window can have.
MAX_DILATED = 32 * 32


@operator("Conv")
def conv(context: NodeContext) -> Lowered:
    kernels = _kernels(context)
    weights = integer_weights(
        kernels.reshape(len(kernels), math.prod(kernels.shape[1:])),
        context.operand_name(1),
        context.weight_bits,
    )
    x, groups = context.image(), context.attribute("group", 1)
    _check_kernels(context, kernels.shape, context.shape(x), groups)
    integers, notes = _dilated(context, weights.weights.reshape(kernels.shape))
    windows = read_windows(context, x, integers.shape[2:])
    integers = integers.reshape(*kernels.shape[:2], *windows.kernel)
    bias = _bias(context, len(kernels))
    product = f"{context.output}/product" if bias.any() else context.output
    fields = (context.name, context.op, (x.name,), product)
    outside = _outside(context, x, windows)
    node = Conv(
        *fields, integers, weights.scale, windows.stride, windows.pads, groups, outside, bool(weights.rounded)
    )
    after = (
        (Affine(context.name, context.op, (product,), context.output, np.ones(()), bias),)
        if bias.any()
        else ()
    )
    out = from_image(context.output, (len(kernels), *windows.counts), like=x)
    return Lowered(out, (node, *after), weight_notes(context, weights) + notes)


def _dilated(context: NodeContext, kernels: NDArray[np.int16]) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """The kernels with zeros between their weights, and what to note of that."""
    spread = read_dilations(context, kernels.ndim - 2)
    if all(step == 1 for step in spread):
        return kernels, ()
    sizes = [(size - 1) * step + 1 for size, step in zip(kernels.shape[2:], spread, strict=True)]
    if math.prod(sizes) > MAX_DILATED:
        raise BcsimError(
            f"its dilations are {list(spread)}, so that its kernel covers {'x'.join(map(str, sizes))} pixels; accepted "
            f"are up to {MAX_DILATED}"
        )
    wide = np.zeros((*kernels.shape[:2], *sizes), dtype=np.int16)
    taps: tuple[slice, ...] = tuple(slice(None, None, step) for step in spread)
    wide[(slice(None), slice(None), *taps)] = kernels
    before, behind = ("x".join(map(str, shape)) for shape in (kernels.shape[2:], sizes))
    note = f"Node {context.name!r} (Conv): its kernel of {before} with dilations {list(spread)} is one of {behind}"
    return wide, (f"{note} with zeros between the weights",)


def _outside(context: NodeContext, x: Activation, windows: Windows) -> float:
    """What lies around the image: zeros, or what a Pad has put there where the node pads nothing itself."""
    if any(x.pads) and x.outside and windows.pads != x.pads:
        raise BcsimError(
            f"it pads with zeros what node {x.padded_by!r} (Pad) has padded with {x.outside:g}; accepted is one of both"
        )
    return x.outside if any(x.pads) else 0.0


def _kernels(context: NodeContext) -> Array:
    kernels = context.constant(1, "weight tensor")
    if kernels.ndim not in (3, 4):
        raise BcsimError(
            f"its weight tensor {context.operand_name(1)!r} has the shape {kernels.shape}; accepted are (outputs, "
            "channels, rows, columns), and (outputs, channels, values) for sequences"
        )
    return kernels


def _check_kernels(context: NodeContext, kernels: Shape, shape: Shape, groups: int) -> None:
    name = context.operand_name(1)
    repeated = tuple(context.attribute("kernel_shape", list(kernels[2:])))
    if repeated != kernels[2:]:
        raise BcsimError(
            f"its kernel_shape is {list(repeated)} and its weights have the kernel {list(kernels[2:])}"
        )
    if len(kernels) != len(shape) + 1:
        raise BcsimError(
            f"its weight tensor {name!r} has the shape {kernels} beside an input of shape {shape} behind the batch "
            f"axis; accepted are {len(kernels) - 1} axes behind it"
        )
    if groups < 1 or kernels[0] % groups or kernels[1] * groups != shape[0]:
        raise BcsimError(
            f"its weight tensor {name!r} has the shape {kernels} for {groups} groups of {shape[0]} channels; expected "
            "(outputs, channels of a group, ...), the outputs a multiple of the groups"
        )


def _bias(context: NodeContext, outputs: int) -> FloatArray:
    if context.operand(2) is None:
        return np.zeros(outputs)
    bias = context.finite(2, "bias")
    if bias.shape != (outputs,):
        raise BcsimError(
            f"its bias {context.operand_name(2)!r} has shape {bias.shape}; expected one value for each of "
            f"{outputs} outputs"
        )
    return bias


@operator("Pad")
def pad(context: NodeContext) -> Lowered:
    """Pixels around an image, which the Conv or AveragePool behind takes among its own."""
    x = context.image()
    rank = len(context.shape(x)) + 1
    before, after = _read_pads(context, rank)
    if context.attribute("mode", "constant") != "constant":
        raise BcsimError("it pads with what the image holds; accepted is mode 'constant'")
    value = _value(context)
    if any(x.pads) and x.outside != value:
        raise BcsimError(
            f"it pads with {value:g} what node {x.padded_by!r} (Pad) has padded with {x.outside:g}"
        )
    if min(*before, *after) < 0 or any(before[:2] + after[:2]):
        raise BcsimError(
            f"its pads are {[*before, *after]}; accepted are pixels around the rows and columns of an image"
        )
    (top, left), (bottom, right) = ((0, *side[2:])[-2:] for side in (before, after))
    pads: Pads = (x.pads[0] + top, x.pads[1] + left, x.pads[2] + bottom, x.pads[3] + right)
    if not any(pads):
        return Lowered(x)
    return Lowered(replace(x, pads=pads, padded_by=context.name, outside=value))


def _read_pads(context: NodeContext, rank: int) -> tuple[Shape, Shape]:
    """What it puts before and behind each axis, the batch axis included."""
    if context.operand(1) is None:
        values = context.attribute("pads", context.attribute("paddings", []))
    else:
        values = context.integers(1, "pads")
    axes = list(range(rank)) if context.operand(3) is None else context.integers(3, "axes")
    if len(values) != 2 * len(axes) or any(not -rank <= axis < rank for axis in axes):
        raise BcsimError(f"its pads are {values}; expected two numbers for each of {len(axes)} axes")
    sides = np.zeros((2, rank), dtype=np.int64)
    sides[:, axes] = np.reshape(values, (2, len(axes)))
    before, after = (tuple(side) for side in sides.tolist())
    return before, after


def _value(context: NodeContext) -> float:
    return context.attribute("value", 0.0) if context.operand(2) is None else context.scalar(2, "value")
