"""What stands behind a Flatten or Reshape of several positions: every integer equals the file's own order."""

from __future__ import annotations

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Conv, Dense, Graph, Positions
from bcsim.compiler.graph.shapes import tensor_shapes
from bcsim.compiler.lowering import unrolled
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.lowering.prepare import prepare_graph
from bcsim.compiler.program.check import check_program
from bcsim.compiler.program.layers import Program
from tests.bcsim.simulator.test_simulator_lowered import check as check_machine
from tests.compiler.nets import PIXEL, Net, check_exact, random_levels, run_levels


def _image(net: Net) -> str:
    """A convolution of any shape, some of it normalised, pooled or quantised."""
    rng = net.rng
    t = net.conv("x", int(rng.integers(1, 5)), (3, 2), (1, int(rng.integers(1, 3))), (1, 0, 1, 1))
    for step in rng.permutation(["norm", "relu", "pool", "quant"])[: rng.integers(0, 3)]:
        if step == "pool":
            t = net.max_pool(t, (2, 1), (1, 1))
        else:
            t = net.quant(t, 0.5, -3, 4) if step == "quant" else getattr(net, step)(t)
    return t


def _by_position(net: Net, flat: str, image: str) -> str:
    """Elementwise nodes on a flattened image, alike for a channel or different at each of its positions."""
    rng, kinds = net.rng, {type(node).__name__ for node in net.nodes}
    channels, *size = tensor_shapes(net.graph(flat))[image]
    repeated = np.repeat(rng.choice([-0.5, 1.0, 2.0], channels), np.prod(size))
    kind = rng.integers(4)
    if kind == 0:
        return net.affine(flat, repeated, repeated / 2)
    # What differs between positions behind a maximum of values that are not quantised is rounded: not exact.
    if kind == 1 or "MaxPool" in kinds:
        return net.relu(flat)
    return net.norm(flat) if kind == 2 else net.thresholds(flat)


def random_flattened(seed: int) -> Graph:
    net = Net(np.random.default_rng(seed), (2, 6, 5))
    image = _image(net)
    t = _by_position(net, net.flatten(image), image)
    kind = net.rng.integers(3)
    t = net.sign(t) if kind == 0 else net.bipolar(t) if kind == 1 else net.quant(t, 0.5, -2, 1)
    return net.graph(net.dense(t, 3))


@pytest.mark.parametrize("seed", range(40))
def test_elementwise_nodes_behind_a_flatten(seed: int) -> None:
    graph = random_flattened(seed)
    program = lower(graph, pixel=PIXEL)
    check_program(program)
    check_exact(program, graph, PIXEL)


@pytest.mark.parametrize("seed", range(8))
def test_the_machine_runs_them(seed: int) -> None:
    check_machine(random_flattened(seed))


@pytest.mark.parametrize("kind", ["add", "concat"])
def test_flattened_images_are_joined_as_images(kind: str) -> None:
    net = Net(np.random.default_rng(0), (2, 5, 4))
    a, b = (net.flatten(net.quant(net.conv("x", 3, (2, 2)), 0.5, -2, 1)) for _ in range(2))
    graph = net.graph(net.dense(net.bipolar(net.add(a, b) if kind == "add" else net.concat(a, b)), 3))
    check_exact(lower(graph, pixel=PIXEL), graph, PIXEL)
    assert not any(isinstance(node, Positions) for node in prepare_graph(graph).nodes)


@pytest.mark.parametrize("kind", ["add", "concat"])
def test_a_flattened_image_meets_a_flat_tensor(kind: str) -> None:
    net = Net(np.random.default_rng(1), (2, 5, 4))
    image = net.quant(net.conv("x", 3, (2, 2)), 0.5, -2, 1)
    flat = net.quant(net.dense(net.flatten("x"), 36 if kind == "add" else 7), 0.5, -2, 1)
    joined = net.add(net.flatten(image), flat) if kind == "add" else net.concat(net.flatten(image), flat)
    graph = net.graph(net.dense(net.quant(joined, 0.5, -4, 3), 3))
    check_exact(lower(graph, pixel=PIXEL), graph, PIXEL)
    check_machine(graph)


def _scores(graph: Graph, program: Program) -> None:
    levels = random_levels(graph, PIXEL)
    found = program.layers[-1].target.decode(run_levels(program, levels)[program.layers[-1].name])
    expected = evaluate_graph(graph, PIXEL.decode(levels))[graph.output]
    step = float(program.layers[-1].target.scale)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=0, atol=step)
    np.testing.assert_array_equal(found.reshape(expected.shape).argmax(axis=1), expected.argmax(axis=1))


def test_scores_of_a_flattened_image_stand_in_the_file_s_order() -> None:
    net = Net(np.random.default_rng(2), (2, 5, 4))
    graph = net.graph(net.flatten(net.conv(net.bipolar(net.conv("x", 4)), 2, (2, 1))))
    program = lower(graph, pixel=PIXEL)
    assert program.classes == 8
    _scores(graph, program)


def test_reshapes_that_undo_a_flatten_are_none() -> None:
    net = Net(np.random.default_rng(3), (2, 6, 5))
    t = net.relu(net.flatten(net.conv("x", 3, (3, 3))))
    t = net.conv(net.bipolar(net.reshape(t, 3, 4, 3)), 4, (2, 2))
    graph = net.end(net.quant(net.reshape(net.flatten(t), 4, 3, 2), 0.5, -2, 1))
    check_exact(lower(graph, pixel=PIXEL), graph, PIXEL)


def test_a_shape_that_is_not_the_layer_s_is_refused() -> None:
    net = Net(np.random.default_rng(3), (2, 6, 5))
    t = net.norm(net.reshape(net.conv("x", 3, (3, 3)), 6, 2, 3))
    with pytest.raises(BcsimError, match=r"^Node 'reshape1' \(Reshape\) cannot be lowered"):
        lower(net.end(net.bipolar(t)), pixel=PIXEL)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_whose_positions_differ_becomes_a_dense_layer(groups: int) -> None:
    net = Net(np.random.default_rng(4), (2, 6, 5))
    t = net.relu(net.norm(net.conv("x", 4, (3, 2), (2, 1), (1, 2, 0, 1), groups, values=(-2, 0, 1))))
    graph = net.graph(net.dense(net.bipolar(net.norm(net.flatten(t))), 3))
    assert [type(node) for node in prepare_graph(graph).nodes if isinstance(node, Dense | Conv)] == [
        Dense
    ] * 2
    check_exact(lower(graph, pixel=PIXEL), graph, PIXEL)


def test_one_too_large_is_rounded_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unrolled, "MOST_WEIGHTS", 100)
    net = Net(np.random.default_rng(5), (2, 6, 5))
    t = net.flatten(net.relu(net.conv("x", 4)))
    graph = net.graph(net.dense(net.bipolar(net.norm(t)), 3))
    images = PIXEL.decode(random_levels(graph, PIXEL, 40))
    program = lower(graph, pixel=PIXEL, calibration=images)
    assert "Tensor 'relu1' is rounded to 8 bits before 'flatten2' (Flatten)" in program.notes
    assert not program.exact
