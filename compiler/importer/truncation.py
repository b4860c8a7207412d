"""Whole numbers without their low bits: QONNX's Trunc and FINN's QuantAvgPool2d, as Brevitas exports them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import log2

import numpy as np
from onnx import NodeProto, helper

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Affine, FloatArray, Quant, Round
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
from bcsim.compiler.importer.quotients import GREATEST, LEAST, RANGE, quotient
from bcsim.compiler.importer.registry import NAMED_QONNX, QONNX, find, operator
from bcsim.compiler.importer.values import Activation

__all__: list[str] = []

ZERO = np.zeros(())


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
    layout = context.attribute("data_layout", "NCHW")
    if layout not in ("NCHW", "NHWC"):
        raise BcsimError(f"its data_layout is {layout!r}; accepted are NCHW and NHWC")
    if layout == "NHWC":
        return between_transposes(context, proto, proto.op_type, [image_channels_last(context)])
    return find(proto)(_standing_for(context, proto))


def _standing_for(context: NodeContext, proto: NodeProto) -> NodeContext:
    return NodeContext(proto, context.operands, 13, context.folder, context.batch, before=context.before)


@dataclass(frozen=True, slots=True)
class _Truncation:
    """What is left of whole numbers that lose their low bits.

    dropped : how many bits. bits, low, high : of the numbers that are left. scale, zero_point : of what they mean.
    """

    dropped: int
    bits: int
    low: int
    high: int
    scale: float
    zero_point: float


@operator("Trunc", domains=QONNX)
def trunc(context: NodeContext) -> Lowered:
    """Version 1 has five inputs, the last two widths in bits; version 2 has an output scale, and clips."""
    if not 5 <= len(context.operands) <= 7:
        raise BcsimError(f"it has {len(context.operands)} inputs; accepted are 5 to 7")
    x, scale, zero = context.activation(), positive_scale(context), context.scalar(2, "zero point")
    names = [x.name, *(f"{context.output}/{place}" for place in range(4)), context.output]
    fields = [(context.name, context.op, (a,), b) for a, b in pairwise(names)]
    whole = quotient(fields[0], _number(scale), f"its scale {context.operand_name(1)!r}", _number(zero))
    first = len(context.operands) == 5
    left = _first_version(context, scale, zero) if first else _second_version(context, scale, zero)
    nodes = (
        whole,
        Round(*fields[1], "ROUND"),
        Affine(*fields[2], _number(2.0**-left.dropped), ZERO),
        Quant(*fields[3], 1.0, 0.0, left.low, left.high, rounding_mode(context, "FLOOR")),
        Affine(*fields[4], _number(left.scale), _number(-left.zero_point * left.scale)),
    )
    said = (
        f"Node {context.name!r} (Trunc): its result is read as whole numbers of {left.bits} bits, as it says"
    )
    return Lowered(x.at(context.output), nodes, (said,) if first else ())


def _first_version(context: NodeContext, scale: float, zero: float) -> _Truncation:
    given, bits = _bits(context.scalar(3, "input's bit width"), "input's bit width"), _result_bits(context)
    # Signed or not is not said.
    return _Truncation(given - bits, bits, -(1 << bits - 1), (1 << bits) - 1, scale, zero)


def _second_version(context: NodeContext, scale: float, zero: float) -> _Truncation:
    out, bits = context.scalar(4, "output scale"), _result_bits(context)
    if not LEAST <= out <= GREATEST:
        raise BcsimError(f"its output scale must be {RANGE}, and is {out:g}")
    dropped = round(log2(out) - log2(scale))
    low, high = integer_range(bits, bool(switch(context, "signed", 1)), bool(switch(context, "narrow", 0)))
    return _Truncation(dropped, bits, low, high, out, zero / 2.0**dropped)


def _result_bits(context: NodeContext) -> int:
    bits = _bits(context.scalar(len(context.operands) - 1, "bit width"), "bit width")
    if bits > MAX_BITS:
        raise BcsimError(f"its bit width is {bits}; accepted are 1 to {MAX_BITS}")
    return bits


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
