"""Rounding to the floats of a file: what an operator's exact result becomes in the type that the file computes in."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import floor

__all__ = ["FORMATS", "rounded", "rounds_from"]

FORMATS: Mapping[str, tuple[int, int]] = {
    "float16": (11, -14),
    "bfloat16": (8, -126),
    "float32": (24, -126),
    "float64": (53, -1022),
}
"""Bits of the significand, and the exponent of the least normal number."""


def rounded(x: Fraction, kind: str) -> Fraction:
    """The float nearest to x, ties to even; exponents have no upper end here. x itself where the kind is "exact"."""
    if kind == "exact":
        return x
    ulp = _ulp(x, kind)
    return round(x / ulp) * ulp


def rounds_from(bound: Fraction, kind: str, *, beyond: bool) -> tuple[Fraction, bool]:
    """From which real number on rounding gives `bound` or more (`beyond`: more than that), and whether it does there.

    That is halfway between two neighbouring floats, and goes to the even one.
    """
    ulp = _ulp(bound, kind)
    float_there = bound
    if beyond or (bound / ulp).denominator != 1:
        # Above a negative float that starts a binade the next one is half as far.
        above = _ulp(bound + ulp / 4, kind)
        float_there = (floor(bound / above) + 1) * above
    below = float_there - _ulp(float_there - _ulp(float_there, kind) / 4, kind)
    # In units of the finer distance a float that starts a binade is even.
    return (float_there + below) / 2, (float_there / _ulp(float_there, kind)) % 2 == 0


def _ulp(x: Fraction, kind: str) -> Fraction:
    """The distance of the floats around x, away from 0 where x starts a binade."""
    bits, least = FORMATS[kind]
    exponent = least if x == 0 else max(_exponent(abs(x)), least)
    return Fraction(2) ** (exponent - bits + 1)


def _exponent(x: Fraction) -> int:
    """floor(log2(x)) of x > 0."""
    guess = x.numerator.bit_length() - x.denominator.bit_length()
    return guess if Fraction(2) ** guess <= x else guess - 1
