"""What may follow the class scores: kept for the float network, dropped from the hardware, which compares scores."""

from __future__ import annotations

from dataclasses import replace

from bcsim.common.errors import BcsimError
from bcsim.compiler.importer.layouts import along_channels
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


@operator("TopK")
def top_k(context: NodeContext) -> Lowered:
    """The first of the greatest scores; FINN's InsertTopK ends its networks so."""
    count = context.attribute("k", 1) if context.operand(1) is None else context.scalar(1, "k")
    if not context.attribute("largest", 1) or (count > 1 and not context.attribute("sorted", 1)):
        raise BcsimError(
            "it gives the least scores, or several in any order; accepted are the greatest first"
        )
    ended = _ended(context, context.attribute("axis", -1))
    return replace(ended, more=(ended.value,))


def _ended(context: NodeContext, axis: int) -> Lowered:
    value = context.operand(0)
    scores = value.source if isinstance(value, Scores) else context.activation()
    rank = 1 if scores.shape is None else len(scores.shape)
    place = (axis + rank if axis < 0 else axis - 1) if axis else -1
    if place != 0 and not (scores.shape and 0 < place < rank and along_channels(scores, place)):
        raise BcsimError(
            f"its axis is {axis} for an input of shape {scores.shape} behind the batch axis; "
            "accepted is the class axis, 1"
        )
    tensor = value.tensor if isinstance(value, Scores) else context.operand_name(0)
    return Lowered(Scores(scores, f"node {context.name!r} ({context.op})", tensor))
