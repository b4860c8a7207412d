"""Lowered convolutional networks: every hidden integer equals the float graph's, evaluated in float64."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Graph, Reshape, Transpose
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.program.geometry import Pool
from bcsim.compiler.program.layers import ConvLayer, DenseLayer, Encoding, Search
from tests.compiler.nets import (
    PIXEL,
    Net,
    channels_last,
    check_exact,
    random_levels,
    random_net,
    run_levels,
)


def conv_layers(graph: Graph, pixel: Encoding = PIXEL) -> list[ConvLayer]:
    """The ConvLayers of an exact network, which is held to the graph on a few images."""
    program = lower(graph, pixel=pixel)
    check_exact(program, graph, pixel)
    return [layer for layer in program.layers if isinstance(layer, ConvLayer)]


@pytest.mark.parametrize("seed", range(25))
def test_random_networks_are_exact(seed: int) -> None:
    graph = random_net(seed)
    check_exact(lower(graph, pixel=PIXEL), graph, PIXEL)


def test_dense_layers_behind_a_convolution_stay_dense() -> None:
    net = Net(np.random.default_rng(1), (2, 3, 3))
    t = net.bipolar(net.dense(net.flatten(net.bipolar(net.conv("x", 4))), 5))
    graph = net.end(t)
    program = lower(graph, pixel=PIXEL)
    assert [type(layer) for layer in program.layers] == [ConvLayer, DenseLayer, DenseLayer]
    check_exact(program, graph, PIXEL)


def test_a_dense_layer_behind_an_image_has_the_image_as_its_kernel() -> None:
    net = Net(np.random.default_rng(1), (2, 4, 5))
    last = conv_layers(net.end(net.bipolar(net.conv("x", 3, (2, 2)))))[-1]
    assert (last.windows.kernel, last.windows.output, last.inputs) == ((3, 4), (1, 1), 36)


@pytest.mark.parametrize("gain", [1.0, -1.0])
@pytest.mark.parametrize("pool_first", [True, False])
def test_pooling_takes_the_minimum_only_before_a_negative_gain(gain: float, pool_first: bool) -> None:
    net = Net(np.random.default_rng(2), (2, 6, 6))
    t = net.conv("x", 2)
    if pool_first:
        t = net.quant(net.affine(net.max_pool(t), [gain, 1.0]), 0.5, -3, 3)
    else:
        t = net.max_pool(net.quant(net.affine(t, [gain, 1.0]), 0.5, -3, 3))
    first = conv_layers(net.end(t))[0]
    assert first.windows.pool == Pool((2, 2), (2, 2))
    minimum = None if first.minimum is None else first.minimum.tolist()
    assert minimum == ([True, False] if pool_first and gain < 0 else None)


def test_poolings_in_a_row_become_one() -> None:
    net = Net(np.random.default_rng(3), (2, 9, 9))
    t = net.max_pool(net.max_pool(net.conv("x", 2, (1, 1))), (3, 2), (1, 2))
    first = conv_layers(net.end(net.bipolar(t)))[0]
    assert first.windows.pool == Pool((6, 4), (2, 4))


@pytest.mark.parametrize("seed", range(10))
def test_a_padded_pooling_is_a_layer_that_leaves_its_padding_out(seed: int) -> None:
    net = Net(np.random.default_rng(seed), (2, 7, 6))
    t = net.quant(net.norm(net.conv("x", 4, pads=(1, 1, 1, 1))), 0.5, -3, -1)
    kernel, stride, pads = ((3, 3), (2, 2), (1, 1, 1, 1)) if seed % 2 else ((2, 3), (1, 2), (0, 2, 1, 1))
    t = net.max_pool(t, kernel, stride, pads)
    if seed % 3:
        t = net.quant(net.norm(t), 0.5, -2, 1)
    layers = conv_layers(net.end(net.max_pool(t, (2, 2), (1, 1)) if seed % 4 else t))
    assert layers[0].windows.pool is None
    assert layers[1].windows.pads == pads
    assert layers[1].windows.pad_level == 0


def test_what_a_padded_pooling_reads_is_rounded_as_its_maximum_is() -> None:
    net = Net(np.random.default_rng(1), (2, 7, 6))
    t = net.max_pool(net.relu(net.conv("x", 4)), (3, 3), (2, 2), (1, 1, 1, 1))
    graph = net.end(net.relu(net.conv(t, 4, pads=(1, 1, 1, 1))))
    images = PIXEL.decode(random_levels(graph, PIXEL, 20))
    conv, pool, *_ = lower(graph, pixel=PIXEL, calibration=images, bits=[4]).layers
    assert conv.target == pool.source == pool.target
    assert pool.target.bits == 4


def test_pooling_apart_from_a_convolution_has_a_layer_of_its_own() -> None:
    net = Net(np.random.default_rng(3), (3, 8, 8))
    t = net.quant(net.conv(net.max_pool("x"), 2, (2, 2)), 1.0, 0, 3)
    graph = net.end(net.max_pool(net.relu(net.add(t, net.relu(t)))))
    layers = conv_layers(graph)
    assert [layer.name for layer in layers] == ["maxpool0", "conv1", "relu3", "add4"]
    pool = layers[0]
    assert (pool.windows.groups, pool.inputs, pool.target) == (3, 1, pool.source)
    assert pool.weights().tolist() == [[1], [1], [1]]


@pytest.mark.parametrize("size", [2, 3])
def test_an_average_of_few_levels_stays_exact(size: int) -> None:
    net = Net(np.random.default_rng(4), (2, 7, 7))
    t = net.quant(net.conv("x", 3, (2, 2)), 1.0, 0, 3)
    layers = conv_layers(net.end(net.average(t, (size, size), (2, 1), (1, 1, 0, 0))))
    assert layers[1].windows.groups == 3
    assert layers[1].target.scale == Fraction(1, size * size)
    assert layers[1].target.bits == {2: 4, 3: 5}[size]


def test_an_average_of_many_levels_is_rounded_and_noted() -> None:
    net = Net(np.random.default_rng(4), (2, 7, 7))
    t = net.conv("x", 3, (2, 2))
    graph = net.end(net.average(t, (6, 6)))
    calibration = PIXEL.decode(random_levels(graph, PIXEL, 40))
    program = lower(graph, pixel=PIXEL, calibration=calibration, range_method="max")
    assert [layer.exact for layer in program.layers] == [False, False, True]
    assert program.notes[0] == "Tensor 'conv0' is rounded to 8 bits before 'averagepool1' (AveragePool)"
    levels = random_levels(graph, PIXEL, 40)
    expected, found = evaluate_graph(graph, PIXEL.decode(levels)), run_levels(program, levels)
    for layer in program.layers[:2]:
        error = layer.target.decode(found[layer.name]) - channels_last(expected[layer.float_output])
        assert np.abs(error).max() <= 1.01 * float(program.layers[0].target.scale)


@pytest.mark.parametrize("quantiser", ["sign", "bipolar"])
def test_padding_gives_a_bipolar_tensor_a_level_for_zero(quantiser: str) -> None:
    net = Net(np.random.default_rng(5), (1, 5, 5))
    t = net.affine(net.conv("x", 3, (2, 2)), 1.0, 2.0**-8)
    t = net.sign(t) if quantiser == "sign" else net.bipolar(t)
    layers = conv_layers(net.end(net.bipolar(net.conv(t, 2, pads=(1, 0, 1, 2)))))
    first, second = layers[0], layers[1]
    assert first.target == Encoding(2, Fraction(1), Fraction(-1))
    assert second.windows.pad_level == 1
    assert isinstance(first.requantiser, Search)
    assert (first.requantiser.thresholds[:, 0] == first.requantiser.thresholds[:, 1]).all()


def test_padding_of_an_input_without_a_level_for_zero_is_noted() -> None:
    pixel = Encoding(8, Fraction(2, 255), Fraction(-1))
    net = Net(np.random.default_rng(5), (1, 5, 5))
    graph = net.end(net.bipolar(net.conv("x", 2, pads=(1, 1, 1, 1))))
    program = lower(graph, pixel=pixel)
    assert [layer.exact for layer in program.layers] == [False, True]
    assert program.notes == (
        "Layer 'conv0': 0 is not among the values of its source, so its padding reads as 0.00392",
    )
    assert program.layers[0].geometry.pad_level == 128


def test_padding_of_a_bipolar_input_is_exact() -> None:
    pixel = Encoding(1, Fraction(2), Fraction(-1))
    net = Net(np.random.default_rng(5), (1, 5, 5))
    layers = conv_layers(net.end(net.bipolar(net.conv("x", 2, pads=(1, 1, 1, 1)))), pixel)
    assert layers[0].source == Encoding(2, Fraction(1), Fraction(-1))


def test_an_addition_of_tensors_quantised_alike_needs_no_copies() -> None:
    net = Net(np.random.default_rng(6), (2, 5, 5))
    t = net.quant(net.conv("x", 3, (2, 2)), 0.5, -4, 3)
    branch = net.quant(net.conv(t, 3, (1, 1)), 0.5, -4, 3)
    added = conv_layers(net.end(net.add(t, branch)))[2]
    assert added.sources == ("conv0", "conv2")
    assert added.source == Encoding(3, Fraction(1, 2), Fraction(-2))
    assert added.target == Encoding(4, Fraction(1, 2), Fraction(-4))
    assert added.weights().tolist() == [[1, 1]] * 3


def test_an_addition_of_unlike_grids_reads_a_copy_of_what_others_read_in_fewer_bits() -> None:
    net = Net(np.random.default_rng(6), (2, 5, 5))
    t = net.bipolar(net.conv("x", 3, (2, 2)))
    branch = net.quant(net.conv(t, 3, (1, 1)), 0.5, 0, 7)
    layers = conv_layers(net.end(net.add(t, branch)))
    assert [layer.name for layer in layers] == ["conv0", "conv2", "bipolar1/4bit", "add4", "dense6"]
    assert layers[0].target == layers[1].source == Encoding(1, Fraction(2), Fraction(-1))
    assert layers[3].sources == ("bipolar1/4bit", "conv2")
    assert layers[3].source == Encoding(4, Fraction(1, 2), Fraction(-1))


def test_a_tensor_added_to_itself() -> None:
    net = Net(np.random.default_rng(6), (2, 3, 3))
    t = net.quant(net.conv("x", 3, (2, 2)), 0.5, 0, 3)
    assert conv_layers(net.end(net.add(t, t)))[1].sources == ("conv0", "conv0")


def _residual(gain: float) -> Graph:
    """A branch that is `gain` times as large as what it is added to."""
    net = Net(np.random.default_rng(7), (2, 4, 4))
    t = net.relu(net.norm(net.conv("x", 3, (1, 1)), falls=False))
    branch = net.affine(net.conv(t, 3, (3, 3), pads=(1, 1, 1, 1)), gain)
    return net.end(net.relu(net.add(t, branch)))


@pytest.mark.parametrize(("gain", "copies"), [(0.1, []), (1.0, ["relu2/8bit"])])
def test_additions_of_unquantised_tensors_share_a_range(gain: float, copies: list[str]) -> None:
    graph = _residual(gain)
    levels = random_levels(graph, PIXEL, 40)
    program = lower(graph, pixel=PIXEL, calibration=PIXEL.decode(levels))
    assert [layer.name for layer in program.layers] == ["conv0", "conv3", *copies, "add5", "dense8"]
    first, second, added = program.layers[0], program.layers[1], program.layers[-2]
    assert second.target == added.source
    assert (first.target == added.source) == (not copies)
    assert [layer.exact for layer in program.layers[:-1]] == [False] * (3 + len(copies))
    assert program.notes[:2] == (
        "Tensor 'relu2' is rounded to 8 bits before 'add5' (Add)",
        "Tensor 'affine4' is rounded to 8 bits before 'add5' (Add)",
    )
    values = channels_last(evaluate_graph(graph, PIXEL.decode(levels))[added.float_output])
    error = added.target.decode(run_levels(program, levels)[added.name]) - values
    assert np.sqrt((error**2).mean()) < 0.02 * np.sqrt((values**2).mean())


def test_a_concatenation_that_layers_read_is_no_layer() -> None:
    net = Net(np.random.default_rng(8), (2, 5, 5))
    a, b = net.bipolar(net.conv("x", 3, (2, 2))), net.quant(net.conv("x", 2, (2, 2)), 1.0, 0, 3)
    layers = conv_layers(net.end(net.bipolar(net.conv(net.concat(b, a, b), 4, (3, 2)))))
    reader = layers[-2]
    assert reader.sources == ("conv2", "conv0", "conv2")
    assert reader.windows.channels == (2, 3, 2)
    assert reader.source == Encoding(3, Fraction(1), Fraction(-1))


def test_a_concatenation_in_front_of_other_operations_is_a_selection() -> None:
    net = Net(np.random.default_rng(8), (2, 4, 4))
    a, b = net.bipolar(net.conv("x", 3, (2, 2))), net.quant(net.conv("x", 2, (2, 2)), 1.0, 0, 3)
    layers = conv_layers(net.end(net.bipolar(net.norm(net.concat(a, b), falls=False))))
    selection = layers[-2]
    assert (selection.name, selection.weights().tolist()) == ("concat4", (2 * np.eye(5)).tolist())


def test_outputs_without_weights_are_constant_and_cost_no_plane() -> None:
    net = Net(np.random.default_rng(9), (2, 4, 4))
    t = net.conv("x", 3, (2, 2))
    net.nodes[0].weights[1] = 0  # type: ignore[attr-defined]
    layers = conv_layers(net.end(net.quant(net.affine(t, 1.0, 1.0), 0.5, 0, 7)))
    assert [plane.shift for plane in layers[0].planes] == [0]


def test_channels_of_the_input_with_scales_of_their_own() -> None:
    net = Net(np.random.default_rng(9), (2, 4, 4))
    t = net.quant(net.affine("x", [1.0, 2.0], [0.5, 0.0]), 0.5, 0, 7)
    layers = conv_layers(net.end(t))
    assert [layer.name for layer in layers] == ["affine0", "dense3"]


def test_an_input_that_several_layers_read_is_copied_once() -> None:
    net = Net(np.random.default_rng(9), (2, 4, 4))
    t = net.add(net.quant(net.conv("x", 2, pads=(1, 1, 1, 1)), 0.25, -4, 3), "x")
    layers = conv_layers(net.end(t))
    assert [(layer.name, layer.sources) for layer in layers[:4]] == [
        ("x/copy", ("",)),
        ("conv0", ("x/copy",)),
        ("x/4bit", ("x/copy",)),
        ("add2", ("conv0", "x/4bit")),
    ]


def test_an_image_with_channels_last() -> None:
    net = Net(np.random.default_rng(10), (4, 5, 2))
    t = net.append(Transpose, ["x"], (2, 0, 1))
    graph = net.end(net.bipolar(net.conv(t, 3, (2, 2))))
    program = lower(graph, pixel=PIXEL)
    assert program.input.order is not None
    assert program.input.order.tolist() == list(range(40))
    check_exact(program, graph, PIXEL)


def test_a_flat_input_that_becomes_an_image() -> None:
    net = Net(np.random.default_rng(10), (24,))
    t = net.append(Reshape, [net.affine("x", 2.0)], (2, 4, 3))
    graph = net.end(net.bipolar(net.conv(t, 3, (2, 2))))
    program = lower(graph, pixel=PIXEL)
    assert program.input.order is None
    check_exact(program, graph, PIXEL)


def test_an_image_in_an_order_of_its_own() -> None:
    net = Net(np.random.default_rng(10), (3, 2, 4))
    t = net.append(Reshape, [net.append(Transpose, ["x"], (1, 2, 0))], (4, 2, 3))
    graph = net.end(net.bipolar(net.conv(t, 3, (2, 2))))
    check_exact(lower(graph, pixel=PIXEL), graph, PIXEL)


def test_nodes_that_the_scores_do_not_need_are_left_out() -> None:
    net = Net(np.random.default_rng(10), (2, 3, 3))
    t = net.bipolar(net.conv("x", 3, (2, 2)))
    net.relu(t)
    assert len(lower(net.end(t), pixel=PIXEL).layers) == 2


def test_scores_behind_a_mean() -> None:
    net = Net(np.random.default_rng(11), (2, 4, 4))
    t = net.conv(net.bipolar(net.conv("x", 3, (2, 2))), 5, (1, 1))
    t = net.flatten(net.average(net.quant(t, 1.0, -4, 3), (3, 3)))
    layers = conv_layers(net.graph(t))
    assert (layers[-1].outputs, layers[-1].target.bits) == (5, 16)


def test_bits_of_the_inputs_of_layers_with_weights() -> None:
    net = Net(np.random.default_rng(12), (2, 5, 5))
    t = net.relu(net.conv("x", 3, (2, 2)))
    branch = net.relu(net.conv(t, 3, (1, 1)))
    graph = net.end(net.relu(net.add(branch, t)))
    calibration = PIXEL.decode(random_levels(graph, PIXEL, 20))
    program = lower(graph, pixel=PIXEL, bits=[4], calibration=calibration)
    assert [(layer.name, layer.source.bits) for layer in program.layers] == [
        ("conv0", 3),
        ("conv2", 4),
        ("add4", 4),
        ("dense7", 4),
    ]
    program = lower(graph, pixel=PIXEL, bits=[2, 4, 5], calibration=calibration)
    assert [layer.source.bits for layer in program.layers] == [2, 4, 4, 5]


def _twice_read() -> Graph:
    net = Net(np.random.default_rng(12), (2, 5, 5))
    t = net.relu(net.conv("x", 3, (2, 2)))
    return net.end(net.concat(net.relu(net.conv(t, 3, (1, 1))), net.relu(net.conv(t, 2, (1, 1)))))


def _reshaped() -> Graph:
    net = Net(np.random.default_rng(12), (2, 4, 4))
    t = net.append(Reshape, [net.relu(net.conv("x", 4, (1, 1)))], (4, 8, 2))
    return net.end(net.conv(t, 2))


@pytest.mark.parametrize(
    ("graph", "bits", "message"),
    [
        (
            _twice_read(),
            [3, 4, 5, 6],
            "Tensor 'relu1' is the input of several linear layers; --bits must give the same for all of them, "
            "not 4 and 5",
        ),
        (
            _reshaped(),
            None,
            "Node 'reshape2' (Reshape) cannot be lowered; accepted are linear layers, pooling, additions, "
            "concatenations and elementwise operations, and changes of shape at the network's input",
        ),
        (
            Graph("net", "x", (2,), (), "x"),
            None,
            "Network 'net' has no linear layer (MatMul, Gemm or Conv), which bcsim needs",
        ),
    ],
)
def test_refusals(graph: Graph, bits: list[int] | None, message: str) -> None:
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        lower(graph, pixel=PIXEL, bits=bits)


def test_a_lowered_program_is_checked_as_a_stored_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net(np.random.default_rng(11), (2, 4, 4))
    graph = net.end(net.bipolar(net.conv("x", 3, (2, 2))))
    lower(graph, pixel=PIXEL)
    monkeypatch.setattr("bcsim.compiler.program.check_flow.MAX_VALUES", 31)
    with pytest.raises(BcsimError, match=r" reads or computes more than 31 values for one image$"):
        lower(graph, pixel=PIXEL)
