"""Residual additions of int8 networks, whose branches have steps of their own: added by weights, not rounded."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Graph
from bcsim.compiler.lowering.linear_operators import LinearOperator
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.lowering.weighed_additions import weigh_sources
from bcsim.compiler.program.check import check_program
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import Encoding
from bcsim.compiler.program.onnx_format import load_program, save_program
from tests.bcsim.simulator.test_simulator_lowered import check as check_machine
from tests.compiler.nets import PIXEL, Net, channels_last, check_exact, random_levels, run_levels

INT8 = (-128, 127)


def residual(seed: int, scales: tuple[float, float, float], blocks: int = 1) -> Graph:
    """Blocks of a convolution of 8-bit weights and an addition, each tensor with a scale of its own."""
    net = Net(np.random.default_rng(seed), (2, 6, 5))
    own, branch, total = scales
    t = net.quant(net.conv("x", 6, (3, 3), pads=(1, 1, 1, 1)), own, *INT8)
    for block in range(blocks):
        b = net.conv(t, 6, (3, 3), pads=(1, 1, 1, 1), values=[-90, -7, 0, 31, 127])
        b = net.quant(net.affine(b, 1 / 256), branch * (1 + block / 7), *INT8)
        t = net.quant(net.relu(net.add(b, t)), total * (1 + block / 5), 0, 255)
    return net.end(t)


@pytest.mark.parametrize("scales", [(3 / 64, 2 / 64, 1 / 16), (1 / 16, 1 / 4, 1 / 8)])
def test_steps_in_a_ratio_of_small_integers_are_exact(scales: tuple[float, float, float]) -> None:
    graph = residual(1, scales)
    program = lower(graph, pixel=PIXEL)
    assert program.exact
    assert not [note for note in program.notes if "adds values" in note]
    check_program(program)
    check_exact(program, graph, PIXEL)
    check_machine(graph)


@pytest.mark.parametrize("seed", range(6))
def test_unlike_steps_change_few_values_and_by_one_step(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = residual(seed, tuple(np.float32(rng.uniform(0.005, 0.08, 3)).astype(float)), blocks=2)  # type: ignore[arg-type]
    program, levels = lower(graph, pixel=PIXEL), random_levels(graph, PIXEL, 40)
    assert all(layer.name.startswith(("add", "dense")) or layer.exact for layer in program.layers)
    expected, found = evaluate_graph(graph, PIXEL.decode(levels)), run_levels(program, levels)
    sums = next(layer for layer in program.layers if layer.name.startswith("add"))
    signal = channels_last(expected[sums.float_output])
    steps = np.abs(sums.target.decode(found[sums.name]) - signal) / float(sums.target.scale)
    assert steps.max() <= 1 + 1e-6
    assert (steps > 0.5).mean() < 0.002
    note = next(note for note in program.notes if sums.name in note)
    assert "adds values of the steps" in note


def test_the_machine_and_a_stored_program_give_the_same(tmp_path: object) -> None:
    graph = residual(3, (0.0371, 0.0123, 0.031), blocks=2)
    program = lower(graph, pixel=PIXEL)
    save_program(program, tmp_path / "p.onnx")  # type: ignore[operator]
    again = load_program(tmp_path / "p.onnx")  # type: ignore[operator]
    check_program(again)
    levels = random_levels(graph, PIXEL)
    for name, values in run_levels(program, levels).items():
        np.testing.assert_array_equal(run_levels(again, levels)[name], values)
    check_machine(graph)


def test_a_tensor_of_few_bits_is_copied_for_the_addition_and_stays_as_it_is_for_others() -> None:
    net = Net(np.random.default_rng(4), (2, 6, 5))
    a = net.affine(net.bipolar(net.affine(net.conv("x", 6), 1.0, 0.125)), 0.3)
    b = net.quant(net.conv(a, 6, (1, 1)), 0.5, *INT8)
    graph = net.end(net.quant(net.add(a, b), 1.0, -8, 7))
    program = lower(graph, pixel=PIXEL)
    layers = {layer.name: layer for layer in program.layers}
    assert [layers["conv0"].target.bits, layers["conv4"].source.bits] == [1, 1]
    assert layers["affine3/8bit"].exact
    check_program(program)
    check_machine(graph)


def test_weights_follow_the_ratio() -> None:
    operator = LinearOperator(np.ones((3, 2), np.int16), (Fraction(1),), Geometry(2, 2, (3, 3), groups=3))
    encodings = [Encoding(8, Fraction(1, 100), Fraction(-1)), Encoding(8, Fraction(3, 100), Fraction(2))]
    found = weigh_sources(operator, encodings)
    assert (found.weights, found.error, found.offset) == ((1, 3), 0, 1)
    assert found.operator.scale == (Fraction(1, 100),)
    far = [Encoding(8, Fraction(314159, 10**9), Fraction(0)), Encoding(8, Fraction(1, 3), Fraction(0))]
    assert 0 < weigh_sources(operator, far).error <= Fraction(1, 1024)
