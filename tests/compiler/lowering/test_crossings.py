"""Thresholds found by search beside those of breakpoints pulled back one by one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.curves import CURVES
from bcsim.compiler.lowering import crossings, linear
from bcsim.compiler.lowering.curves import curve_of
from bcsim.compiler.lowering.linear import Linear, to_linear
from bcsim.compiler.lowering.pieces import Pieces
from bcsim.compiler.lowering.piecewise import Bend, Limit, Line, PiecewiseFunction, Smooth, Steps, Whole
from bcsim.compiler.lowering.whole_numbers import with_steps
from bcsim.compiler.program.layers import Encoding

OUTPUTS = 3
SOURCE = Encoding(4, Fraction(1, 8), Fraction(-1))


def some(rng: np.random.Generator, low: int, high: int, parts: int, many: bool) -> tuple[Fraction, ...]:
    return tuple(Fraction(int(n), parts) for n in rng.integers(low, high, OUTPUTS if many else 1))


def any_function(rng: np.random.Generator, curves: list[str]) -> PiecewiseFunction:
    kind = rng.integers(7)
    if kind == 0:
        return Limit(Fraction(int(rng.integers(-9, 0)), 4), Fraction(int(rng.integers(1, 9)), 4))
    if kind == 1:
        return Bend(some(rng, 0, 9, 8, bool(rng.integers(2))), str(rng.choice(["exact", "float16"])))
    if kind == 2:
        bounds = tuple(tuple(sorted(some(rng, -20, 20, 8, True))) for _ in range(OUTPUTS))
        values = tuple(Fraction(n, 4) for n in range(-1, OUTPUTS))
        return Steps(
            values, bounds, tuple(tuple(row) for row in [[True] * OUTPUTS, [False] * OUTPUTS] * 2)[:3]
        )
    if kind == 6:
        return any_pieces(rng)
    if kind == 3:
        return Whole(str(rng.choice(["ROUND", "HALF_UP", "FLOOR", "CEIL", "ROUND_TO_ZERO"])))
    kinds = ["exact", "float32", "float16", "bfloat16"]
    return Smooth(curve_of(str(rng.choice(curves))), str(rng.choice(kinds)), "Node 'n' (Curve)")


def any_pieces(rng: np.random.Generator) -> Pieces:
    """Up to four lines, each of which begins at the end of the one before or above it."""
    bounds = tuple(sorted({Fraction(int(n), 4) for n in rng.integers(-8, 9, int(rng.integers(1, 4)))}))
    scale = tuple(Fraction(int(n), 4) for n in rng.integers(0, 9, len(bounds) + 1))
    shift = [Fraction(0)]
    for k, bound in enumerate(bounds):
        jump = Fraction(int(rng.integers(0, 3)), 3)
        shift.append(scale[k] * bound + shift[k] + jump - scale[k + 1] * bound)
    return Pieces(scale, tuple(shift), bounds, tuple(bool(n) for n in rng.integers(0, 2, len(bounds))))


def any_line(rng: np.random.Generator) -> Line:
    many = bool(rng.integers(2))
    signs = int(rng.choice([-1, 1]))
    scale = tuple(signs * (abs(f) + Fraction(1, 8)) for f in some(rng, -16, 17, 8, many))
    return Line(scale, some(rng, -16, 17, 8, bool(rng.integers(2))))


def any_linear(seed: int) -> Linear:
    rng = np.random.default_rng(seed)
    functions: list[PiecewiseFunction] = [any_line(rng)]
    for _ in range(rng.integers(1, 4)):
        functions += [any_function(rng, sorted(CURVES)), any_line(rng)]
    if rng.integers(2):
        functions.pop()
    weights = rng.integers(-2, 3, (OUTPUTS, 5)).astype(np.int16)
    return to_linear(weights, [Fraction(1, 4)], with_steps(functions), SOURCE)


def found(layer: Linear, target: Encoding, pulled: int, monkeypatch: pytest.MonkeyPatch) -> np.ndarray | str:
    """The thresholds, clipped to each output's accumulators, or the refusal."""
    monkeypatch.setattr(linear, "MOST_PULLED", pulled)
    try:
        shared = layer.thresholds(target)
    except BcsimError as error:
        return str(error)
    thresholds = shared.each()
    assert shared.low <= thresholds.min()
    assert thresholds.max() <= shared.high + 1
    lowest, highest = layer.bounds()
    return np.clip(thresholds, lowest[:, None], highest[:, None] + 1)


@pytest.mark.parametrize("seed", range(150))
def test_a_search_finds_what_pulling_back_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = any_linear(seed)
    step, start = Fraction(1, int(2 ** (seed % 6))), Fraction(-(seed % 7), 2)
    target = Encoding(4 if seed % 3 else 6, step, start)
    wanted, searched = (found(layer, target, most, monkeypatch) for most in (1 << 40, 0))
    assert type(wanted) is type(searched), (wanted, searched)
    assert np.array_equal(wanted, searched) if isinstance(wanted, np.ndarray) else wanted == searched


def test_a_bisection_finds_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossings, "GRID", 3)
    for seed in range(30):
        layer, target = any_linear(seed), Encoding(5, Fraction(1, 4), Fraction(-2))
        wanted, searched = (found(layer, target, most, monkeypatch) for most in (1 << 40, 0))
        assert np.array_equal(wanted, searched), seed


def test_values_within_rounding_of_a_threshold_are_computed_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Softsign(1/2), 1/3 and others lie on the breakpoints themselves."""
    softsign = Smooth(curve_of("Softsign"), "exact", "Node 'n' (Softsign)")
    layer = to_linear(
        np.ones((1, 5), np.int16), [Fraction(1)], [softsign, Line((Fraction(1),), (Fraction(0),))], SOURCE
    )
    target = Encoding(8, Fraction(1, 60), Fraction(1, 120) - 1)
    spent: list[int] = []
    before = crossings._Budget.spend
    monkeypatch.setattr(crossings._Budget, "spend", lambda self: (spent.append(1), before(self))[1])
    wanted, searched = (found(layer, target, most, monkeypatch) for most in (1 << 40, 0))
    assert np.array_equal(wanted, searched)
    assert 5 <= len(spent) <= 60


def test_work_is_bounded_where_floats_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossings, "MOST_EXACT", 8)
    monkeypatch.setattr(crossings._Budget.__init__, "__defaults__", (8,))
    fine = Fraction(1, 1 << 60)
    layer = to_linear(
        np.ones((1, 5), np.int16),
        [fine],
        [Line((Fraction(1),), (Fraction(1),)), Smooth(curve_of("Tanh"), "exact", "Node 'n' (Tanh)")],
        SOURCE,
    )
    ends = [curve_of("Tanh").forward(1 + x * fine) for x in (-5, 5)]
    target = Encoding(8, (ends[1] - ends[0]) / 255, ends[0])
    told = found(layer, target, 0, monkeypatch)
    assert told == (
        "Node 'n' (Tanh): more than 8 of the values before it lie within rounding of a threshold; accepted are steps "
        "that float64 tells apart"
    )
