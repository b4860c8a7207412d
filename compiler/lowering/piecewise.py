"""Elementwise nodes as exact piecewise functions: lines, limits and steps are all that lies between two linear layers.

Every number is a Fraction, equal to the float it came from; only square roots that are not rational are
rounded, to at least 200 significant bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import singledispatch
from math import isfinite, isqrt
from typing import TypeAlias

from bcsim.compiler.graph.nodes import (
    Affine,
    BatchNorm,
    Bipolar,
    Clip,
    Flatten,
    FloatArray,
    MultiThreshold,
    Node,
    Quant,
    Relu,
    Sign,
)

__all__ = [
    "Limit",
    "Line",
    "PiecewiseFunction",
    "Steps",
    "at",
    "compose",
    "distinct_channels",
    "exact_sqrt",
    "forward",
    "is_elementwise",
    "is_shared",
    "node_functions",
    "to_functions",
]

Fractions: TypeAlias = tuple[Fraction, ...]

ROOT_BITS = 208
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


PiecewiseFunction: TypeAlias = Line | Limit | Steps


def at(values: Sequence[Fraction], channel: int) -> Fraction:
    """The channel's value of a sequence that has one for each channel or one for all."""
    return values[channel] if len(values) > 1 else values[0]


def is_shared(function: PiecewiseFunction) -> bool:
    """Whether the function is the same for every channel."""
    if isinstance(function, Line):
        return len(function.scale) == len(function.shift) == 1
    return isinstance(function, Limit) or len(function.bounds) == 1


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
    pairs = zip(*function.row(channel), strict=True)
    reached = sum(x > bound or (closed and x == bound) for bound, closed in pairs)
    return function.values[reached]


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


def exact_sqrt(x: Fraction) -> Fraction:
    """The square root of x >= 0: exact where it is rational, else rounded down at 200 bits or more."""
    numerator, denominator = isqrt(x.numerator), isqrt(x.denominator)
    if numerator**2 == x.numerator and denominator**2 == x.denominator:
        return Fraction(numerator, denominator)
    shift = max(0, ROOT_BITS - (x.numerator.bit_length() - x.denominator.bit_length()) // 2)
    return Fraction(isqrt((x.numerator << 2 * shift) // x.denominator), 1 << shift)


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
