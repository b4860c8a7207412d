"""Functions of several lines, one behind the other, that may jump where they meet but never fall."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

__all__ = ["Pieces", "Place"]

Fractions: TypeAlias = tuple[Fraction, ...]
Place: TypeAlias = tuple[Fraction, bool]
"""A number, and whether what begins there begins at the number itself or just above it."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """y = scale[k] * x + shift[k], where k is how many bounds x has reached; it never falls as x grows.

    scale, shift : one more than there are bounds; scales 0 or above.
    bounds : ascending.
    closed : whether x reaches a bound where it equals it; otherwise x must be above.
    """

    scale: Fractions
    shift: Fractions
    bounds: Fractions
    closed: tuple[bool, ...]

    def line(self, k: int, x: Fraction) -> Fraction:
        return self.scale[k] * x + self.shift[k]

    def forward(self, x: Fraction) -> Fraction:
        pairs = zip(self.bounds, self.closed, strict=True)
        return self.line(sum(x > bound or (closed and x == bound) for bound, closed in pairs), x)

    def first_beyond(self, y: Fraction, reached: bool) -> Place | bool | None:
        """From where on the function lies above y, or with `reached` at it: True for everywhere, None for nowhere."""
        for k in range(len(self.scale)):
            start = None if k == 0 else (self.bounds[k - 1], self.closed[k - 1])
            place = self._crossing(k, y, reached)
            if place is None or not self._inside(k, place):
                continue
            if start is None or isinstance(place, bool):
                return place if start is None else start
            return max([start, place], key=lambda end: (end[0], not end[1]))
        return None

    def _crossing(self, k: int, y: Fraction, reached: bool) -> Place | bool | None:
        """From where on the whole line k lies beyond y: True for everywhere, None for nowhere."""
        if self.scale[k]:
            return (y - self.shift[k]) / self.scale[k], reached
        return True if self.shift[k] > y or (reached and self.shift[k] == y) else None

    def _inside(self, k: int, place: Place | bool) -> bool:
        """Whether the place, or what follows it at once, lies before the end of line k."""
        if isinstance(place, bool) or k == len(self.bounds):
            return True
        bound, at_bound = self.bounds[k], place[1] and not self.closed[k]
        return place[0] < bound or (place[0] == bound and at_bound)
