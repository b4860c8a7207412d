"""Sums of quantisers of one tensor: one quantiser, exact, with the bits that its reached values need."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Affine, Graph, Sign
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.lowering.prepare import prepare_graph
from bcsim.compiler.lowering.step_sums import StepSum
from bcsim.compiler.program.layers import Encoding, Program
from tests.bcsim.simulator.test_simulator_lowered import check as check_machine
from tests.compiler.nets import PIXEL, Net, check_exact


def signs(net: Net, t: str, thresholds: list[NDArray[np.float64]], gain: object = 1.0) -> str:
    """Sign(gain * (t - a)) + Sign(gain * (t - b)) + ..., nested to the left."""
    parts = [net.sign(net.affine(net.affine(t, 1.0, -bound), gain)) for bound in thresholds]
    total = parts[0]
    for part in parts[1:]:
        total = net.add(total, part)
    return total


def sums(graph: Graph) -> int:
    return sum(isinstance(node, StepSum) for node in prepare_graph(graph).nodes)


def lowered(net: Net, t: str) -> Program:
    graph = net.end(t)
    program = lower(graph, pixel=PIXEL)
    check_exact(program, graph, PIXEL)
    check_machine(graph)
    return program


@pytest.mark.parametrize(("count", "bits"), [(2, 2), (3, 2), (7, 3), (15, 4)])
def test_thresholds_between_the_accumulators_leave_no_zeros(count: int, bits: int) -> None:
    net = Net(np.random.default_rng(count), (3, 5, 4))
    t = net.conv("x", 4)
    # The pixels are multiples of 1/4 and so is a scale, so that no sum is an odd multiple of 1/32.
    bounds = [np.sort(net.rng.integers(-99, 99, 4) / 16 + 1 / 32) for _ in range(count)]
    program = lowered(net, signs(net, t, bounds))
    assert program.layers[0].target == Encoding(bits, Fraction(2), Fraction(-count))
    assert len(program.layers) == 2


@pytest.mark.parametrize("seed", range(12))
def test_any_order_ties_and_falling_channels(seed: int) -> None:
    net = Net(np.random.default_rng(seed), (2, 5, 4))
    t = net.conv("x", 3)
    bounds = [net.rng.integers(-3, 4, 3) / 4 for _ in range(3)]
    t = signs(net, t, bounds, net.rng.choice([-1.0, 0.5], 3) if seed % 2 else 1.0)
    graph = net.end(net.affine(t, 0.25, 1.0) if seed % 3 else t)
    assert sums(graph) == 1
    lowered(net, graph.nodes[-1].inputs[0])


def test_quantisers_of_unlike_steps() -> None:
    net = Net(np.random.default_rng(1), (2, 5, 4))
    t = net.conv("x", 3)
    t = net.add(net.affine(net.bipolar(net.affine(t, 1.0, 0.125)), 1.5), net.quant(t, 0.5, -2, 1))
    lowered(net, t)
    assert sums(net.end(t)) == 1


def test_behind_a_flatten_with_thresholds_at_every_position() -> None:
    net = Net(np.random.default_rng(2), (2, 4, 4))
    t = net.flatten(net.conv("x", 3))
    lowered(net, signs(net, t, [net.rng.integers(-5, 6, 12) / 4 for _ in range(2)]))


def test_at_the_network_s_input_the_host_sums_them() -> None:
    net = Net(np.random.default_rng(3), (6,))
    graph = net.graph(net.dense(signs(net, "x", [np.array(-0.1), np.array(0.6)]), 3))
    program = lower(graph, pixel=PIXEL)
    assert program.input.stream == Encoding(2, Fraction(2), Fraction(-2))
    check_exact(program, graph, PIXEL)


def test_what_rises_and_falls_stays_an_addition() -> None:
    net = Net(np.random.default_rng(4), (2, 4, 4))
    t = net.conv("x", 3)
    t = net.add(net.sign(t), net.sign(net.affine(t, -1.0, 0.5)))
    assert sums(net.end(t)) == 0


def test_a_branch_that_others_read_stays() -> None:
    net = Net(np.random.default_rng(5), (2, 4, 4))
    t = net.conv("x", 3)
    a, b = net.sign(t), net.sign(net.affine(t, 1.0, 0.5))
    assert sums(net.end(net.add(net.add(a, b), a))) == 0


def test_the_sum_is_evaluated_as_its_branches() -> None:
    net = Net(np.random.default_rng(6), (4,))
    graph = net.end(signs(net, net.dense("x", 3), [np.array([-1.0, 0.0, 1.0]), np.array(0.25)]))
    prepared = prepare_graph(graph)
    assert not any(isinstance(node, Affine | Sign) for node in prepared.nodes)
    x = PIXEL.decode(net.rng.integers(0, 8, (20, 4)))
    np.testing.assert_array_equal(
        evaluate_graph(prepared, x)[prepared.output], evaluate_graph(graph, x)[graph.output]
    )
