"""Convolutions and poolings of images whose channels come last, and dense layers at every position of a tensor."""

from __future__ import annotations

from dataclasses import replace

from onnx import NodeProto

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import FloatArray
from bcsim.compiler.importer.layouts import transposed
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import CHANNELS_LAST, find, operator
from bcsim.compiler.importer.values import Activation, Constant, Value

__all__ = ["between_transposes", "dense_at_positions", "image_channels_last"]

# Of the operators that are wrapped: later ones differ in nothing that these read.
OPSET = 13


@operator("Conv", "MaxPool", "BatchNormalization", domains=CHANNELS_LAST)
def channels_last(context: NodeContext) -> Lowered:
    """QONNX's wrapper: ONNX's operator, its kernels as they are, between two transposes."""
    return between_transposes(
        context, context.proto, context.op, [image_channels_last(context), *context.operands[1:]]
    )


def image_channels_last(context: NodeContext) -> Activation:
    """The node's input, an image or a sequence with channels last, with its channels first."""
    x = context.activation()
    if len(context.shape(x)) not in (2, 3):
        raise BcsimError(
            f"its input has the shape {x.shape} behind the batch axis; accepted are images (rows, columns, channels) "
            "and sequences (values, channels)"
        )
    return _channels_first(x)


def dense_at_positions(context: NodeContext, matrix: FloatArray) -> Lowered:
    """A MatMul of a tensor (..., I) by a matrix (I, O): a convolution of one pixel, its channels last."""
    x = context.activation()
    shape = context.shape(x)
    if len(shape) not in (2, 3) or shape[-1] != matrix.shape[0]:
        raise BcsimError(
            f"weight tensor {context.operand_name(1)!r} takes {matrix.shape[0]} inputs, but input "
            f"{context.operand_name(0)!r} has shape {shape} behind the batch axis"
        )
    kernels = matrix.T.reshape(*reversed(matrix.shape), *[1] * (len(shape) - 1))
    return between_transposes(context, context.proto, "Conv", [_channels_first(x), Constant.of(kernels)])


def between_transposes(
    context: NodeContext, node: NodeProto, op: str, operands: list[Value | None]
) -> Lowered:
    """ONNX's operator `op`, with the attributes of `node`, on operands with channels first; its result has them
    last."""
    proto = NodeProto()
    proto.CopyFrom(node)
    proto.domain, proto.op_type = "", op
    del proto.input[len(operands) :]
    lowered = find(proto)(replace(context, proto=proto, operands=tuple(operands), opset=OPSET))
    assert isinstance(lowered.value, Activation)
    return replace(lowered, value=_channels_back(lowered.value))


def _channels_first(x: Activation) -> Activation:
    assert x.shape is not None
    last = len(x.shape) - 1
    return _moved(x, (last, *range(last)))


def _channels_back(x: Activation) -> Activation:
    assert x.shape is not None
    return _moved(x, (*range(1, len(x.shape)), 0))


def _moved(x: Activation, axes: tuple[int, ...]) -> Activation:
    moved = transposed(x, axes)
    if moved is None:
        raise BcsimError(
            f"its input {x.name!r} was reshaped in another order than its axes have; accepted are channels last"
        )
    return moved
