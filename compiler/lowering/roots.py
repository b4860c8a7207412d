"""Square roots of rational numbers."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

__all__ = ["exact_sqrt"]

ROOT_BITS = 208


def exact_sqrt(x: Fraction) -> Fraction:
    """The square root of x >= 0: exact where it is rational, else rounded down at 200 bits or more."""
    numerator, denominator = isqrt(x.numerator), isqrt(x.denominator)
    if numerator**2 == x.numerator and denominator**2 == x.denominator:
        return Fraction(numerator, denominator)
    shift = max(0, ROOT_BITS - (x.numerator.bit_length() - x.denominator.bit_length()) // 2)
    return Fraction(isqrt((x.numerator << 2 * shift) // x.denominator), 1 << shift)
