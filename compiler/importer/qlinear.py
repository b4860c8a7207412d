"""Operators on integers with scales of their own, as onnxruntime writes them: the float operator between quantisers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import NodeProto

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import FloatArray
from bcsim.compiler.importer.linear_quant import dequantised, read_grid, settled
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.quotients import quotient
from bcsim.compiler.importer.registry import MICROSOFT, ONNX, find, operator
from bcsim.compiler.importer.values import Activation, Codes, Constant, Value

_UNARY = ("AveragePool", "GlobalAveragePool", "LeakyRelu", "Sigmoid", "Softmax")


@operator("QLinearConv", domains=(*ONNX, *MICROSOFT))
def qlinear_conv(context: NodeContext) -> Lowered:
    x, step = _input(context, 0)
    weights, scale = _weights(context, 3, axis=0)
    operands: list[Value] = [x, Constant.of(weights)]
    if context.operand(8) is not None:
        operands.append(Constant.of(context.finite(8, "bias") * (scale.reshape(-1) * step)))
    return _between(context, "Conv", operands, (0, 3, 8), (6, 7))


@operator("QLinearMatMul")
def qlinear_matmul(context: NodeContext) -> Lowered:
    x, _ = _input(context, 0)
    weights, _ = _weights(context, 3, axis=-1)
    return _between(context, "MatMul", [x, Constant.of(weights)], (0, 3), (6, 7))


@operator("QGemm", domains=MICROSOFT)
def qgemm(context: NodeContext) -> Lowered:
    x, step = _input(context, 0)
    weights, scale = _weights(context, 3, axis=0 if context.attribute("transB", 0) else -1)
    operands: list[Value] = [x, Constant.of(weights)]
    if context.operand(6) is not None:
        # The integers of the bias count alpha * scale * scale, and Gemm's alpha leaves its bias as it is.
        alpha = context.attribute("alpha", 1.0)
        operands.append(Constant.of(context.finite(6, "bias") * (scale.reshape(-1) * step * alpha)))
    return _between(context, "Gemm", operands, (0, 3, 6), (7, 8))


@operator("QLinearAdd", domains=MICROSOFT)
def qlinear_add(context: NodeContext) -> Lowered:
    return _between(context, "Add", [_either(context, 0), _either(context, 3)], (0, 3), (6, 7))


@operator("QLinearConcat", domains=MICROSOFT)
def qlinear_concat(context: NodeContext) -> Lowered:
    places = range(2, len(context.operands), 3)
    return _between(context, "Concat", [_input(context, place)[0] for place in places], tuple(places), (0, 1))


@operator(*(f"QLinear{name}" for name in _UNARY), domains=MICROSOFT)
def qlinear_unary(context: NodeContext) -> Lowered:
    if context.attribute("channels_last", 0):
        raise BcsimError("its channels are last; accepted is channels_last = 0")
    return _between(context, context.op.removeprefix("QLinear"), [_input(context, 0)[0]], (0,), (3, 4))


@operator("ConvInteger")
def conv_integer(context: NodeContext) -> Lowered:
    return _of_integers(context, "Conv", axis=0)


@operator("MatMulInteger")
def matmul_integer(context: NodeContext) -> Lowered:
    return _of_integers(context, "MatMul", axis=-1)


def _of_integers(context: NodeContext, op: str, axis: int) -> Lowered:
    """The float operator on integers less their zero points; its sums are the whole numbers of the file."""
    weights, _ = _less_zero(context, 1, 3, axis)
    proto = NodeProto(name=context.name, op_type=op)
    proto.input.extend(context.operand_name(index) for index in range(2))
    proto.output.append(context.output)
    proto.attribute.extend(context.proto.attribute)
    return find(proto)(replace(context, proto=proto, operands=(_whole(context), Constant.of(weights))))


def _whole(context: NodeContext) -> Activation:
    """The integers of input 0 less the zero point that the node gives for them, input 2."""
    codes, name = context.operand(0), context.operand_name(0)
    if not isinstance(codes, Codes):
        raise BcsimError("its input must be the output of a QuantizeLinear")
    zero = 0.0 if context.operand(2) is None else context.scalar(2, "zero point of the input")
    x, whole = settled(context, codes, f"{name}/values"), f"{name}/whole"
    off = np.asarray(codes.zero_point - zero)
    fields = (context.name, context.op, (x.name,), f"{whole}{'' if not off else f'{off:+g}'}")
    context.before.append(quotient(fields, np.asarray(codes.scale), f"the scale of {name!r}", off))
    return x.at(fields[-1])


def _input(context: NodeContext, index: int) -> tuple[Activation, float]:
    """What the integers of input `index` mean, and their scale; scale and zero point are the next two inputs."""
    grid = read_grid(context, index + 1, index + 2)
    return dequantised(context, index, grid), grid.scale


def _either(context: NodeContext, index: int) -> Value:
    if isinstance(context.operand(index), Constant):
        return Constant.of(_weights(context, index, axis=0)[0])
    return _input(context, index)[0]


def _weights(context: NodeContext, index: int, axis: int) -> tuple[FloatArray, FloatArray]:
    """What the constant of input `index` means, and its scales, one for all or one for each entry of `axis`."""
    integers, along = _less_zero(context, index, index + 2, axis)
    scale, count = context.finite(index + 1, "weight scale"), integers.shape[axis] if integers.ndim else 1
    if not (scale > 0).all() or scale.size not in (1, count):
        raise BcsimError(
            f"its weight scales {context.operand_name(index + 1)!r} must be positive, one for all or one for each of "
            f"{count} outputs"
        )
    scale = scale.reshape(along if scale.size > 1 else ())
    return integers * scale, scale


def _less_zero(
    context: NodeContext, index: int, zero_point: int, axis: int
) -> tuple[FloatArray, tuple[int, ...]]:
    """The constant integers of input `index` less their zero points, and the shape of what differs along `axis`."""
    integers = context.finite(index, "weight tensor")
    along = [1] * integers.ndim
    if along:
        along[axis] = -1
    if context.operand(zero_point) is None:
        return integers, tuple(along)
    zero, count = context.finite(zero_point, "weight zero point"), integers.shape[axis] if along else 1
    if zero.size not in (1, count):
        raise BcsimError(
            f"its weight zero points {context.operand_name(zero_point)!r} must be one for all or one for each of "
            f"{count} outputs"
        )
    return integers - zero.reshape(along if zero.size > 1 else ()), tuple(along)


def _between(
    context: NodeContext, op: str, operands: Sequence[Value], places: Sequence[int], grid: tuple[int, int]
) -> Lowered:
    """The float operator `op` on `operands`, whose names are those of the inputs `places`, and its result rounded.

    grid : the inputs that hold the result's scale and zero point; it stays float where the scale is left out.
    """
    rounded = context.operand(grid[0]) is not None
    proto = NodeProto(name=context.name, op_type=op)
    proto.input.extend(context.operand_name(place) for place in places[: len(operands)])
    proto.output.append(f"{context.output}/real" if rounded else context.output)
    proto.attribute.extend(entry for entry in context.proto.attribute if entry.name != "channels_last")
    lowered = find(proto)(replace(context, proto=proto, operands=tuple(operands)))
    if not rounded or not isinstance(lowered.value, Activation):
        return lowered
    return replace(lowered, value=read_grid(context, *grid).codes(lowered.value))
