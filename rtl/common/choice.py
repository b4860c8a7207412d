"""A choice among values of which one condition at most is high."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_

from amaranth.hdl import Mux, Value, ValueLike

__all__ = ["chosen"]


def chosen(choices: Iterable[tuple[ValueLike, ValueLike]]) -> Value:
    """The value whose condition is high, of at most one; else 0."""
    return Value.cast(reduce(or_, (Mux(condition, value, 0) for condition, value in choices)))
