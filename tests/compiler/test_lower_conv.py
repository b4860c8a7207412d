"""Lowered convolutional networks: every hidden integer equals the float graph's, evaluated in float64."""

import numpy as np
import pytest

from bcsim.compiler.lower import lower
from bcsim.compiler.program import ConvLayer, DenseLayer
from tests.compiler.nets import PIXEL, Net, check_exact


@pytest.mark.parametrize("seed", range(4))
def test_convolution_pooling_normalisation_and_dense_layers(seed: int) -> None:
    net = Net(np.random.default_rng(seed), (2, 9, 8))
    t = net.max_pool(net.relu(net.norm(net.conv("x", 4, pads=(1, 1, 1, 1)))))
    t = net.conv(net.quant(t, 0.5, 0, 7), 6, (2, 2), groups=2)
    t = net.bipolar(net.norm(net.max_pool(t, stride=(1, 1))))
    graph = net.end(t)
    program = lower(graph, pixel=PIXEL)
    assert [type(layer) for layer in program.layers] == [ConvLayer, ConvLayer, ConvLayer]
    check_exact(program, graph, PIXEL)


def test_dense_layers_behind_a_convolution_stay_dense() -> None:
    net = Net(np.random.default_rng(1), (2, 3, 3))
    t = net.bipolar(net.dense(net.flatten(net.bipolar(net.conv("x", 4))), 5))
    graph = net.end(t)
    program = lower(graph, pixel=PIXEL)
    assert [type(layer) for layer in program.layers] == [ConvLayer, DenseLayer, DenseLayer]
    check_exact(program, graph, PIXEL)
