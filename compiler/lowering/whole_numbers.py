"""Roundings between limits as quantisers: fake quantisation as plain ONNX has it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor

from bcsim.compiler.lowering.piecewise import Limit, Line, PiecewiseFunction, Steps, Whole, forward, is_shared

__all__ = ["with_steps"]

# Of a quantiser of 16 bits.
MOST_STEPS = 1 << 16


def with_steps(functions: Sequence[PiecewiseFunction]) -> list[PiecewiseFunction]:
    """The functions with Steps for every rounding that limits before and behind it leave a few values.

    So are fake quantisers written in plain ONNX: x / s, Round, + z, Clip, - z, * s, in this order or the other.
    """
    result = list(functions)
    for place, function in reversed(list(enumerate(functions))):
        if isinstance(function, Whole):
            before = functions[place - 1] if place else None
            limit, used = _limit_behind(functions[place + 1 :])
            first = place - 1 if isinstance(before, Limit) else place
            steps = _whole_steps(function, before if isinstance(before, Limit) else Limit(None, None), limit)
            if steps:
                lines = [line for line in functions[place + 1 : place + 1 + used] if isinstance(line, Line)]
                result[first : place + 1 + used] = [steps, *lines]
    return result


def _limit_behind(functions: Sequence[PiecewiseFunction]) -> tuple[Limit, int]:
    """The limit that follows, in front of a line that it follows, and how many functions that takes."""
    line = functions[0] if functions else None
    if isinstance(line, Limit):
        return line, 1
    limit = functions[1] if len(functions) > 1 else None
    if (
        not isinstance(line, Line)
        or not isinstance(limit, Limit)
        or not is_shared(line)
        or line.scale[0] == 0
    ):
        return Limit(None, None), 0
    ends = [None if end is None else (end - line.shift[0]) / line.scale[0] for end in (limit.low, limit.high)]
    low, high = ends if line.scale[0] > 0 else reversed(ends)
    return Limit(low, high), 2


def _whole_steps(whole: Whole, before: Limit, behind: Limit) -> Steps | None:
    """The rounding between two limits; None for too many values."""
    lows = [
        *([] if before.low is None else [whole.forward(before.low)]),
        *([] if behind.low is None else [behind.low]),
    ]
    highs = [
        *([] if before.high is None else [whole.forward(before.high)]),
        *([] if behind.high is None else [behind.high]),
    ]
    if not lows or not highs or not 0 <= min(highs) - max(lows) <= MOST_STEPS:
        return None
    levels = range(floor(max(lows)), ceil(min(highs)) + 1)
    values = {forward(behind, Fraction(level)): level for level in reversed(levels)}
    ends = [whole.first(level) for _, level in sorted(values.items())][1:]
    return Steps(
        tuple(sorted(values)), (tuple(bound for bound, _ in ends),), (tuple(closed for _, closed in ends),)
    )
