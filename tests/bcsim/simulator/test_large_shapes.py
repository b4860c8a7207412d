"""Sizes that networks have and records once had not: long sequences, large windows, strides and flattened lengths."""

from __future__ import annotations

import numpy as np
import pytest

from bcsim.compiler.graph.nodes import Graph
from bcsim.compiler.graph.shapes import tensor_shapes
from bcsim.compiler.lowering.lower import lower
from bcsim.execution.execute import execute
from bcsim.execution.raw_levels import arranged
from bcsim.machine.parameters import CONV
from bcsim.results.cost_report import map_enlarged
from bcsim.simulator.simulator import run_machine
from tests.compiler.nets import PIXEL, Net, random_levels


def sequence(length: int) -> tuple[Net, str]:
    """A sequence of one channel behind a convolution and a quantiser."""
    net = Net(np.random.default_rng(length), (1, 1, length))
    return net, net.bipolar(net.affine(net.conv("x", 4, (1, 3)), 1.0, 0.125))


def globally(net: Net, t: str, kind: str) -> Graph:
    """The maximum or the mean of all positions, quantised, and a dense layer."""
    _, rows, columns = tensor_shapes(net.graph(t))[t]
    if kind == "maximum":
        t = net.max_pool(t, (rows, columns), (rows, columns))
    else:
        t = net.quant(net.average(t, (rows, columns), (rows, columns)), 1 / 16, -8, 7)
    return net.end(t)


def check(graph: Graph) -> None:
    """Program and machine, enlarged to fit, give the same scores."""
    program, levels = lower(graph, pixel=PIXEL), random_levels(graph, PIXEL, 2)
    q = arranged(program, program.input.encode_levels(levels).reshape(2, -1)).astype(np.uint8)
    scores = execute(program, q).scores
    np.testing.assert_array_equal(run_machine(map_enlarged(program, CONV), q).scores, scores)


@pytest.mark.parametrize("kind", ["maximum", "average"])
@pytest.mark.parametrize("length", [35, 187, 1024])
def test_global_pooling_of_sequences(kind: str, length: int) -> None:
    net, t = sequence(length)
    check(globally(net, t, kind))


@pytest.mark.parametrize("kind", ["maximum", "average"])
@pytest.mark.parametrize("side", [16, 33])
def test_global_pooling_of_images(kind: str, side: int) -> None:
    net = Net(np.random.default_rng(side), (2, side, side))
    check(globally(net, net.bipolar(net.affine(net.conv("x", 4, (1, 1)), 1.0, 0.125)), kind))


@pytest.mark.parametrize("length", [66, 187, 1026])
def test_dense_layers_behind_flattened_sequences(length: int) -> None:
    net, t = sequence(length)
    check(net.end(t))


def test_kernels_strides_and_padding_as_large_as_audio_has_them() -> None:
    net = Net(np.random.default_rng(1), (1, 1, 16000))
    t = net.conv("x", 4, (1, 80), (1, 20), (0, 40, 0, 39))
    t = net.max_pool(net.bipolar(net.affine(t, 1.0, 0.125)), (1, 25), (1, 25))
    check(net.end(t))


def test_poolings_with_strides_of_their_own() -> None:
    net = Net(np.random.default_rng(2), (1, 1, 400))
    t = net.max_pool(net.bipolar(net.conv("x", 3, (1, 20), (1, 18))), (1, 3), (1, 18))
    check(net.end(t))
