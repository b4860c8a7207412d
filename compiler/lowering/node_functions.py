"""Elementwise nodes as exact piecewise functions.

Every number is a Fraction, equal to the float it came from; only square roots that are not rational and curves are
rounded, to at least 200 significant bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache, singledispatch
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
    PiecewiseLinear,
    Quant,
    Relu,
    Round,
    Sign,
)
from bcsim.compiler.lowering.curves import curve_of
from bcsim.compiler.lowering.pieces import Pieces
from bcsim.compiler.lowering.piecewise import (
    Bend,
    Limit,
    Line,
    PiecewiseFunction,
    Smooth,
    Steps,
    Whole,
    at,
    collapsed,
    compose,
    forward,
)
from bcsim.compiler.lowering.roots import exact_sqrt
from bcsim.compiler.lowering.whole_numbers import with_steps

__all__ = ["is_elementwise", "node_functions", "to_functions"]

Fractions: TypeAlias = tuple[Fraction, ...]


def to_functions(nodes: Iterable[Node]) -> list[PiecewiseFunction]:
    """The functions of a chain of elementwise nodes, adjacent lines composed into one."""
    functions: list[PiecewiseFunction] = []
    for node in nodes:
        for function in node_functions(node):
            last = functions[-1] if functions else None
            if isinstance(function, Line) and isinstance(last, Line):
                functions[-1] = compose(last, function)
            elif isinstance(function, Limit) and isinstance(last, Limit):
                functions[-1] = _limited(last, function)
            else:
                functions.append(function)
    return with_steps(functions)


def _limited(inner: Limit, outer: Limit) -> Limit:
    """The limit outer(inner(x))."""
    low = outer.low if inner.low is None else forward(outer, inner.low)
    high = outer.high if inner.high is None else forward(outer, inner.high)
    return Limit(low, high)


def is_elementwise(node: Node) -> bool:
    """Whether `to_functions` takes the node."""
    return node_functions.dispatch(type(node)) is not node_functions.dispatch(Node)


def _exact(values: FloatArray) -> Fractions:
    return collapsed(Fraction(value) for value in values.reshape(-1).tolist())


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
    return [Line(collapsed(scale), collapsed(shift))]


@node_functions.register
def _(node: Relu) -> list[PiecewiseFunction]:
    return [Limit(Fraction(0), None)]


@node_functions.register
def _(node: Clip) -> list[PiecewiseFunction]:
    low, high = (Fraction(bound) if isfinite(bound) else None for bound in (node.low, node.high))
    return [Limit(low, high)]


@node_functions.register
def _(node: LeakyRelu) -> list[PiecewiseFunction]:
    return [Bend(_exact(node.slope), node.kind)]


@node_functions.register
def _(node: PiecewiseLinear) -> list[PiecewiseFunction]:
    scale, shift, bounds = (tuple(map(Fraction, part)) for part in (node.scales, node.shifts, node.bounds))
    return [Pieces(scale, shift, bounds, node.closed)]


@node_functions.register
def _(node: Curve) -> list[PiecewiseFunction]:
    return [Smooth(curve_of(node.function), node.kind, f"Node {node.name!r} ({node.op})")]


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
    return [_quantiser(Fraction(node.scale), Fraction(node.zero_point), node.low, node.high, node.rounding)]


@lru_cache(maxsize=64)
def _quantiser(scale: Fraction, zero: Fraction, low: int, high: int, rounding: str) -> Steps:
    ties = [Whole(rounding).first(level) for level in range(low + 1, high + 1)]
    values = tuple((level - zero) * scale for level in range(low, high + 1))
    bounds = tuple((bound - zero) * scale for bound, _ in ties)
    return Steps(values, (bounds,), (tuple(closed for _, closed in ties),))


@node_functions.register
def _(node: Round) -> list[PiecewiseFunction]:
    return [Whole(node.rounding)]


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
