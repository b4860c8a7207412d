"""FINN's form of a convolution: Im2Col makes rows of the windows of an image, and a MatMul weighs them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from onnx import helper

from bcsim.common.errors import BcsimError
from bcsim.compiler.importer.channels_last import between_transposes, image_channels_last
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import NAMED_QONNX, operator
from bcsim.compiler.importer.values import Array, Constant, Patches

__all__ = ["weighed_patches"]


@operator("MaxPoolNHWC", domains=NAMED_QONNX)
def max_pool(context: NodeContext) -> Lowered:
    x = image_channels_last(context)
    return between_transposes(context, context.proto, "MaxPool", [x])


@operator("Im2Col", domains=NAMED_QONNX)
def im2col(context: NodeContext) -> Lowered:
    """Nothing yet: the MatMul behind it becomes the convolution."""
    x = image_channels_last(context)
    if value := context.attribute("pad_value", 0):
        raise BcsimError(f"it pads with {value}; accepted is pad_value = 0")
    kernel = _two(context, "kernel_size", [])
    pads = context.attribute("pad_amount", [0, 0, 0, 0])
    if len(pads) != 4:
        raise BcsimError(f"its attribute 'pad_amount' has {len(pads)} values; accepted are four, one a side")
    attributes = {
        "kernel_shape": kernel,
        "strides": _two(context, "stride", []),
        "dilations": _two(context, "dilations", [1, 1]),
        "pads": pads,
    }
    return Lowered(Patches(x, attributes, bool(context.attribute("depthwise", 0)), context.name))


def _two(context: NodeContext, name: str, default: list[int]) -> list[int]:
    found = context.attribute(name, default)
    if len(found) != 2:
        raise BcsimError(
            f"its attribute {name!r} has {len(found)} values; accepted are two, for rows and columns"
        )
    return list(found)


def weighed_patches(context: NodeContext, patches: Patches, matrix: Array) -> Lowered:
    """A MatMul of rows (kernel row, kernel column, channel) by a matrix (rows' values, outputs), as a Conv."""
    rows, columns = patches.attributes["kernel_shape"]
    assert patches.source.shape is not None
    channels = patches.source.shape[0]
    if matrix.ndim != 2 or matrix.shape[0] != rows * columns * channels:
        raise BcsimError(
            f"weight tensor {context.operand_name(1)!r} has shape {matrix.shape} behind node {patches.by!r} (Im2Col), "
            f"whose windows have {rows} x {columns} x {channels} values"
        )
    kernels = matrix.T.reshape(-1, rows, columns, channels).transpose(0, 3, 1, 2)
    groups = _groups(kernels) if patches.depthwise else 1
    if groups > 1:
        each = len(kernels) // groups
        kernels = kernels[np.arange(len(kernels)), np.arange(len(kernels)) // each][:, None]
    proto = helper.make_node("Conv", context.proto.input, context.proto.output, context.proto.name)
    attributes = {**patches.attributes, "group": groups}
    proto.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    inner = replace(context, operands=(patches.source, Constant.of(kernels)))
    return between_transposes(inner, proto, "Conv", list(inner.operands))


def _groups(kernels: Array) -> int:
    """The channels, where every output of kernels (outputs, channels, rows, columns) reads one, in order; else 1."""
    outputs, channels = kernels.shape[:2]
    if outputs % channels:
        return 1
    own = np.arange(outputs)[:, None] // (outputs // channels) == np.arange(channels)
    return 1 if kernels[~own].any() else channels
