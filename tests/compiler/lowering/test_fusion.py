"""Fusion: where one layer ends and the next begins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bcsim.compiler.graph.nodes import Graph, Reshape
from bcsim.compiler.lowering.fusion import FusedLayer, fuse_layers
from bcsim.compiler.program.geometry import Pool
from tests.compiler.exact import affine, chain_graph, dense, relu
from tests.compiler.nets import Net


def layers(graph: Graph) -> dict[str, FusedLayer]:
    return {layer.name: layer for layer in fuse_layers(graph).layers}


def test_a_layer_runs_to_the_next_linear_layer() -> None:
    found = fuse_layers(chain_graph([affine(2.0), dense([[1, 1]]), relu(), dense([[1]])], 2))
    assert [node.name for node in found.path.elementwise] == ["affine"]
    assert [layer.name for layer in found.layers] == ["dense", "dense#2"]
    assert [[node.name for node in layer.nodes] for layer in found.layers] == [["relu"], []]
    assert [(layer.sources, layer.output) for layer in found.layers] == [(("t0",), "t2"), (("t2",), "t3")]


def test_a_name_that_is_taken_is_not_given_again() -> None:
    graph = chain_graph([dense([[1]]), dense([[1]]), dense([[1]])], 1)
    taken = (replace(graph.nodes[0], name="dense#2"), *graph.nodes[1:])
    assert list(layers(replace(graph, nodes=taken))) == ["dense#2", "dense", "dense#3"]


def test_a_tensor_with_several_readers_ends_a_layer() -> None:
    net = Net(np.random.default_rng(0), (2, 4, 4))
    t = net.norm(net.conv("x", 2))
    found = layers(net.end(net.add(net.relu(t), t)))
    assert list(found) == ["conv0", "relu2", "add3", "dense5"]
    assert found["relu2"].linear is None
    assert (found["relu2"].sources, found["add3"].sources) == (("batchnorm1",), ("relu2", "batchnorm1"))


def test_a_second_pooling_behind_other_nodes_begins_a_layer() -> None:
    net = Net(np.random.default_rng(0), (2, 9, 9))
    t = net.max_pool(net.norm(net.max_pool(net.relu(net.conv("x", 2)))), (1, 2), (1, 1))
    found = layers(net.end(t))
    assert [(layer.name, layer.pool) for layer in found.values()] == [
        ("conv0", Pool((2, 2), (2, 2))),
        ("maxpool4", Pool((1, 2), (1, 1))),
        ("dense6", None),
    ]
    assert [node.name for node in found["conv0"].elementwise] == ["relu1", "batchnorm3"]
    assert [node.name for node in found["conv0"].behind_pool] == ["batchnorm3"]
    assert found["maxpool4"].behind_pool == ()


def test_concatenations_of_concatenations_are_read_part_by_part() -> None:
    net = Net(np.random.default_rng(0), (2, 4, 4))
    a, b, c = (net.relu(net.conv("x", 2)) for _ in range(3))
    found = layers(net.end(net.concat(a, net.concat(b, c))))
    assert found["dense9"].sources == ("relu1", "relu3", "relu5")


def test_a_concatenation_that_grouped_convolutions_read_is_a_layer() -> None:
    net = Net(np.random.default_rng(0), (2, 4, 4))
    a, b = (net.relu(net.conv("x", 2)) for _ in range(2))
    found = layers(net.end(net.conv(net.concat(a, b), 2, (1, 1), groups=2)))
    assert found["concat4"].sources == ("relu1", "relu3")
    assert found["conv5"].sources == ("concat4",)


def test_reshapes_that_only_drop_axes_of_size_one_are_seen_through() -> None:
    net = Net(np.random.default_rng(0), (2, 3, 3))
    t = net.append(Reshape, [net.flatten(net.conv("x", 4))], (4, 1, 1))
    found = layers(net.end(net.relu(t)))
    assert [node.name for node in found["conv0"].nodes] == ["relu3"]
