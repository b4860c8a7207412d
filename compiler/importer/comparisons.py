"""Comparisons with constants, and what chooses by them: activations of two values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Affine, FloatArray, MultiThreshold, Node, PiecewiseLinear
from bcsim.compiler.importer.activations import rising
from bcsim.compiler.importer.curves import bent
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Activation, Compared, Constant, Truth

ONE, ZERO = np.ones(()), np.zeros(())
# x > c is -c > -x, so that the constant may stand first.
_MIRRORED = {
    "Greater": "Less",
    "GreaterOrEqual": "LessOrEqual",
    "Less": "Greater",
    "LessOrEqual": "GreaterOrEqual",
}


@operator(*_MIRRORED)
def compare(context: NodeContext) -> Lowered:
    first = isinstance(context.operand(0), Constant)
    if not first and not isinstance(context.operand(1), Constant):
        raise BcsimError(
            "it compares two tensors that depend on the network's input; accepted is a constant on either side"
        )
    x, bound = context.channels(int(not first), "constant", context.activation(int(first)))
    op = _MIRRORED[context.op] if first else context.op
    above = op in ("Greater", "GreaterOrEqual")
    closed = op in ("GreaterOrEqual", "Less")
    compared = Compared(x, float(bound), closed, above) if bound.size == 1 else None
    return Lowered(Truth(x.at(context.output), compared), _threshold(context, x, bound, op))


def _threshold(context: NodeContext, x: Activation, bound: FloatArray, op: str) -> tuple[Node, ...]:
    """1 where x compares with the bound, else 0: x >= bound, or of the negatives, or what is left of these."""
    fields = (context.name, context.op, (x.name,), context.output)
    rows = bound.reshape(-1, 1)
    if op in ("GreaterOrEqual", "Less"):
        return (MultiThreshold(*fields, rows, *((1.0, 0.0) if op == "GreaterOrEqual" else (-1.0, 1.0))),)
    between = f"{context.output}/negative"
    negative = Affine(context.name, context.op, (x.name,), between, -ONE, ZERO)
    ends = (1.0, 0.0) if op == "LessOrEqual" else (-1.0, 1.0)
    return negative, MultiThreshold(context.name, context.op, (between,), context.output, -rows, *ends)


@operator("Not")
def negation(context: NodeContext) -> Lowered:
    truth = _truth(context)
    fields = (context.name, context.op, (truth.source.name,), context.output)
    opposite = truth.compared and replace(truth.compared, above=not truth.compared.above)
    return Lowered(Truth(truth.source.at(context.output), opposite), (Affine(*fields, -ONE, ONE),))


@operator("Where")
def where(context: NodeContext) -> Lowered:
    truth = _truth(context)
    if not all(isinstance(context.operand(index), Constant) for index in (1, 2)):
        return _of_two_lines(context, truth)
    x = truth.source
    x, chosen = context.channels(1, "value", x)
    x, other = context.channels(2, "value", x)
    fields = (context.name, context.op, (x.name,), context.output)
    return Lowered(x.at(context.output), (Affine(*fields, chosen - other, other),))


def _of_two_lines(context: NodeContext, truth: Truth) -> Lowered:
    """Two lines of the tensor that is compared: x > 0 ? x : 0.1 * x."""
    compared = truth.compared
    lines = [_line(context, index, compared.x) for index in (1, 2)] if compared else [None, None]
    chosen, other = lines
    if compared is None or chosen is None or other is None:
        raise BcsimError(
            "it chooses between tensors that depend on the network's input; accepted are constants, and a tensor and "
            "its products and sums with one constant, where the condition compares that tensor with one constant"
        )
    upper, lower = (chosen, other) if compared.above else (other, chosen)
    fields = (context.name, context.op, (compared.x.name,), context.output)
    if (upper, lower[1], compared.bound) == ((1.0, 0.0), 0.0, 0.0) and lower[0] >= 0:
        return bent(context, compared.x, np.asarray(lower[0]))
    scales, shifts = zip(lower, upper, strict=True)
    node = PiecewiseLinear(*fields, scales, shifts, (compared.bound,), (compared.closed,))
    return Lowered(compared.x.at(context.output), (rising(node),))


def _line(context: NodeContext, index: int, x: Activation) -> tuple[float, float] | None:
    """The scale and shift with which an input is a line of x; None where it is none."""
    value = context.operand(index)
    if isinstance(value, Constant):
        array = context.finite(index, "value")
        return (0.0, float(array.reshape(()))) if array.size == 1 else None
    if not isinstance(value, Activation) or value.layout != x.layout:
        return None
    if value.name == x.name:
        return 1.0, 0.0
    return value.line[1:] if value.line and value.line[0] == x.name else None


def _truth(context: NodeContext) -> Truth:
    value = context.operand(0)
    if not isinstance(value, Truth):
        raise BcsimError(
            f"its condition {context.operand_name(0)!r} compares nothing; accepted are {', '.join(_MIRRORED)} and Not"
        )
    return value
