"""What the host does before the first layer."""

import numpy as np

from bcsim.compiler.graph.nodes import Graph, Reshape, Transpose
from bcsim.compiler.lowering.input_path import InputPath, follow_input
from tests.compiler.nets import Net


def path(net: Net, output: str) -> InputPath:
    graph: Graph = net.graph(output)
    return follow_input(graph, list(graph.nodes))


def test_it_ends_at_the_first_operation_that_is_not_the_hosts() -> None:
    net = Net(np.random.default_rng(0), (2, 4, 4))
    found = path(net, net.conv(net.bipolar(net.affine("x", 2.0, 1.0)), 3))
    assert (found.tensor, found.order) == ("bipolar1", None)
    assert [node.name for node in found.elementwise] == ["affine0", "bipolar1"]


def test_operations_that_differ_between_channels_are_not_the_hosts() -> None:
    net = Net(np.random.default_rng(0), (2, 4, 4))
    assert path(net, net.conv(net.affine("x", [1.0, 2.0]), 3)).tensor == "x"


def test_an_input_with_two_readers_is_streamed_itself() -> None:
    net = Net(np.random.default_rng(0), (2, 4, 4))
    assert path(net, net.add(net.affine("x", 2.0), net.affine("x", 3.0))).members == ()


def test_views_give_an_order() -> None:
    net = Net(np.random.default_rng(0), (12,))
    t = net.append(Transpose, [net.append(Reshape, ["x"], (3, 2, 2))], (2, 0, 1))
    found = path(net, net.conv(net.relu(t), 3, (1, 1)))
    assert found.tensor == "relu2"
    assert [node.name for node in found.members] == ["reshape0", "transpose1", "relu2"]
    assert found.order is not None
    assert found.order.tolist() == list(range(12))


def test_a_flattened_image_keeps_its_order() -> None:
    net = Net(np.random.default_rng(0), (2, 2, 3))
    assert path(net, net.dense(net.flatten("x"), 3)).order is None
