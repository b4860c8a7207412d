"""Means of many values in the dense layer behind them: exact, without calibration."""

from __future__ import annotations

import numpy as np
import pytest

from bcsim.compiler.graph.nodes import AveragePool, Graph
from bcsim.compiler.lowering import merged_means
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.lowering.merged_means import merge_means
from bcsim.compiler.lowering.prepare import prepare_graph
from tests.bcsim.simulator.test_simulator_lowered import check as check_machine
from tests.compiler.nets import PIXEL, Net, check_exact


def averaged(side: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int] | None = None) -> Graph:
    """The mean of a 3-bit image, which no 8 bits hold, and dense layers."""
    net = Net(np.random.default_rng(0), (2, *side))
    t = net.quant(net.conv("x", 4, (1, 1)), 0.25, -4, 3)
    return net.end(net.bipolar(net.dense(net.flatten(net.average(t, kernel, stride or kernel)), 5)))


@pytest.mark.parametrize(("side", "kernel"), [((9, 7), (9, 7)), ((12, 12), (6, 12)), ((16, 16), (16, 16))])
def test_a_mean_that_would_be_rounded_is_summed_by_the_dense_layer(
    side: tuple[int, int], kernel: tuple[int, int]
) -> None:
    graph = averaged(side, kernel)
    program = lower(graph, pixel=PIXEL)
    assert len(program.layers) == 3
    assert program.layers[1].inputs == 4 * side[0] * side[1]
    check_exact(program, graph, PIXEL)
    check_machine(graph)


def test_a_mean_of_few_values_stays_a_layer() -> None:
    program = lower(averaged((4, 4), (4, 4)), pixel=PIXEL)
    assert len(program.layers) == 4
    assert program.exact


@pytest.mark.parametrize("kind", ["overlapping", "cut", "large"])
def test_other_means_stay(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "large":
        monkeypatch.setattr(merged_means, "MOST_WEIGHTS", 1000)
    graph = averaged(
        (13, 12), (13, 12) if kind == "large" else (12, 12), (1, 1) if kind == "overlapping" else None
    )
    prepared = prepare_graph(graph)
    pool = next(node for node in prepared.nodes if isinstance(node, AveragePool))
    assert merge_means(prepared, {pool.output}) is prepared
