"""What may follow the class scores: kept for the float network, dropped from the hardware, which compares scores."""

from __future__ import annotations

from bcsim.common.errors import BcsimError
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.values import Scores


@operator("Softmax", "LogSoftmax")
def softmax(context: NodeContext) -> Lowered:
    return _ended(context, context.attribute("axis", 1 if context.opset < 13 else -1))


@operator("ArgMax")
def argmax(context: NodeContext) -> Lowered:
    if context.attribute("select_last_index", 0):
        raise BcsimError("it picks the last of equal scores; accepted is the first (select_last_index = 0)")
    return _ended(context, context.attribute("axis", 0))


def _ended(context: NodeContext, axis: int) -> Lowered:
    value = context.operand(0)
    scores = value.source if isinstance(value, Scores) else context.activation()
    if axis not in (1, -1) or (scores.shape is not None and len(scores.shape) != 1):
        raise BcsimError(
            f"its axis is {axis} for an input of shape {scores.shape} behind the batch axis; "
            "accepted is the class axis of flat scores"
        )
    return Lowered(Scores(scores, f"node {context.name!r} ({context.op})"))
