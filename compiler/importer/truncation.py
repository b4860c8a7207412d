"""Whole numbers without their low bits: QONNX's Trunc and FINN's QuantAvgPool2d, as Brevitas exports them."""

from __future__ import annotations

from itertools import pairwise
from math import log2

import numpy as np
from onnx import NodeProto, helper

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Affine, BatchNorm, FloatArray, Node, Quant, Round
from bcsim.compiler.importer.channels_last import between_transposes, image_channels_last
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.qonnx import (
    MAX_BITS,
    MAX_FOLDED_BITS,
    integer_range,
    positive_scale,
    rounding_mode,
    switch,
)
from bcsim.compiler.importer.registry import NAMED_QONNX, QONNX, find, operator
from bcsim.compiler.importer.values import Activation

__all__: list[str] = []

ONE, ZERO = np.ones(()), np.zeros(())


@operator("QuantAvgPool2d", domains=NAMED_QONNX)
def quant_average(context: NodeContext) -> Lowered:
    """The sum of a window of whole numbers, without the bits that the greatest sum has more than the result."""
    kernel, stride = (_least(context.attribute(name, 1), name, 1) for name in ("kernel", "stride"))
    bits, given = (_bits(context.attribute(name, 1), name) for name in ("obits", "ibits"))
    shift = max(0, (((1 << given) - 1) * kernel * kernel).bit_length() - bits)
    pooled = _mean(context, kernel, stride)
    assert isinstance(pooled.value, Activation)
    ends = integer_range(given, bool(switch(context, "signed", 0)), narrow=False)
    low, high = (end * kernel * kernel >> shift for end in ends)
    if high - low >= 1 << MAX_BITS:
        raise BcsimError(f"it leaves {high - low + 1} values; accepted are up to {1 << MAX_BITS}")
    sums, name = f"{context.output}/sums", pooled.value.name
    # The mean times the window's size is the sum.
    scale = np.asarray(kernel * kernel / 2.0**shift)
    nodes = (
        Affine(context.name, context.op, (name,), sums, scale, ZERO),
        Quant(context.name, context.op, (sums,), context.output, 1.0, 0.0, low, high, "FLOOR"),
    )
    return Lowered(pooled.value.at(context.output), (*pooled.nodes, *nodes))


def _mean(context: NodeContext, kernel: int, stride: int) -> Lowered:
    proto = NodeProto(name=context.name, op_type="AveragePool")
    proto.input.append(context.operand_name(0))
    proto.output.append(f"{context.output}/mean")
    sizes = {"kernel_shape": [kernel, kernel], "strides": [stride, stride]}
    proto.attribute.extend(helper.make_attribute(name, value) for name, value in sizes.items())
    if context.attribute("data_layout", "NCHW") == "NHWC":
        return between_transposes(context, proto, proto.op_type, [image_channels_last(context)])
    return find(proto)(_standing_for(context, proto))


def _standing_for(context: NodeContext, proto: NodeProto) -> NodeContext:
    return NodeContext(proto, context.operands, 13, context.folder, context.batch, before=context.before)


@operator("Trunc", domains=QONNX)
def trunc(context: NodeContext) -> Lowered:
    """Version 1 has five inputs, the last two widths in bits; version 2 has an output scale, and clips."""
    x, scale, zero = context.activation(), positive_scale(context), context.scalar(2, "zero point")
    given = _bits(context.scalar(3, "input's bit width"), "input's bit width")
    bits = _bits(context.scalar(len(context.operands) - 1, "bit width"), "bit width")
    if len(context.operands) > 5:
        out = context.scalar(4, "output scale")
        if out <= 0:
            raise BcsimError(f"its output scale must be positive, and is {out:g}")
        dropped = round(log2(out / scale))
        low, high = integer_range(
            bits, bool(switch(context, "signed", 1)), bool(switch(context, "narrow", 0))
        )
        notes: tuple[str, ...] = ()
    else:
        out, dropped = scale, given - bits
        # Signed or not is not said.
        low, high = -(1 << bits - 1), (1 << bits) - 1
        notes = (
            f"Node {context.name!r} (Trunc): its result is read as whole numbers of {bits} bits, as it says",
        )
    if bits > MAX_BITS:
        raise BcsimError(f"its bit width is {bits}; accepted are 1 to {MAX_BITS}")
    behind = zero / 2.0**dropped if len(context.operands) > 5 else zero
    names = [x.name, *(f"{context.output}/{place}" for place in range(4)), context.output]
    fields = [(context.name, context.op, (a,), b) for a, b in pairwise(names)]
    nodes: tuple[Node, ...] = (
        # Exactly x / scale + zero.
        BatchNorm(*fields[0], ONE, np.asarray(zero), ZERO, np.asarray(scale**2), 0.0),
        Round(*fields[1], "ROUND"),
        Affine(*fields[2], _number(2.0**-dropped), ZERO),
        Quant(*fields[3], 1.0, 0.0, low, high, rounding_mode(context, "FLOOR")),
        Affine(*fields[4], _number(out), _number(-behind * out)),
    )
    return Lowered(x.at(context.output), nodes, notes)


def _number(value: float) -> FloatArray:
    return np.asarray(value, dtype=np.float64)


def _bits(value: float, what: str) -> int:
    if value != int(value) or not 1 <= value <= MAX_FOLDED_BITS:
        raise BcsimError(f"its {what} is {value:g}; accepted are whole numbers from 1 to {MAX_FOLDED_BITS}")
    return int(value)


def _least(value: int, what: str, least: int) -> int:
    if value < least:
        raise BcsimError(f"its {what} is {value}; accepted are whole numbers from {least} up")
    return value
