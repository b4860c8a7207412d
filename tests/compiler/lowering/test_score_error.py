"""The error of scores: the bound that is stated, held to every accumulator; and steps that keep it small."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bcsim.common.metadata import SCORE_ERROR_KEY
from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Affine, Dense, Graph, Sign
from bcsim.compiler.lowering.linear import Linear
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.lowering.piecewise import Line
from bcsim.compiler.lowering.score_error import score_error
from bcsim.compiler.program.layers import Divide, Encoding, Search
from bcsim.execution.execute import execute

PIXEL = Encoding(2, Fraction(1), Fraction(0))


def network(scale: list[float], shift: list[float], seed: int) -> Graph:
    rng = np.random.default_rng(seed)
    first, second = (rng.choice([-1, 1], size).astype(np.int16) for size in ((9, 6), (len(scale), 9)))
    nodes = (
        Dense("a", "MatMul", ("x",), "a", first, np.ones(9)),
        Sign("s", "Sign", ("a",), "s"),
        Dense("b", "MatMul", ("s",), "b", second, np.ones(len(scale))),
        Affine("y", "Add", ("b",), "y", np.array(scale), np.array(shift)),
    )
    return Graph("net", "x", (6,), nodes, "y")


@pytest.mark.parametrize("seed", range(6))
def test_no_score_of_any_input_is_further_off_than_stated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = network(rng.uniform(-3, 3, 4).tolist(), rng.uniform(-2, 2, 4).tolist(), seed)
    program = lower(graph, pixel=PIXEL)
    assert program.exact
    stated = float(program.metadata[SCORE_ERROR_KEY])
    q = np.array(np.meshgrid(*[range(4)] * 6)).reshape(6, -1).T.astype(np.uint8)
    scores = program.layers[-1].target.decode(execute(program, q).scores)
    real = evaluate_graph(graph, q.astype(float))["y"]
    worst = np.abs(scores - real).max()
    assert worst <= stated * (1 + 1e-9)
    ordered = np.sort(real, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 2 * stated
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(scores.argmax(axis=1)[clear], real.argmax(axis=1)[clear])


def test_scores_on_one_lattice_are_not_off_at_all() -> None:
    program = lower(network([0.5, 0.5, 0.5], [0.0, 1.5, -1.0], 1), pixel=PIXEL)
    assert program.metadata[SCORE_ERROR_KEY] == "0.0"


def test_rounded_programs_state_none() -> None:
    images = np.random.default_rng(0).integers(0, 4, (20, 6)).astype(float)
    graph = network([1.0, 2.0], [0.0, 0.1], 2)
    without = replace(graph, nodes=tuple(node for node in graph.nodes if node.op != "Sign"))
    rewired = replace(
        without, nodes=(without.nodes[0], replace(without.nodes[1], inputs=("a",)), without.nodes[2])
    )
    assert SCORE_ERROR_KEY not in lower(rewired, pixel=PIXEL, calibration=images).metadata
    lying = replace(rewired, metadata={SCORE_ERROR_KEY: "0.0"})
    assert SCORE_ERROR_KEY not in lower(lying, pixel=PIXEL, calibration=images).metadata


def test_steps_too_fine_for_a_divisor_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gains of 1.7 and 500: the finest steps leave a divisor of a few bits, and with it an error of many steps."""
    graph = network([500.3, -1.7], [0.0, 1 / 3], 3)
    chosen = lower(graph, pixel=PIXEL)
    monkeypatch.setattr("bcsim.compiler.lowering.score_error.MOST_THRESHOLDS", 0)
    finest = lower(graph, pixel=PIXEL)
    assert chosen.exact
    assert chosen.layers[-1].target.scale > finest.layers[-1].target.scale
    errors = [float(program.metadata[SCORE_ERROR_KEY]) for program in (chosen, finest)]
    assert errors[0] < errors[1] / 2


def test_the_error_is_that_of_the_worst_accumulator() -> None:
    line = Line((Fraction(1),), (Fraction(1, 4),))
    linear = Linear(np.ones((1, 3), np.int16), PIXEL, line, ())
    encoding = Encoding(16, Fraction(1), Fraction(0))
    exact = Divide(16, 0, np.array([0]), np.array([1]))
    assert score_error(linear, encoding, exact, 0, 9) == 0.25
    assert score_error(linear, encoding, replace(exact, offset=np.array([2])), 0, 9) == 2.25
    table = Search(16, np.minimum(np.arange(1, 1 << 16), 10)[None].astype(np.int64))
    assert score_error(linear, encoding, table, 0, 9) == 0.25
