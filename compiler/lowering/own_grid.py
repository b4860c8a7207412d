"""The reading of float data that a network brings along: the grid of the quantiser that its input meets first."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from bcsim.compiler.graph.nodes import Graph, MultiThreshold
from bcsim.compiler.lowering.input_path import follow_input
from bcsim.compiler.lowering.node_functions import to_functions
from bcsim.compiler.lowering.piecewise import Steps, is_shared
from bcsim.compiler.program.layers import Encoding

__all__ = ["OwnGrid", "own_grid"]

MOST_LEVELS = 256
"""Of a quantiser whose values the machine can take."""


@dataclass(frozen=True, slots=True)
class OwnGrid:
    """The first quantiser of a network.

    op : its ONNX operator.
    low, high : the least and the greatest value that it gives, of thresholds the least and the greatest of them.
    pixel : an encoding whose nearest level of any float, halves to even, the quantiser takes to the value that it gives
        the float itself.
    """

    op: str
    low: Fraction
    high: Fraction
    pixel: Encoding


def own_grid(graph: Graph) -> OwnGrid | None:
    """The grid of the network's first operation, None where that is no quantiser of up to 8 bits with even steps."""
    first = next(iter(follow_input(graph, list(graph.nodes)).elementwise), None)
    if first is None:
        return None
    steps, *_ = to_functions([first])
    if not isinstance(steps, Steps) or not is_shared(steps) or len(steps.values) > MOST_LEVELS:
        return None
    pixel = _cells(steps)
    if pixel is None:
        return None
    ends = steps.bounds[0] if isinstance(first, MultiThreshold) else steps.values
    return OwnGrid(first.op, ends[0], ends[-1], pixel)


def _cells(steps: Steps) -> Encoding | None:
    """Levels so far apart that between two of them lies one bound at most, which goes the way the quantiser takes it.

    A float halfway between two levels goes to the even one: where bounds belong to the value above and below by turns
    the levels are the quantiser's own, else twice as many.
    """
    bounds, closed = steps.row(0)
    distances = {after - before for before, after in pairwise(bounds)}
    if not bounds or len(distances) > 1 or min(distances, default=Fraction(1)) <= 0:
        return None
    step = distances.pop() if distances else steps.values[-1] - steps.values[0]
    for odd in (0, 1):
        if all(up == ((index + 1 + odd) % 2 == 0) for index, up in enumerate(closed)):
            return _encoding(step, bounds[0] - step / 2 - odd * step, len(bounds) + 1 + odd)
    for below in (1, 0):  # an even level follows the second one, an odd level the first one
        if all(up == bool(below) for up in closed):
            return _encoding(step / 2, bounds[0] - step / 4 - below * step / 2, 2 * len(bounds) + 1 + below)
    return None


def _encoding(scale: Fraction, offset: Fraction, levels: int) -> Encoding:
    return Encoding(max(1, (levels - 1).bit_length()), scale, offset)
