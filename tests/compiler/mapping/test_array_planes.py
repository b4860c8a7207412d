"""Array planes: inside a group they sum to the layer's weights, outside to 0."""

from __future__ import annotations

import numpy as np
import pytest

from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.mapping.array_planes import array_planes
from bcsim.compiler.mapping.mapping import map_program
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import ConvLayer
from tests.bcsim.simulator.test_simulator_lowered import MACHINE
from tests.bcsim.simulator.test_simulator_lowered import check as check_machine
from tests.compiler.nets import PIXEL, Net


def depthwise(net: Net, values: list[int], groups: int = 6) -> str:
    t = net.quant(net.conv("x", 6, (2, 2)), 0.5, -4, 3)
    return net.conv(t, 6, (3, 3), pads=(1, 1, 1, 1), groups=groups, values=values)


def grouped_layer(values: list[int], groups: int = 6) -> ConvLayer:
    net = Net(np.random.default_rng(0), (2, 5, 5))
    layer = lower(net.end(net.bipolar(depthwise(net, values, groups))), pixel=PIXEL).layers[1]
    assert isinstance(layer, ConvLayer)
    return layer


KINDS = {
    "one bit": ([-1, 1], [0, 0], 2),
    "ternary": ([-1, 0, 1], [0, 0], 1),
    "two bits, odd": ([-3, -1, 1, 3], [1, 1, 0, 0], 2),
    "three bits, odd": ([-7, -3, 1, 5], [3, 2, 1, 0, 0], 2),
    "three bits": ([-4, -3, 0, 1, 3], [2, 1, 0, 0], 1),
    "eight bits": ([-128, -77, -3, 0, 1, 50, 127], [7, 6, 5, 4, 3, 2, 1, 0, 0], 1),
    "eight bits, odd": ([-127, -77, 51, 127], [7, 6, 5, 4, 3, 2, 1, 0, 0], 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_planes_of_a_grouped_layer(kind: str) -> None:
    values, shifts, factor = KINDS[kind]
    layer = grouped_layer(values)
    planes, found = array_planes(layer, layer.geometry.groups > 1)
    assert [plane.shift for plane in planes] == shifts
    assert found == factor
    assert sum(plane.outside << plane.shift for plane in planes) == 0
    signs = [
        np.int64(plane.inside) if plane.source is None else layer.planes[plane.source].signs(layer.inputs)
        for plane in planes
    ]
    total = sum(np.left_shift(1, plane.shift) * sign for plane, sign in zip(planes, signs, strict=True))
    np.testing.assert_array_equal(total, factor * layer.weights())


@pytest.mark.parametrize("groups", [2, 3, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_the_machine_takes_grouped_weights_of_every_width(kind: str, groups: int) -> None:
    net = Net(np.random.default_rng(1), (2, 5, 5))
    check_machine(net.end(net.bipolar(net.affine(depthwise(net, KINDS[kind][0], groups), 1.0, 0.125))))


def test_two_sources_of_wide_weights_and_groups() -> None:
    """Average pooling and additions of the machine are layers of groups, whose weights are 1."""
    net = Net(np.random.default_rng(2), (2, 5, 5))
    t = net.quant(depthwise(net, [-128, -5, 0, 9, 127]), 64.0, -4, 3)
    check_machine(net.end(net.bipolar(net.add(t, net.quant(net.conv(t, 6, (1, 1)), 0.5, -4, 3)))))


def test_planes_without_groups_are_the_layer_s() -> None:
    layer = grouped_layer([-5, 0, 3], groups=1)
    assert layer.geometry == Geometry(4, 4, (6,), (3, 3), (1, 1), (1, 1, 1, 1), 1, layer.geometry.pad_level)
    planes, factor = array_planes(layer, layer.geometry.groups > 1)
    assert factor == 1
    assert [(plane.source, plane.outside) for plane in planes] == [(i, 1) for i in range(len(layer.planes))]


def test_eight_bit_depthwise_layers_have_nine_planes_on_the_machine() -> None:
    net = Net(np.random.default_rng(3), (2, 5, 5))
    graph = net.end(net.bipolar(depthwise(net, [-128, -5, 0, 9, 127])))
    mapping = map_program(lower(graph, pixel=PIXEL), MACHINE)
    assert mapping.nests[1].planes == 9
