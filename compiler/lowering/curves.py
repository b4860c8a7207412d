"""Activation functions to 200 bits and backwards: where a curve crosses a quantiser's bound.

The numbers that a network adds are rational, and a curve takes a rational value at a rational place only where this
file says so, exactly. Anywhere else 200 bits tell on which side of the crossing a number lies.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any, TypeAlias

import mpmath

from bcsim.compiler.lowering.roots import exact_sqrt

__all__ = ["Curved", "curve_of"]

BITS = 256
MP: Any = mpmath.mp.clone()
MP.prec = BITS

Function: TypeAlias = Callable[[Any], Any]
GREATEST = Fraction(sys.float_info.max)
ZERO, ONE, HALF = Fraction(0), Fraction(1), Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Curved:
    """A curve that rises everywhere, or from `valley` on.

    name : that of bcsim.compiler.graph.curves.CURVES.
    low, high : what it never reaches, None where it has no such bound.
    valley : the place of its least value, up to which it falls from 0, and that value; None where it rises everywhere.
    """

    low: Fraction | None
    high: Fraction | None
    forward: Callable[[Fraction], Fraction]
    inverse: Callable[[Fraction], Fraction]
    valley: tuple[Fraction, Fraction] | None = None
    name: str = ""


@cache
def curve_of(name: str) -> Curved:
    """The curve of a name of bcsim.compiler.graph.curves.CURVES."""
    return replace(_CURVES[name](), name=name)


def _number(x: Fraction) -> Any:
    return MP.mpf(x.numerator) / x.denominator


def _fraction(x: Any) -> Fraction:
    """x, and 0 for what float64 has no number above 0 for, the greatest float64 for what is above that."""
    sign, mantissa, exponent, bits = x._mpf_
    if exponent + bits < -1100:
        return ZERO
    magnitude = GREATEST if exponent + bits > 1100 else int(mantissa) * Fraction(2) ** exponent
    return -magnitude if sign else magnitude


def _smooth(
    low: Fraction | None,
    high: Fraction | None,
    forward: Function,
    inverse: Function,
    at_zero: Fraction | None = None,
) -> Curved:
    """A curve that rises everywhere.

    at_zero : its value at 0, the only rational place that has a rational value; None where none has.
    """
    return Curved(
        low,
        high,
        lambda x: at_zero if x == 0 and at_zero is not None else _fraction(forward(_number(x))),
        lambda y: ZERO if y == at_zero else _fraction(inverse(_number(y))),
    )


def _elu() -> Curved:
    return Curved(
        -ONE,
        None,
        lambda x: x if x >= 0 else _fraction(MP.expm1(_number(x))),
        lambda y: y if y >= 0 else _fraction(MP.log1p(_number(y))),
    )


def _softsign() -> Curved:
    return Curved(-ONE, ONE, lambda x: x / (1 + abs(x)), lambda y: y / (1 - abs(y)))


def _atan() -> Curved:
    bound = _fraction(MP.pi / 2)
    return _smooth(-bound, bound, MP.atan, MP.tan, ZERO)


def _hard_swish() -> Curved:
    def forward(x: Fraction) -> Fraction:
        return x * min(max(x + 3, ZERO), Fraction(6)) / 6

    def inverse(y: Fraction) -> Fraction:
        return y if y >= 3 else (exact_sqrt(9 + 24 * y) - 3) / 2

    return Curved(None, None, forward, inverse, (Fraction(-3, 2), Fraction(-3, 8)))


def _valley(function: Function, start: float) -> Curved:
    """A curve that falls from 0 to a least value near `start`, and rises from there through 0 at 0."""
    place = MP.findroot(lambda x: MP.diff(function, x), start)
    least = function(place)

    def inverse(y: Fraction) -> Fraction:
        target = _number(y)
        # Right of the valley the curve lies below x and, above 0, less than 0.3 beside it.
        ends = (place, MP.mpf(0)) if y < 0 else (max(target, MP.mpf(0)), target + 1)
        root = MP.findroot(
            lambda x: function(x) - target, ends, solver="anderson", tol=MP.mpf(2) ** (-2 * 220)
        )
        return _fraction(root)

    return Curved(
        None,
        None,
        lambda x: ZERO if x == 0 else _fraction(function(_number(x))),
        lambda y: ZERO if y == 0 else inverse(y),
        (_fraction(place), _fraction(least)),
    )


def _gelu(x: Any) -> Any:
    return x * MP.erfc(-x / MP.sqrt(2)) / 2


def _tanh_gelu(x: Any) -> Any:
    # 0.044715 is what the operator's definition says, a decimal.
    return x * (1 + MP.tanh(MP.sqrt(2 / MP.pi) * (x + MP.mpf(44715) / 1000000 * x**3))) / 2


def _swish(x: Any) -> Any:
    return x / (1 + MP.exp(-x))


def _mish(x: Any) -> Any:
    return x * MP.tanh(MP.log1p(MP.exp(x)))


_CURVES: Mapping[str, Callable[[], Curved]] = {
    "Asinh": lambda: _smooth(None, None, MP.asinh, MP.sinh, ZERO),
    "Atan": _atan,
    "Elu": _elu,
    "Erf": lambda: _smooth(-ONE, ONE, MP.erf, MP.erfinv, ZERO),
    "Exp": lambda: _smooth(ZERO, None, MP.exp, MP.log, ONE),
    "Gelu": lambda: _valley(_gelu, -0.75),
    "HardSwish": _hard_swish,
    "Identity": lambda: Curved(None, None, lambda x: x, lambda y: y),
    "Mish": lambda: _valley(_mish, -1.19),
    "Sigmoid": lambda: _smooth(
        ZERO, ONE, lambda x: 1 / (1 + MP.exp(-x)), lambda y: MP.log(y / (1 - y)), HALF
    ),
    "Sinh": lambda: _smooth(None, None, MP.sinh, MP.asinh, ZERO),
    "Softplus": lambda: _smooth(ZERO, None, lambda x: MP.log1p(MP.exp(x)), lambda y: MP.log(MP.expm1(y))),
    "Softsign": _softsign,
    "Swish": lambda: _valley(_swish, -1.28),
    "Tanh": lambda: _smooth(-ONE, ONE, MP.tanh, MP.atanh, ZERO),
    "TanhGelu": lambda: _valley(_tanh_gelu, -0.75),
}
