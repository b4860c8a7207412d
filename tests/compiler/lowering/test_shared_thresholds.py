"""Thresholds that outputs share, held to those of every output alone; maps of scores compile with a row a channel."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.lowering import linear as linear_module
from bcsim.compiler.lowering.linear import Linear, to_linear
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.lowering.piecewise import Bend, Line, PiecewiseFunction, Steps
from bcsim.compiler.lowering.score_error import score_error
from bcsim.compiler.lowering.shared_thresholds import alike, of_outputs
from bcsim.compiler.program.layers import Divide, Encoding
from tests.compiler.lowering.test_score_error import network

SOURCE, TARGET = Encoding(2, Fraction(1, 2), Fraction(0)), Encoding(4, Fraction(1, 4), Fraction(-2))
CHANNELS, POSITIONS = 3, 5
OUTPUTS = CHANNELS * POSITIONS


def spread(rng: np.random.Generator, low: int, high: int) -> tuple[Fraction, ...]:
    """A value for each channel, at every position."""
    values = [Fraction(int(n), 8) for n in rng.integers(low, high, CHANNELS)]
    return tuple(value for value in values for _ in range(POSITIONS))


def any_chain(seed: int) -> tuple[Linear, list[PiecewiseFunction]]:
    """A layer whose channels have parameters of their own, weights that differ between positions too."""
    rng = np.random.default_rng(seed)
    rows = tuple(tuple(sorted(Fraction(int(n), 4) for n in rng.integers(-8, 8, 2))) for _ in range(CHANNELS))
    steps = Steps(
        (Fraction(-1), Fraction(0), Fraction(1)),
        tuple(row for row in rows for _ in range(POSITIONS)),
        ((True, True),),
    )
    functions: list[PiecewiseFunction] = [Line(spread(rng, 1, 9), spread(rng, -9, 9))]
    functions += [[Bend(spread(rng, 0, 8), "exact")], [steps], []][seed % 3]
    functions += [Line((Fraction(3, 2),), spread(rng, -4, 4))]
    weights = rng.choice(np.int16([-1, 1]), (OUTPUTS, 4))
    return to_linear(weights, [Fraction(1, 2)], functions, SOURCE), functions


@pytest.mark.parametrize("pulled", [0, 1 << 40])
@pytest.mark.parametrize("seed", range(9))
def test_every_output_has_the_thresholds_that_it_has_alone(
    seed: int, pulled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear_module, "MOST_PULLED", pulled)
    layer, _ = any_chain(seed)
    shared = layer.thresholds(TARGET)
    assert len(shared.rows) <= CHANNELS
    assert shared.size == OUTPUTS * 15
    assert shared.outputs.sum() == OUTPUTS
    lowest, highest = layer.bounds()
    for output in range(OUTPUTS):
        line, *rest = of_outputs([layer.line, *layer.functions], np.array([output]))
        assert isinstance(line, Line)
        alone = replace(layer, weights=layer.weights[[output]], line=line, functions=tuple(rest))
        ends = int(lowest[output]), int(highest[output]) + 1
        np.testing.assert_array_equal(
            np.clip(shared.each()[output], *ends), np.clip(alone.thresholds(TARGET).rows[0], *ends)
        )


def test_outputs_that_differ_in_one_parameter_are_not_alike() -> None:
    one = Fraction(1)
    line = Line((one, one, one, one), (one, one, Fraction(2), one))
    steps = Steps((one, one * 2), ((one,), (one,), (one,), (one,)), ((True,), (True,), (True,), (False,)))
    first, group = alike([line, steps], 4)
    assert (first.tolist(), group.tolist()) == ([0, 2, 3], [0, 0, 1, 2])


def test_the_error_is_that_of_the_worst_output_of_those_alike() -> None:
    """Two outputs of one line: the second has the larger accumulators, and only there the division drifts."""
    line = Line((Fraction(1), Fraction(1)), (Fraction(0), Fraction(0)))
    weights = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], dtype=np.int16)
    layer = Linear(weights, Encoding(8, Fraction(1), Fraction(0)), line, ())
    drifting = Divide(16, 4, np.array([0, 0]), np.array([17, 17]))
    encoding = Encoding(16, Fraction(1), Fraction(0))
    assert score_error(layer, encoding, drifting, 0, 1020) == pytest.approx(1020 - 1020 * 16 // 17)


def test_scores_of_equal_gain_and_bias_are_counted_one_by_one() -> None:
    program = lower(network([1.0] * 4, [0.25] * 4, 5), pixel=Encoding(2, Fraction(1), Fraction(0)))
    assert int(program.metadata["bcsim.checked_thresholds"]) == 4 * 65_535 + 9 * 3
