"""Arithmetic with constants, and batch normalisation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Affine, BatchNorm, FloatArray
from bcsim.compiler.importer.curves import gated
from bcsim.compiler.importer.joining import add_tensors
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.quotients import quotient
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Activation, Constant, Shape

ONE, ZERO = np.ones(()), np.zeros(())
# PyTorch writes a GELU as products with an Erf below operator set 20.
PRODUCTS = (
    "; of products x * Sigmoid(x), x * HardSigmoid(x), x * Tanh(Softplus(x)), and a GELU as one operator (export with "
    "opset 20)"
)


def _affine(context: NodeContext, x: Activation, scale: FloatArray, shift: FloatArray) -> Lowered:
    node = Affine(context.name, context.op, (x.name,), context.output, scale, shift)
    value = x.at(context.output)
    if scale.size == shift.size == 1:
        value = replace(value, line=(x.name, float(scale), float(shift)))
    return Lowered(value, (node,))


def _with_constant(context: NodeContext) -> tuple[Activation, FloatArray, bool]:
    """The input, the constant (() or (C,)) and whether the constant is the first operand."""
    first = isinstance(context.operand(0), Constant)
    if not first and not isinstance(context.operand(1), Constant):
        for index in range(2):
            context.activation(index)
        raise BcsimError(
            "both inputs depend on the network's input; accepted are Add of two such tensors, and a constant on either "
            f"side{PRODUCTS if context.op == 'Mul' else ''}"
        )
    if context.has_attribute("axis"):
        raise BcsimError(
            "its attribute 'axis' (operator sets before 7) is not supported; accepted is numpy broadcasting"
        )
    x, constant = context.channels(int(not first), "constant", context.activation(int(first)))
    return x, constant, first


@operator("Add", "Sum")
def add(context: NodeContext) -> Lowered:
    if len(context.operands) != 2:
        raise BcsimError(f"it has {len(context.operands)} inputs; accepted are two")
    if not any(isinstance(value, Constant) for value in context.operands):
        return add_tensors(context)
    x, constant, _ = _with_constant(context)
    return _affine(context, x, ONE, constant)


@operator("Sub")
def subtract(context: NodeContext) -> Lowered:
    x, constant, first = _with_constant(context)
    return _affine(context, x, -ONE, constant) if first else _affine(context, x, ONE, -constant)


@operator("Mul")
def multiply(context: NodeContext) -> Lowered:
    if all(isinstance(value, Activation) for value in context.operands) and (product := gated(context)):
        return product
    x, constant, _ = _with_constant(context)
    return _affine(context, x, constant, ZERO)


@operator("Neg")
def negate(context: NodeContext) -> Lowered:
    return _affine(context, context.activation(), -ONE, ZERO)


@operator("Div")
def divide(context: NodeContext) -> Lowered:
    x, constant, first = _with_constant(context)
    if first:
        raise BcsimError(
            "it divides by a tensor that depends on the network's input; accepted is division by a constant"
        )
    fields = (context.name, context.op, (x.name,), context.output)
    node = quotient(fields, constant, f"its divisor {context.operand_name(1)!r}")
    # The reciprocal of a power of two is a float.
    if (np.abs(np.frexp(constant)[0]) == 0.5).all():
        return _affine(context, x, 1 / constant, ZERO)
    return Lowered(x.at(context.output), (node,))


@operator("BatchNormalization")
def batch_norm(context: NodeContext) -> Lowered:
    x = context.activation()
    _check_inference(context)
    names = ("scale", "bias", "mean", "variance")
    arrays = {name: context.finite(i, name) for i, name in enumerate(names, 1)}
    if x.shape is not None:
        _check_channels(arrays, x.shape)
        x, order = context.channel_first(x, 0)
        if order is not None:
            arrays = {name: array[order] for name, array in arrays.items()}
    epsilon = context.attribute("epsilon", 1e-5)
    _check_variance(context, arrays["variance"], epsilon)
    node = BatchNorm(context.name, context.op, (x.name,), context.output, *_ordered(arrays), epsilon)
    return Lowered(x.at(context.output), (node,))


def _check_channels(arrays: dict[str, FloatArray], shape: Shape) -> None:
    if any(array.shape != shape[:1] for array in arrays.values()):
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise BcsimError(
            f"its parameters have the shapes {found} beside an input of shape {shape}; "
            "expected one value for each channel"
        )


def _ordered(arrays: dict[str, FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    return arrays["scale"], arrays["bias"], arrays["mean"], arrays["variance"]


def _check_inference(context: NodeContext) -> None:
    extra = [name for name in context.proto.output[1:] if name]
    old_training = context.opset < 7 and not context.attribute("is_test", 0)
    if context.attribute("training_mode", 0) or extra or old_training:
        raise BcsimError(
            "it is in training mode; export the network for inference, with running mean and variance"
        )


def _check_variance(context: NodeContext, variance: FloatArray, epsilon: float) -> None:
    if not np.isfinite(epsilon) or epsilon < 0:
        raise BcsimError(f"its epsilon is {epsilon:g}; expected 0 or above")
    if (variance < 0).any():
        raise BcsimError(
            f"its variance {context.operand_name(4)!r} is negative ({variance.min():g}); expected 0 or above"
        )
    if (variance + epsilon == 0).any():
        raise BcsimError(
            f"its variance {context.operand_name(4)!r} is 0 and so is its epsilon; their sum must be positive"
        )
