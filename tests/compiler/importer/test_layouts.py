"""Reshapes and transposes that are carried along: networks with channels last, and flat images."""

import numpy as np
import pytest

from bcsim.compiler.graph.nodes import (
    Add,
    Affine,
    AveragePool,
    BatchNorm,
    Concat,
    Conv,
    Dense,
    Flatten,
    MultiThreshold,
    Relu,
    Reshape,
    Transpose,
)
from tests.compiler.build import BREVITAS, check_equal, model, node, refusal, runtime, tensors

RNG = np.random.default_rng(43)
X = RNG.normal(size=(3, 4, 5, 2))
W = RNG.choice([-1.0, 1.0], (3, 2, 3, 3))
FLAT = node("Flatten", "a", "y")
FIRST, LAST = [0, 3, 1, 2], [0, 2, 3, 1]


def first(source, output):
    return node("Transpose", source, output, perm=FIRST)


def last(source, output):
    return node("Transpose", source, output, perm=LAST)


def kinds(graph):
    return [type(n) for n in graph.nodes]


def check(nodes, folder, x=X, opset=13, witness=runtime, **arrays):
    built = model(nodes, tensors(**arrays), shape=x.shape[1:], opset=opset)
    return check_equal(built, folder, x, witness=witness)


def test_channels_last_input(tmp_path):
    nodes = [node("Mul", "x s", "b"), first("b", "c"), node("Conv", "c w", "a"), FLAT]
    graph = check(nodes, tmp_path, s=0.5, w=W)
    assert kinds(graph) == [Affine, Transpose, Conv, Flatten]
    assert graph.nodes[1].axes == (2, 0, 1)


def test_transposes_around_every_convolution(tmp_path):
    nodes = [
        first("x", "b"),
        node("Conv", "b w", "c", auto_pad="SAME_UPPER"),
        last("c", "d"),
        node("BatchNormalization", "e g g g v", "f"),
        first("d", "e"),
        last("f", "h"),
        node("Mul", "h g", "i"),
        node("Relu", "i", "j"),
        first("j", "k"),
        node("Conv", "k u", "a"),
        FLAT,
    ]
    arrays = {"g": [1.0, -2, 3], "v": [1.0, 2, 3], "u": RNG.choice([-1.0, 1.0], (2, 3, 2, 2)), "w": W}
    graph = check(nodes, tmp_path, **arrays)
    assert kinds(graph) == [Transpose, Conv, BatchNorm, Affine, Relu, Conv, Flatten]


def test_flattened_with_channels_last(tmp_path):
    nodes = [
        first("x", "b"),
        node("Conv", "b w", "c", auto_pad="SAME_LOWER"),
        last("c", "d"),
        node("Reshape", "d t", "e"),
        node("Add", "e bias", "f"),
        node("Relu", "f", "g"),
        node("MatMul", "g m", "y"),
    ]
    arrays = {"t": np.int64([-1, 60]), "bias": RNG.normal(size=60), "w": W}
    graph = check(nodes, tmp_path, m=RNG.choice([-1.0, 1.0], (60, 4)), **arrays)
    assert kinds(graph) == [Transpose, Conv, Flatten, Affine, Relu, Dense]


def test_flattened_and_made_an_image_again(tmp_path):
    nodes = [
        first("x", "b"),
        node("Relu", "b", "c"),
        node("Conv", "c w", "d"),
        last("d", "e"),
        node("Flatten", "e", "f"),
        node("Reshape", "f t", "h"),
        first("h", "i"),
        node("Conv", "i u", "a"),
        FLAT,
    ]
    arrays = {"t": np.int64([-1, 2, 3, 3]), "u": np.ones((1, 3, 2, 2)), "w": W}
    assert kinds(check(nodes, tmp_path, **arrays))[-4:] == [Flatten, Reshape, Conv, Flatten]


@pytest.mark.parametrize("constant", ["channels", "one"])
def test_constants_with_channels_last(constant, tmp_path):
    nodes = [node("Sub", f"x {constant}", "b"), first("b", "c"), node("Conv", "c w", "a"), FLAT]
    graph = check(nodes, tmp_path, channels=[0.5, 0.25], one=[[[0.5]]], w=W)
    assert kinds(graph).count(Transpose) == 1


def test_joined_with_channels_last(tmp_path):
    nodes = [
        first("x", "b"),
        node("Conv", "b w", "c", pads=[1, 1, 1, 1]),
        last("c", "d"),
        node("Relu", "d", "e"),
        node("Add", "d e", "f"),
        node("Concat", "f d", "h", axis=3),
        node("Mul", "h s", "i"),
        node("ReduceMean", "i", "j", axes=[1, 2], keepdims=0),
        node("MatMul", "j m", "y"),
    ]
    graph = check(nodes, tmp_path, s=RNG.normal(size=6), m=np.ones((6, 2)), w=W)
    assert kinds(graph) == [Transpose, Conv, Relu, Add, Concat, Affine, AveragePool, Flatten, Dense]


@pytest.mark.parametrize("keep", [0, 1])
def test_mean_with_channels_last(keep, tmp_path):
    nodes = [node("ReduceMean", "x", "a", axes=[1, 2], keepdims=keep), FLAT]
    graph = check(nodes, tmp_path)
    assert kinds(graph)[:2] == [Transpose, AveragePool]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_thresholds_by_channel(layout, tmp_path):
    thresholds = np.sort(RNG.normal(size=(2, 3)), axis=1)
    attributes = {"domain": BREVITAS, "out_dtype": "UINT2", "out_scale": 1.0, "out_bias": 0.0}
    names = ("b t", "a") if layout == "NCHW" else ("x t", "b")
    made = node("MultiThreshold", *names, data_layout=layout, **attributes)
    nodes = [first("x", "b"), made, FLAT] if layout == "NCHW" else [made, first("b", "a"), FLAT]
    single = np.float32(thresholds)
    passed = (np.float32(X)[..., None] >= single).sum(axis=-1).transpose(FIRST).reshape(len(X), -1)
    graph = check(nodes, tmp_path, witness=lambda built, x: passed, t=thresholds)
    assert kinds(graph) == [Transpose, MultiThreshold, Flatten]


def test_flat_input_made_an_image(tmp_path):
    x = RNG.normal(size=(3, 40))
    nodes = [
        node("Reshape", "x t", "b"),
        node("Sub", "b m", "c"),
        node("Conv", "c w", "d"),
        node("Relu", "d", "a"),
        FLAT,
    ]
    graph = check(nodes, tmp_path, x, t=np.int64([-1, 2, 4, 5]), m=[[[0.5]], [[0.25]]], w=W)
    assert kinds(graph) == [Reshape, Affine, Conv, Relu, Flatten]
    assert graph.nodes[0].shape == (2, 4, 5)


def test_flat_input_with_channels_last(tmp_path):
    x = RNG.normal(size=(3, 40))
    nodes = [node("Reshape", "x t", "b"), first("b", "c"), node("Conv", "c w", "a"), FLAT]
    graph = check(nodes, tmp_path, x, t=np.int64([-1, 4, 5, 2]), w=W)
    assert kinds(graph) == [Reshape, Transpose, Conv, Flatten]


def test_sequences_with_channels_last(tmp_path):
    nodes = [
        node("Transpose", "x", "b", perm=[0, 2, 1]),
        node("Conv", "b w", "c"),
        node("Transpose", "c", "d", perm=[0, 2, 1]),
        node("Mul", "d s", "e"),
        node("Transpose", "e", "a", perm=[0, 2, 1]),
        FLAT,
    ]
    graph = check(nodes, tmp_path, RNG.normal(size=(3, 7, 2)), w=W[:, :, 0], s=[1.0, 2, 3])
    assert kinds(graph) == [Transpose, Reshape, Conv, Affine, Flatten]


def test_sequences_as_images_of_one_row(tmp_path):
    nodes = [
        node("Unsqueeze", "x", "b", axes=[2]),
        node("Conv", "b w", "c"),
        node("Squeeze", "c", "a", axes=[2]),
        FLAT,
    ]
    graph = check(nodes, tmp_path, RNG.normal(size=(3, 2, 7)), opset=11, w=W[:, :, :1])
    assert kinds(graph) == [Reshape, Conv, Flatten]


def test_sequences_with_channels_last_as_images(tmp_path):
    """A Conv1D of Keras, as tf2onnx writes it: a row is added and taken away between the transposes."""
    nodes = [
        node("Unsqueeze", "x", "b", axes=[1]),
        first("b", "c"),
        node("Conv", "c w", "d"),
        last("d", "e"),
        node("Squeeze", "e", "f", axes=[1]),
        node("Add", "f s", "g"),
        node("Unsqueeze", "g", "h", axes=[1]),
        first("h", "i"),
        node("Conv", "i u", "j"),
        last("j", "k"),
        node("Squeeze", "k", "a", axes=[1]),
        node("Flatten", "a", "l"),
        node("MatMul", "l m", "y"),
    ]
    arrays = {
        "w": W[:, :, :1],
        "u": np.ones((2, 3, 1, 2)),
        "s": [1.0, 2, 3],
        "m": RNG.choice([-1.0, 1.0], (8, 3)),
    }
    graph = check(nodes, tmp_path, RNG.normal(size=(3, 7, 2)), opset=11, **arrays)
    assert kinds(graph) == [Transpose, Reshape, Conv, Affine, Conv, Flatten, Dense]


def test_one_channel_last(tmp_path):
    nodes = [
        first("x", "b"),
        node("BatchNormalization", "b one one one one", "c"),
        node("Conv", "c w", "d"),
        last("d", "e"),
        node("Concat", "e e", "f", axis=3),
        first("f", "g"),
        node("Conv", "g u", "a"),
        FLAT,
    ]
    arrays = {"one": [0.5], "w": W[:2, :1], "u": np.ones((1, 4, 1, 1))}
    graph = check(nodes, tmp_path, X[..., :1], **arrays)
    assert kinds(graph) == [Reshape, BatchNorm, Conv, Concat, Conv, Flatten]


ORDER = (
    "are in another order than (channels, rows, columns); accepted are transposes at the network's input, and those "
    "that a later one undoes"
)
REFUSED = {
    "transposed between convolutions": (
        [
            first("x", "b"),
            node("Conv", "b w", "c"),
            node("Transpose", "c", "d", perm=[0, 1, 3, 2]),
            node("Conv", "d u", "a"),
            FLAT,
        ],
        f"Node 'n_a' (Conv): the axes of its input 'c' {ORDER}",
    ),
    "shuffled channels": (
        [
            first("x", "b"),
            node("Conv", "b w", "c"),
            node("Reshape", "c split", "d"),
            node("Transpose", "d", "e", perm=[0, 2, 1, 3]),
            node("Reshape", "e joined", "f"),
            node("Conv", "f u", "a"),
            FLAT,
        ],
        f"Node 'n_a' (Conv): the axes of its input 'c' {ORDER}",
    ),
    "transposed, reshaped, transposed": (
        [last("x", "b"), node("Reshape", "b odd", "c"), last("c", "a"), FLAT],
        "Node 'n_a' (Transpose): it moves axes of (4, 5, 2) to the order [0, 2, 3, 1]; accepted is what keeps the "
        "batch axis first and the values in order, such as flattening",
    ),
    "added in two orders": (
        [
            node("Flatten", "x", "b"),
            last("x", "c"),
            node("Flatten", "c", "d"),
            node("Add", "b d", "y"),
        ],
        "Node 'n_y' (Add): its input 'd' was flattened in another order than (channels, rows, columns); accepted "
        "behind that are dense layers",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    nodes, message = REFUSED[case]
    arrays = tensors(
        w=W,
        u=np.ones((1, 3, 1, 1)),
        split=np.int64([0, 3, 3, 2]),
        joined=np.int64([0, 3, 2, 3]),
        odd=np.int64([0, 4, 5, 2]),
    )
    assert refusal(model(nodes, arrays, shape=(4, 5, 2)), tmp_path) == message


def test_concatenated_in_two_orders(tmp_path):
    nodes = [
        first("x", "b"),
        node("Conv", "b w", "c"),
        last("c", "d"),
        node("Transpose", "c", "e", perm=[0, 3, 2, 1]),
        node("Concat", "d e", "a", axis=3),
        FLAT,
    ]
    assert refusal(model(nodes, tensors(w=W), shape=(4, 4, 2)), tmp_path) == (
        "Node 'n_a' (Concat): its inputs have their axes in different orders; accepted is one order"
    )
