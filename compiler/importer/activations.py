"""Activation functions: Relu, Clip, Sign and what amounts to them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Clip, Node, PiecewiseLinear, Relu, Round, Sign
from bcsim.compiler.graph.rounding import Rounding
from bcsim.compiler.importer.linear_quant import clip_codes
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Codes, Constant

_ROUNDINGS: Mapping[str, Rounding] = {"Round": "ROUND", "Floor": "FLOOR", "Ceil": "CEIL"}
# ONNX's own defaults for "no bound" in the first versions of Clip.
_UNBOUNDED = float(np.finfo(np.float32).max)


def _lowered(context: NodeContext, node: Node) -> Lowered:
    return Lowered(context.activation().at(context.output), (node,))


@operator("Relu")
def relu(context: NodeContext) -> Lowered:
    return _lowered(context, Relu(context.name, context.op, (context.activation().name,), context.output))


@operator("ThresholdedRelu")
def thresholded_relu(context: NodeContext) -> Lowered:
    """x where x > alpha, else 0."""
    alpha = context.attribute("alpha", 1.0)
    return _pieces(context, (0.0, 1.0), (0.0, 0.0), (alpha,), (False,))


@operator("Shrink")
def shrink(context: NodeContext) -> Lowered:
    """x + bias below -lambd, x - bias above lambd, else 0."""
    bias, bound = context.attribute("bias", 0.0), context.attribute("lambd", 0.5)
    if bound < 0:
        raise BcsimError(f"its lambd is {bound:g}; accepted are values from 0 up")
    return _pieces(context, (1.0, 0.0, 1.0), (bias, 0.0, -bias), (-bound, bound), (True, False))


def _pieces(
    context: NodeContext,
    scales: tuple[float, ...],
    shifts: tuple[float, ...],
    bounds: tuple[float, ...],
    closed: tuple[bool, ...],
) -> Lowered:
    if not np.isfinite([*shifts, *bounds]).all():
        raise BcsimError(f"its attributes are {[*shifts, *bounds]}; accepted are finite numbers")
    x = context.activation()
    fields = (context.name, context.op, (x.name,), context.output)
    return _lowered(context, rising(PiecewiseLinear(*fields, scales, shifts, bounds, closed)))


def rising(node: PiecewiseLinear) -> PiecewiseLinear:
    """The node. Raises BcsimError where it falls anywhere."""
    lines = [
        (Fraction(scale), Fraction(shift)) for scale, shift in zip(node.scales, node.shifts, strict=True)
    ]
    if min(node.scales) < 0:
        raise BcsimError(f"it has a slope of {min(node.scales):g}; accepted are slopes from 0 up")
    for bound, (scale, shift), (next_scale, next_shift) in zip(node.bounds, lines, lines[1:], strict=False):
        ends = scale * Fraction(bound) + shift, next_scale * Fraction(bound) + next_shift
        if ends[0] > ends[1]:
            raise BcsimError(
                f"it falls at {bound:g}, from {float(ends[0]):g} to {float(ends[1]):g}, so that no single threshold "
                "parts its levels; accepted are functions that rise everywhere"
            )
    return node


@operator("Round", "Floor", "Ceil")
def rounded(context: NodeContext) -> Lowered:
    rounding = _ROUNDINGS[context.op]
    return _lowered(
        context, Round(context.name, context.op, (context.activation().name,), context.output, rounding)
    )


@operator("Sign")
def sign(context: NodeContext) -> Lowered:
    return _lowered(context, Sign(context.name, context.op, (context.activation().name,), context.output))


@operator("Clip")
def clip(context: NodeContext) -> Lowered:
    return _clipped(context, _bound(context, 1, "min", -np.inf), _bound(context, 2, "max", np.inf))


@operator("Max", "Min")
def extreme(context: NodeContext) -> Lowered:
    """Max(x, c) and Min(x, c) are one-sided clips."""
    if len(context.operands) != 2 or not any(isinstance(value, Constant) for value in context.operands):
        raise BcsimError("accepted are two inputs, one of them a constant")
    constant = int(isinstance(context.operand(1), Constant))
    bound = context.scalar(constant, "bound")
    bounds = (bound, np.inf) if context.op == "Max" else (-np.inf, bound)
    return _clipped(context, *bounds, index=1 - constant)


def _clipped(context: NodeContext, low: float, high: float, index: int = 0) -> Lowered:
    if np.isnan([low, high]).any() or low >= high:
        raise BcsimError(f"its bounds are {low:g} and {high:g}; the lower must be below the upper")
    if isinstance(codes := context.operand(index), Codes):
        return clip_codes(codes, low, high)
    x = context.activation(index)
    fields = (context.name, context.op, (x.name,), context.output)
    node = Relu(*fields) if (low, high) == (0, np.inf) else Clip(*fields, low, high)
    return Lowered(x.at(context.output), (node,))


def _bound(context: NodeContext, index: int, name: str, default: float) -> float:
    """The bound from the attribute (operator sets below 11) or the input; infinite where it bounds no float32."""
    if context.operand(index) is None:
        value = float(context.attribute(name, default))
    else:
        array = context.constant(index, name)
        if array.size != 1:
            raise BcsimError(f"its {name} has shape {array.shape}; accepted is one value")
        value = float(array.reshape(()))
    return default if abs(value) >= _UNBOUNDED and np.sign(value) == np.sign(default) else value
