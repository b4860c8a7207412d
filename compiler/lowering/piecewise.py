"""Elementwise nodes as exact piecewise functions: all that lies between two linear layers.

Every number is a Fraction, equal to the float it came from; only square roots that are not rational are
rounded, to at least 200 significant bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import singledispatch
from math import isfinite
from typing import TypeAlias

from bcsim.compiler.graph.nodes import (
    Affine,
    BatchNorm,
    Bipolar,
    Clip,
    Curve,
    Flatten,
    FloatArray,
    LeakyRelu,
    MultiThreshold,
    Node,
    Quant,
    Relu,
    Sign,
)
from bcsim.compiler.lowering.curves import Curved, curve_of
from bcsim.compiler.lowering.roots import exact_sqrt

__all__ = [
    "Bend",
    "Limit",
    "Line",
    "PiecewiseFunction",
    "Smooth",
    "Steps",
    "at",
    "compose",
    "distinct_channels",
    "forward",
    "is_elementwise",
    "is_shared",
    "narrowed",
    "node_functions",
    "parameter_rows",
    "to_functions",
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
class Bend:
    """y = x where x >= 0, else slope * x; slopes 0 or above, one for all channels or one per channel."""

    slope: Fractions


@dataclass(frozen=True, slots=True)
class Smooth:
    """y = curve(x), computed to 200 bits.

    node : the graph's node, for messages.
    rises : whether x is known to lie where the curve rises.
    """

    curve: Curved
    node: str
    rises: bool = False


PiecewiseFunction: TypeAlias = Line | Limit | Steps | Bend | Smooth


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
        return x if x >= 0 else at(function.slope, channel) * x
    if isinstance(function, Smooth):
        return function.curve.forward(x)
    pairs = zip(*function.row(channel), strict=True)
    reached = sum(x > bound or (closed and x == bound) for bound, closed in pairs)
    return function.values[reached]


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
    return Line(_collapse(scale), _collapse(shift))


def to_functions(nodes: Iterable[Node]) -> list[PiecewiseFunction]:
    """The functions of a chain of elementwise nodes, adjacent lines composed into one."""
    functions: list[PiecewiseFunction] = []
    for node in nodes:
        for function in node_functions(node):
            last = functions[-1] if functions else None
            if isinstance(function, Line) and isinstance(last, Line):
                functions[-1] = compose(last, function)
            else:
                functions.append(function)
    return functions


def is_elementwise(node: Node) -> bool:
    """Whether `to_functions` takes the node."""
    return node_functions.dispatch(type(node)) is not node_functions.dispatch(Node)


def _collapse(values: Iterable[Fraction]) -> Fractions:
    values = tuple(values)
    return values[:1] if all(value == values[0] for value in values) else values


def _exact(values: FloatArray) -> Fractions:
    return _collapse(Fraction(value) for value in values.reshape(-1).tolist())


@singledispatch
def node_functions(node: Node) -> list[PiecewiseFunction]:
    """The functions of one elementwise node."""
    raise TypeError(f"Node must be elementwise, not {type(node).__name__}")


@node_functions.register
def _(node: Affine) -> list[PiecewiseFunction]:
    return [Line(_exact(node.scale), _exact(node.shift))]


@node_functions.register
def _(node: BatchNorm) -> list[PiecewiseFunction]:
    epsilon = Fraction(node.epsilon)
    gamma, beta, mean = _exact(node.gamma), _exact(node.beta), _exact(node.mean)
    deviation = tuple(exact_sqrt(variance + epsilon) for variance in _exact(node.variance))
    channels = max(len(gamma), len(beta), len(mean), len(deviation))
    scale = [at(gamma, c) / at(deviation, c) for c in range(channels)]
    shift = [at(beta, c) - at(mean, c) * scale[c] for c in range(channels)]
    return [Line(_collapse(scale), _collapse(shift))]


@node_functions.register
def _(node: Relu) -> list[PiecewiseFunction]:
    return [Limit(Fraction(0), None)]


@node_functions.register
def _(node: Clip) -> list[PiecewiseFunction]:
    low, high = (Fraction(bound) if isfinite(bound) else None for bound in (node.low, node.high))
    return [Limit(low, high)]


@node_functions.register
def _(node: LeakyRelu) -> list[PiecewiseFunction]:
    return [Bend(_exact(node.slope))]


@node_functions.register
def _(node: Curve) -> list[PiecewiseFunction]:
    return [Smooth(curve_of(node.function), f"Node {node.name!r} ({node.op})")]


@node_functions.register
def _(node: Sign) -> list[PiecewiseFunction]:
    zero = Fraction(0)
    return [Steps((Fraction(-1), zero, Fraction(1)), ((zero, zero),), ((True, False),))]


@node_functions.register
def _(node: Bipolar) -> list[PiecewiseFunction]:
    scale = Fraction(node.scale)
    return [Steps((-scale, scale), ((Fraction(0),),), ((True,),))]


@node_functions.register
def _(node: Quant) -> list[PiecewiseFunction]:
    scale, zero = Fraction(node.scale), Fraction(node.zero_point)
    ties = [_rounding_bound(node.rounding, level) for level in range(node.low + 1, node.high + 1)]
    values = tuple((level - zero) * scale for level in range(node.low, node.high + 1))
    bounds = tuple((bound - zero) * scale for bound, _ in ties)
    return [Steps(values, (bounds,), (tuple(closed for _, closed in ties),))]


@node_functions.register
def _(node: MultiThreshold) -> list[PiecewiseFunction]:
    count = node.thresholds.shape[1]
    values = tuple(Fraction(level) for level in range(count + 1))
    # FINN repeats the thresholds of an input for each of its pixels.
    distinct = node.thresholds[:1] if (node.thresholds == node.thresholds[0]).all() else node.thresholds
    rows = tuple(tuple(Fraction(bound) for bound in row) for row in distinct.tolist())
    line = Line((Fraction(node.out_scale),), (Fraction(node.out_bias),))
    return [Steps(values, rows, ((True,) * count,)), line]


@node_functions.register
def _(node: Flatten) -> list[PiecewiseFunction]:
    return []


def _rounding_bound(rounding: str, level: int) -> tuple[Fraction, bool]:
    """Where rounding first yields `level`, and whether it does at that very point."""
    if rounding == "ROUND":
        return level - HALF, level % 2 == 0
    if rounding == "HALF_UP":
        return level - HALF, level > 0
    if rounding == "FLOOR" or (rounding == "ROUND_TO_ZERO" and level > 0):
        return Fraction(level), True
    return Fraction(level - 1), False
