"""Thresholds pulled back through functions, held to the definition at the integers next to them."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcsim.compiler.lowering.breakpoints import Breakpoints, pull_back, uniform_breakpoints
from bcsim.compiler.lowering.piecewise import Limit, Line, PiecewiseFunction, Steps, forward
from bcsim.compiler.lowering.thresholds import integer_thresholds
from bcsim.compiler.program.layers import Encoding

TARGET = Encoding(3, Fraction(1, 2), Fraction(-1))
UNITS = st.fractions(-6, 6, max_denominator=12)
SIZES = [Fraction(1), Fraction(10) ** 40, Fraction(1, 10**40), Fraction(1, 10**120), Fraction(10) ** 150]


def _level(functions: list[PiecewiseFunction], accumulator: int) -> int:
    value = Fraction(accumulator)
    for function in functions:
        value = forward(function, value)
    q = ((value - TARGET.offset) / TARGET.scale + Fraction(1, 2)).__floor__()
    return min(max(q, 0), TARGET.levels - 1)


def _expected(functions: list[PiecewiseFunction], low: int, high: int) -> list[int]:
    levels = [_level(functions, accumulator) for accumulator in range(low, high + 1)]
    return [next((a for a, q in enumerate(levels, low) if q >= k), high + 1) for k in range(1, TARGET.levels)]


@st.composite
def _functions(draw: st.DrawFn) -> list[PiecewiseFunction]:
    kind = draw(st.sampled_from(["line", "limit", "steps"]))
    if kind == "line":
        return [Line((draw(UNITS),), (draw(UNITS),))]
    if kind == "limit":
        low, high = sorted((draw(UNITS), draw(UNITS)))
        return [Limit(draw(st.sampled_from([low, None])), draw(st.sampled_from([high, None])))]
    ends = sorted((draw(UNITS), draw(st.booleans())) for _ in range(draw(st.integers(1, 4))))
    bounds = tuple(bound for bound, _ in ends)
    values = tuple(sorted(draw(st.sets(UNITS, min_size=len(bounds) + 1, max_size=len(bounds) + 1))))
    return [Steps(values, (bounds,), (tuple(not is_open for _, is_open in ends),))]


def _rises(functions: list[PiecewiseFunction]) -> bool:
    return sum(isinstance(function, Line) and function.scale[0] < 0 for function in functions) % 2 == 0


@settings(max_examples=150, deadline=None)
@given(UNITS, UNITS, st.lists(_functions(), max_size=3))
def test_thresholds_are_where_the_level_changes(
    scale: Fraction, shift: Fraction, lists: list[list[PiecewiseFunction]]
) -> None:
    functions = [function for part in lists for function in part]
    scale = abs(scale) if _rises(functions) else -abs(scale)
    line = Line((scale,), (shift,))
    found = integer_thresholds(line, pull_back(functions, uniform_breakpoints(TARGET), 1), 1, -15, 20)
    assert found.tolist() == [_expected([line, *functions], -15, 20)]


STEPS = Steps((Fraction(-1), Fraction(0), Fraction(1)), ((Fraction(0), Fraction(2)),), ((True, False),))
TIES = Steps((Fraction(0), Fraction(1), Fraction(2)), ((Fraction(0), Fraction(1)),), ((False, True),))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("between", [1, -1])
@pytest.mark.parametrize("functions", [[STEPS], [TIES], [STEPS, TIES], [TIES, STEPS]])
def test_steps_that_meet_integers_in_both_directions(
    functions: list[PiecewiseFunction], between: int, sign: int
) -> None:
    """Every bound and every value is an integer, so each open or closed end matters."""
    chain = [
        part for function in functions for part in (function, Line((Fraction(between),), (Fraction(1),)))
    ]
    scale = Fraction(sign) if _rises(chain) == (sign > 0) else Fraction(-sign)
    line = Line((scale,), (Fraction(0),))
    found = integer_thresholds(line, pull_back(chain, uniform_breakpoints(TARGET), 1), 1, -15, 20)
    assert found.tolist() == [_expected([line, *chain], -15, 20)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shift", [Fraction(0), Fraction(1, 4), Fraction(1, 4) - Fraction(1, 10**200)])
def test_thresholds_at_and_beside_integers_whatever_the_magnitude(size: Fraction, shift: Fraction) -> None:
    target = Encoding(3, TARGET.scale * size, TARGET.offset * size)
    line = Line((size / 4,), (shift * size,))
    found = integer_thresholds(line, [uniform_breakpoints(target)], 1, -15, 20)
    assert found.tolist() == [_expected([Line((Fraction(1, 4),), (shift,))], -15, 20)]


def test_each_output_has_its_own_line_and_its_own_cuts() -> None:
    outer = Line((Fraction(1), Fraction(-1)), (Fraction(0), Fraction(1)))
    breakpoints = pull_back([Limit(Fraction(-1), None), outer], uniform_breakpoints(TARGET), 2)
    line = Line((Fraction(1, 3), Fraction(-1, 2)), (Fraction(0),))
    found = integer_thresholds(line, breakpoints, 2, -9, 9)
    for o in range(2):
        functions = [
            Line((line.scale[o],), line.shift),
            Limit(Fraction(-1), None),
            Line((outer.scale[o],), (outer.shift[o],)),
        ]
        assert found[o].tolist() == _expected(functions, -9, 9)


def test_uniform_cuts_lie_half_way_between_levels() -> None:
    breakpoints = uniform_breakpoints(Encoding(2, Fraction(1, 3), Fraction(1, 7)))
    assert [breakpoints.bound(k) for k in range(3)] == [
        Fraction(1, 7) + Fraction(1, 3) * (k - Fraction(1, 2)) for k in (1, 2, 3)
    ]
    assert (breakpoints.rising, breakpoints.closed.all(), breakpoints.first, breakpoints.last) == (
        True,
        True,
        0,
        3,
    )


@pytest.mark.parametrize(
    ("value", "closed", "rising", "reached"),
    [(-1, True, True, 0), (0, True, True, 1), (0, False, True, 0), (5, True, True, 2), (2, True, False, 0)],
)
def test_reached_counts_the_cuts_beyond_which_a_value_lies(
    value: int, closed: bool, rising: bool, reached: int
) -> None:
    numerators = np.array([0, 3] if rising else [1, 0], dtype=object)
    breakpoints = Breakpoints(numerators, 1, np.array([closed, closed]), rising, 0, 2)
    assert breakpoints.reached(Fraction(value)) == reached
