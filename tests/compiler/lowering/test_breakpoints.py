"""Breakpoints pulled back through functions, held to the functions themselves at points on, beside and between them."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest

from bcsim.compiler.lowering.breakpoints import pull_back, uniform_breakpoints
from bcsim.compiler.lowering.pieces import Pieces
from bcsim.compiler.lowering.piecewise import Bend, Limit, Line, PiecewiseFunction, Steps, Whole, at
from bcsim.compiler.program.layers import Encoding

TARGET = Encoding(3, Fraction(1, 3), Fraction(-1, 2))
TINY = Fraction(1, 10**6)


def value(function: PiecewiseFunction, x: Fraction, channel: int) -> Fraction:
    """The function by its definition."""
    match function:
        case Line():
            return at(function.scale, channel) * x + at(function.shift, channel)
        case Limit(low, high):
            x = x if low is None else max(x, low)
            return x if high is None else min(x, high)
        case Bend():
            return x if x >= 0 else Fraction(float(at(function.slope, channel) * x))
        case Whole("FLOOR"):
            return Fraction(floor(x))
        case Whole("CEIL"):
            return Fraction(ceil(x))
        case Whole("ROUND"):
            return Fraction(round(x))
        case Pieces():
            k = sum(
                x > bound or (closed and x == bound)
                for bound, closed in zip(function.bounds, function.closed, strict=True)
            )
            return function.scale[k] * x + function.shift[k]
        case Steps():
            pairs = zip(*function.row(channel), strict=True)
            return function.values[sum(x > bound or (closed and x == bound) for bound, closed in pairs)]
    raise AssertionError(function)


def level(functions: Sequence[PiecewiseFunction], x: Fraction, channel: int) -> int:
    """The level of TARGET nearest to what the functions make of x, halves up."""
    for function in functions:
        x = value(function, x, channel)
    place = floor((x - TARGET.offset) / TARGET.scale + Fraction(1, 2))
    return min(max(place, 0), TARGET.levels - 1)


RISES = Line((Fraction(2, 7),), (Fraction(1, 5),))
FALLS = Line((Fraction(-3, 4),), (Fraction(1, 3),))
MIXED = Line((Fraction(1, 2), Fraction(-2), Fraction(0)), (Fraction(0), Fraction(1), Fraction(7, 9)))
LIMIT = Limit(Fraction(-1, 6), Fraction(4, 3))
RELU = Limit(Fraction(0), None)
STEPS = Steps(
    (Fraction(-1), Fraction(1, 6), Fraction(1, 2), Fraction(9)),
    ((Fraction(-1, 2), Fraction(0), Fraction(2, 3)),),
    ((True, False, True),),
)
THRESHOLDED = Pieces((Fraction(0), Fraction(1)), (Fraction(0), Fraction(0)), (Fraction(2, 3),), (False,))
SHRUNK = Pieces(
    (Fraction(1), Fraction(0), Fraction(1)),
    (Fraction(1, 4), Fraction(0), Fraction(-1, 4)),
    (Fraction(-1, 3), Fraction(1, 3)),
    (True, False),
)
KINKED = Pieces((Fraction(1, 8), Fraction(2)), (Fraction(1, 6), Fraction(1, 6)), (Fraction(0),), (False,))
CHAINS: dict[str, tuple[PiecewiseFunction, ...]] = {
    "nothing": (),
    "a rising line": (RISES,),
    "a falling line": (FALLS,),
    "a line for each channel": (MIXED,),
    "a limit": (LIMIT,),
    "one side": (RELU, RISES),
    "a falling limit": (FALLS, LIMIT, FALLS),
    "steps": (STEPS,),
    "falling steps": (FALLS, STEPS, FALLS),
    "steps of each channel": (MIXED, STEPS, RISES),
    "a bend": (FALLS, Bend((Fraction(1, 4),), "float64"), RISES),
    "a flat bend": (Bend((Fraction(0),), "float64"), FALLS),
    "a jump": (RISES, THRESHOLDED),
    "a falling jump": (FALLS, THRESHOLDED, FALLS),
    "a jump at a closed bound": (RISES, replace(THRESHOLDED, closed=(True,))),
    "three pieces": (RISES, SHRUNK),
    "three falling pieces": (FALLS, SHRUNK, FALLS),
    "pieces without a jump": (RISES, KINKED, RISES),
    "floor": (RISES, Whole("FLOOR"), FALLS),
    "ceiling": (FALLS, Whole("CEIL"), RISES),
    "rounding to even": (RISES, Whole("ROUND"), RISES),
}


@pytest.mark.parametrize("functions", CHAINS.values(), ids=CHAINS.keys())
def test_breakpoints_say_the_level_of_every_value(functions: tuple[PiecewiseFunction, ...]) -> None:
    found = pull_back(functions, uniform_breakpoints(TARGET), 3)
    for channel in range(3):
        points = found[channel if len(found) > 1 else 0]
        places = {Fraction(n, 12) for n in range(-120, 121)}
        for bound in (points.bound(k) for k in range(points.first, points.last)):
            places |= {bound, bound - TINY, bound + TINY}
        for x in places:
            assert points.reached(x) == level(functions, x, channel), x


def test_channels_share_breakpoints_where_their_functions_are_the_same() -> None:
    assert len(pull_back((RISES, STEPS), uniform_breakpoints(TARGET), 3)) == 1
    assert len(pull_back((MIXED, STEPS), uniform_breakpoints(TARGET), 3)) == 3


def test_a_constant_reaches_as_many_breakpoints_everywhere() -> None:
    points = pull_back((MIXED,), uniform_breakpoints(TARGET), 3)[2]
    assert points.first == points.last == level((MIXED,), Fraction(0), 2)


def test_uniform_breakpoints_lie_between_the_levels() -> None:
    points = uniform_breakpoints(TARGET)
    assert [points.bound(k) for k in range(7)] == [Fraction(-1, 3) + Fraction(k, 3) for k in range(7)]
    assert points.rising
    assert np.all(points.closed)
