"""What may follow the class scores: kept for the float network, dropped from the hardware, which compares scores."""

from __future__ import annotations

from bcsim.common.errors import BcsimError
from bcsim.compiler.importer.registry import operator
from bcsim.compiler.importer.site import Lowered, Site
from bcsim.compiler.importer.values import Scores


@operator("Softmax", "LogSoftmax")
def softmax(site: Site) -> Lowered:
    return _ended(site, site.attribute("axis", 1 if site.opset < 13 else -1))


@operator("ArgMax")
def argmax(site: Site) -> Lowered:
    if site.attribute("select_last_index", 0):
        raise BcsimError("it picks the last of equal scores; accepted is the first (select_last_index = 0)")
    return _ended(site, site.attribute("axis", 0))


def _ended(site: Site, axis: int) -> Lowered:
    value = site.operand(0)
    scores = value.source if isinstance(value, Scores) else site.activation()
    if axis not in (1, -1) or (scores.shape is not None and len(scores.shape) != 1):
        raise BcsimError(
            f"its axis is {axis} for an input of shape {scores.shape} behind the batch axis; "
            "accepted is the class axis of flat scores"
        )
    return Lowered(Scores(scores, f"node {site.name!r} ({site.op})"))
