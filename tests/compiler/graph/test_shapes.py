"""Shapes of tensors: those that the evaluator gives."""

import numpy as np
import pytest

from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Reshape, Transpose
from bcsim.compiler.graph.shapes import count_accumulations, image_shape, tensor_shapes
from tests.compiler.nets import Net


def test_every_tensor_has_the_shape_of_its_values() -> None:
    net = Net(np.random.default_rng(0), (5, 7, 4))
    t = net.append(Transpose, ["x"], (2, 0, 1))
    t = net.conv(t, 6, (3, 2), (2, 1), (0, 1, 2, 3), groups=2)
    t = net.max_pool(net.norm(t), (2, 3), (1, 2))
    t = net.add(t, net.relu(t))
    t = net.concat(t, net.conv(t, 2, (1, 1)))
    t = net.average(t, (2, 2), (1, 1), (1, 0, 0, 1))
    t = net.append(Reshape, [net.dense(net.flatten(t), 6)], (6, 1, 1))
    graph = net.end(t)
    values = evaluate_graph(graph, np.zeros((1, 5, 7, 4)))
    assert tensor_shapes(graph) == {name: value.shape[1:] for name, value in values.items()}


def test_accumulations_are_weights_times_positions() -> None:
    net = Net(np.random.default_rng(0), (4, 6, 5))
    t = net.max_pool(net.conv("x", 8, (3, 2), groups=2))
    assert count_accumulations(net.end(t)) == 8 * 2 * 3 * 2 * 4 * 4 + 3 * 8 * 2 * 2


@pytest.mark.parametrize(("shape", "image"), [((5,), (5, 1, 1)), ((3, 4, 2), (3, 4, 2))])
def test_a_flat_tensor_is_an_image_of_one_position(
    shape: tuple[int, ...], image: tuple[int, int, int]
) -> None:
    assert image_shape(shape) == image
