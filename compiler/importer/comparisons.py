"""Comparisons with constants, and what chooses by them: activations of two values."""

from __future__ import annotations

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Affine, FloatArray, MultiThreshold, Node
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Activation, Constant, Truth

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
    nodes = _threshold(context, x, bound, _MIRRORED[context.op] if first else context.op)
    return Lowered(Truth(x.at(context.output)), nodes)


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
    fields = (context.name, context.op, (truth.name,), context.output)
    return Lowered(Truth(truth.at(context.output)), (Affine(*fields, -ONE, ONE),))


@operator("Where")
def where(context: NodeContext) -> Lowered:
    x = _truth(context)
    if not all(isinstance(context.operand(index), Constant) for index in (1, 2)):
        raise BcsimError(
            "it chooses between tensors that depend on the network's input; accepted are two constants"
        )
    x, chosen = context.channels(1, "value", x)
    x, other = context.channels(2, "value", x)
    fields = (context.name, context.op, (x.name,), context.output)
    return Lowered(x.at(context.output), (Affine(*fields, chosen - other, other),))


def _truth(context: NodeContext) -> Activation:
    value = context.operand(0)
    if not isinstance(value, Truth):
        raise BcsimError(
            f"its condition {context.operand_name(0)!r} compares nothing; accepted are {', '.join(_MIRRORED)} and Not"
        )
    return value.source
