"""Piecewise functions: all that lies between two linear layers.

Every number is a Fraction, equal to the float it came from; only square roots that are not rational are
rounded, to at least 200 significant bits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from typing import TypeAlias

from bcsim.compiler.lowering.curves import Curved
from bcsim.compiler.lowering.float_rounding import rounded
from bcsim.compiler.lowering.pieces import Pieces

__all__ = [
    "Bend",
    "Limit",
    "Line",
    "PiecewiseFunction",
    "Smooth",
    "Steps",
    "Whole",
    "at",
    "collapsed",
    "compose",
    "distinct_channels",
    "forward",
    "is_shared",
    "narrowed",
    "parameter_rows",
]

Fractions: TypeAlias = tuple[Fraction, ...]

HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Line:
    """y = scale * x + shift, one of each for all channels or one per channel."""

    scale: Fractions
    shift: Fractions


@dataclass(frozen=True, slots=True)
class Limit:
    """y = min(max(x, low), high), None where a side has no bound."""

    low: Fraction | None
    high: Fraction | None


@dataclass(frozen=True, slots=True)
class Steps:
    """y = values[how many bounds x has reached], a quantiser.

    values : ascending, one more than there are bounds.
    bounds : ascending in each row; one row for all channels or one per channel.
    closed : whether x reaches bound k where it equals it; otherwise x must be above. Of equal bounds the closed
        ones come first. As many rows as bounds, or one.
    """

    values: Fractions
    bounds: tuple[Fractions, ...]
    closed: tuple[tuple[bool, ...], ...]

    def row(self, channel: int) -> tuple[Fractions, tuple[bool, ...]]:
        """A channel's bounds, and which of them are closed."""
        bounds = self.bounds[channel if len(self.bounds) > 1 else 0]
        return bounds, self.closed[channel if len(self.closed) > 1 else 0]


@dataclass(frozen=True, slots=True)
class Whole:
    """y = the whole number next to x, by a rounding of bcsim.compiler.graph.rounding."""

    rounding: str

    def first(self, level: int) -> tuple[Fraction, bool]:
        """Where rounding first yields `level`, and whether it does at that very point."""
        if self.rounding == "ROUND":
            return level - HALF, level % 2 == 0
        if self.rounding == "HALF_UP":
            return level - HALF, level > 0
        if self.rounding == "FLOOR" or (self.rounding == "ROUND_TO_ZERO" and level > 0):
            return Fraction(level), True
        return Fraction(level - 1), False

    def forward(self, x: Fraction) -> Fraction:
        below = floor(x)
        bound, closed = self.first(below + 1)
        return Fraction(below + (x > bound or (closed and x == bound)))


@dataclass(frozen=True, slots=True)
class Bend:
    """y = x where x >= 0, else slope * x rounded to a float; slopes 0 or above, one for all or one per channel.

    kind : of the float, a name of FORMATS.
    """

    slope: Fractions
    kind: str


@dataclass(frozen=True, slots=True)
class Smooth:
    """y = curve(x), computed to 200 bits and rounded to a float.

    kind : of the float, a name of FORMATS.
    node : the graph's node, for messages.
    rises : whether x is known to lie where the curve rises.
    """

    curve: Curved
    kind: str
    node: str
    rises: bool = False

    @property
    def refusal(self) -> str:
        """The sentence for breakpoints that a curve with a valley crosses twice."""
        place, least = self.curve.valley or (Fraction(0), Fraction(0))
        return (
            f"{self.node} falls up to {float(place):.4g} and rises from there, so that no single threshold parts "
            f"the levels that lie between its least value, {float(least):.4g}, and 0; accepted are an input from "
            f"{float(place):.4g} up, and a quantiser behind it without levels there, such as an unsigned one"
        )


PiecewiseFunction: TypeAlias = Line | Limit | Steps | Whole | Bend | Smooth | Pieces


def at(values: Sequence[Fraction], channel: int) -> Fraction:
    """The channel's value of a sequence that has one for each channel or one for all."""
    return values[channel] if len(values) > 1 else values[0]


def parameter_rows(function: PiecewiseFunction) -> int:
    """For how many channels the function has parameters of their own; 1 where it is the same for all."""
    if isinstance(function, Line):
        return max(len(function.scale), len(function.shift))
    if isinstance(function, Steps):
        return len(function.bounds)
    return len(function.slope) if isinstance(function, Bend) else 1


def is_shared(function: PiecewiseFunction) -> bool:
    """Whether the function is the same for every channel."""
    return parameter_rows(function) == 1


def distinct_channels(functions: Sequence[PiecewiseFunction], most: int = 2) -> list[int]:
    """Channels of which each has other lines than those before, and which have those of all; empty for more than
    `most`, or where anything but lines differs between channels."""
    if not all(is_shared(function) or isinstance(function, Line) for function in functions):
        return []
    lines = [function for function in functions if isinstance(function, Line)]
    count = max((len(part) for line in lines for part in (line.scale, line.shift)), default=1)
    seen: dict[tuple[Fraction, ...], int] = {}
    for channel in range(count):
        key = tuple(at(part, channel) for line in lines for part in (line.scale, line.shift))
        seen.setdefault(key, channel)
        if len(seen) > most:
            return []
    return list(seen.values())


def forward(function: PiecewiseFunction, x: Fraction, channel: int = 0) -> Fraction:
    """The exact value of the function at x."""
    if isinstance(function, Line):
        return at(function.scale, channel) * x + at(function.shift, channel)
    if isinstance(function, Limit):
        x = x if function.low is None else max(x, function.low)
        return x if function.high is None else min(x, function.high)
    if isinstance(function, Bend):
        return x if x >= 0 else rounded(at(function.slope, channel) * x, function.kind)
    if isinstance(function, Smooth):
        return rounded(function.curve.forward(x), function.kind)
    if isinstance(function, Whole | Pieces):
        return function.forward(x)
    bounds, closed = function.row(channel)
    below = bisect_left(bounds, x)
    return function.values[below + sum(closed[below : bisect_right(bounds, x, below)])]


def narrowed(
    functions: Sequence[PiecewiseFunction], ends: Sequence[tuple[Fraction, Fraction]]
) -> list[PiecewiseFunction]:
    """The functions, with curves that have a valley told where their input lies right of it.

    ends : the ends of each channel's values before the first function, in either order.
    """
    result = list(functions)
    for index, function in enumerate(functions):
        if not any(isinstance(later, Smooth) and later.curve.valley for later in functions[index:]):
            break
        if isinstance(function, Smooth) and function.curve.valley:
            place, least = function.curve.valley
            if min(min(pair) for pair in ends) >= place:
                result[index] = replace(function, rises=True)
            else:
                ends = [(least, max(map(function.curve.forward, pair))) for pair in ends]
                continue
        ends = [(forward(function, a, o), forward(function, b, o)) for o, (a, b) in enumerate(ends)]
    return result


def compose(inner: Line, outer: Line) -> Line:
    """The line outer(inner(x))."""
    channels = max(len(part) for line in (inner, outer) for part in (line.scale, line.shift))
    scale = [at(outer.scale, c) * at(inner.scale, c) for c in range(channels)]
    shift = [at(outer.scale, c) * at(inner.shift, c) + at(outer.shift, c) for c in range(channels)]
    return Line(collapsed(scale), collapsed(shift))


def collapsed(values: Iterable[Fraction]) -> Fractions:
    """The values, kept once where they are all the same."""
    values = tuple(values)
    return values[:1] if all(value == values[0] for value in values) else values
