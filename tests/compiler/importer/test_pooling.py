import numpy as np
import pytest

from bcsim.compiler.graph.nodes import Affine, AveragePool, Conv, Flatten, MaxPool, Reshape
from tests.compiler.build import check_equal, imported, model, node, refusal, runtime, tensors

RNG = np.random.default_rng(37)
X = RNG.normal(size=(3, 2, 7, 6))
FLAT = node("Flatten", "a", "y")


def pooled(made, folder, x=X, opset=13, **arrays):
    """The first node of the graph, which is held to onnxruntime."""
    built = model([made, FLAT], tensors(**arrays), shape=x.shape[1:], opset=opset)
    return check_equal(built, folder, x, witness=runtime).nodes[0]


@pytest.mark.parametrize(("op", "kind"), [("MaxPool", MaxPool), ("AveragePool", AveragePool)])
@pytest.mark.parametrize("stride", [None, (1, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (7, 6), (1, 4)])
def test_windows(op, kind, kernel, stride, tmp_path):
    strides = {} if stride is None else {"strides": list(stride)}
    found = pooled(node(op, "x", "a", kernel_shape=list(kernel), **strides), tmp_path)
    assert isinstance(found, kind)
    assert (found.kernel, found.stride) == (kernel, stride or (1, 1))


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attributes",
    [
        {"ceil_mode": 1, "kernel_shape": [3, 2], "strides": [2, 2]},
        {"pads": [0, 0, 1, 1], "kernel_shape": [3, 2], "strides": [2, 2]},
        {"auto_pad": "VALID", "kernel_shape": [2, 2], "strides": [2, 2]},
        {"auto_pad": "SAME_UPPER", "kernel_shape": [1, 2], "strides": [1, 2]},
        {"dilations": [1, 1], "kernel_shape": [2, 2]},
    ],
)
def test_attributes_that_change_nothing(op, attributes, tmp_path):
    pooled(node(op, "x", "a", **attributes), tmp_path, opset=19)


MAXIMA = [
    ({"pads": [1, 1, 1, 1], "kernel_shape": [3, 3], "strides": [2, 2]}, (1, 1, 1, 1)),
    ({"pads": [0, 1, 1, 0], "kernel_shape": [2, 3]}, (0, 1, 1, 0)),
    ({"auto_pad": "SAME_UPPER", "kernel_shape": [2, 2], "strides": [2, 2]}, (0, 0, 1, 0)),
    ({"auto_pad": "SAME_LOWER", "kernel_shape": [3, 2]}, (1, 1, 1, 0)),
    ({"ceil_mode": 1, "kernel_shape": [2, 3], "strides": [2, 2]}, (0, 0, 1, 1)),
    ({"ceil_mode": 1, "pads": [1, 1, 1, 1], "kernel_shape": [3, 3], "strides": [2, 2]}, (1, 1, 1, 2)),
]


@pytest.mark.parametrize(("attributes", "pads"), MAXIMA)
def test_what_lies_outside_takes_no_part_in_a_maximum(attributes, pads, tmp_path):
    assert pooled(node("MaxPool", "x", "a", **attributes), tmp_path, X - 9).pads == pads


def test_average_that_counts_its_pads(tmp_path):
    made = node("AveragePool", "x", "a", kernel_shape=[3, 2], pads=[1, 0, 2, 1], count_include_pad=1)
    assert pooled(made, tmp_path).pads == (1, 0, 2, 1)


def test_average_behind_a_pad(tmp_path):
    nodes = [node("Pad", "x p", "b"), node("AveragePool", "b", "a", kernel_shape=[3, 2]), FLAT]
    built = model(nodes, tensors(p=np.int64([0, 0, 1, 0, 0, 0, 1, 1])), shape=(2, 7, 6))
    assert check_equal(built, tmp_path, X, witness=runtime).nodes[0].pads == (1, 0, 1, 1)


@pytest.mark.parametrize(("op", "kind"), [("GlobalMaxPool", MaxPool), ("GlobalAveragePool", AveragePool)])
def test_global(op, kind, tmp_path):
    found = pooled(node(op, "x", "a"), tmp_path)
    assert isinstance(found, kind)
    assert (found.kernel, found.stride) == ((7, 6), (7, 6))


MEANS = [
    (node("ReduceMean", "x", "a", axes=[2, 3]), 13),
    (node("ReduceMean", "x", "a", axes=[-1, -2], keepdims=0), 13),
    (node("ReduceMean", "x n", "a", keepdims=1), 18),
    (node("ReduceMean", "x n", "a", keepdims=0), 18),
]


@pytest.mark.parametrize(("made", "opset"), MEANS)
def test_mean_of_the_image(made, opset, tmp_path):
    found = pooled(made, tmp_path, opset=opset, n=np.int64([2, 3]))
    assert isinstance(found, AveragePool)
    assert found.kernel == (7, 6)


def test_sequences(tmp_path):
    x = RNG.normal(size=(3, 2, 9))
    for made in (
        node("MaxPool", "x", "a", kernel_shape=[3], strides=[2]),
        node("AveragePool", "x", "a", kernel_shape=[2], strides=[2]),
        node("GlobalAveragePool", "x", "a"),
        node("ReduceMean", "x", "a", axes=[2], keepdims=0),
    ):
        assert isinstance(pooled(made, tmp_path, x), Reshape)


def test_what_follows_a_global_mean(tmp_path):
    nodes = [
        node("GlobalAveragePool", "x", "b"),
        node("Mul", "b s", "c"),
        node("Conv", "c w", "d"),
        node("Squeeze", "d", "e", axes=[2, 3]),
        node("MatMul", "e m", "y"),
    ]
    arrays = tensors(s=RNG.normal(size=(2, 1, 1)), w=np.ones((3, 2, 1, 1)), m=np.ones((3, 4)))
    graph = check_equal(model(nodes, arrays, shape=(2, 7, 6), opset=11), tmp_path, X, witness=runtime)
    assert [type(n) for n in graph.nodes[:4]] == [AveragePool, Affine, Conv, Flatten]


REFUSED = {
    "kernel": (
        node("MaxPool", "x", "a"),
        "its kernel_shape is []; expected 2 numbers from 1 up",
    ),
    "too large": (
        node("AveragePool", "x", "a", kernel_shape=[8, 1]),
        "its windows of 8x1 do not fit into its input of 7x6",
    ),
    "pads as wide as the kernel": (
        node("MaxPool", "x", "a", kernel_shape=[2, 3], strides=[2, 2], pads=[2, 1, 1, 1]),
        "its pads are [2, 1, 1, 1], so that windows of 2x3 miss the image; accepted are pads less than the kernel",
    ),
    "pads of an average": (
        node("AveragePool", "x", "a", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        "it has pads that it does not count, so that its divisor varies; accepted are count_include_pad = 1 and no "
        "pads",
    ),
    "ceil_mode": (
        node("AveragePool", "x", "a", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        "its ceil_mode adds windows that reach beyond the image; accepted is ceil_mode = 0, or where it adds none",
    ),
    "dilations": (
        node("MaxPool", "x", "a", kernel_shape=[2, 2], dilations=[2, 1]),
        "its dilations are [2, 1]; accepted is 1",
    ),
    "one axis": (
        node("ReduceMean", "x", "a", axes=[2]),
        "it reduces axes [2] of an input of shape (2, 7, 6) behind the batch axis; accepted are the rows and columns "
        "of an image, both",
    ),
    "all axes": (
        node("ReduceMean", "x", "a"),
        "it reduces axes [] of an input of shape (2, 7, 6) behind the batch axis; accepted are the rows and columns "
        "of an image, both",
    ),
    "batch": (
        node("ReduceMean", "x", "a", axes=[0, 3]),
        "it reduces axes [0, 3] of an input of shape (2, 7, 6) behind the batch axis; accepted are the rows and "
        "columns of an image, both",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    made, message = REFUSED[case]
    built = model([made, FLAT], shape=(2, 7, 6))
    assert refusal(built, tmp_path) == f"Node 'n_a' ({made.op_type}): {message}"


def test_indices_are_refused(tmp_path):
    nodes = [node("MaxPool", "x", "b i", kernel_shape=[2, 2]), node("Cast", "i", "a", to=1), FLAT]
    assert refusal(model(nodes, shape=(2, 7, 6)), tmp_path) == (
        "Node 'n_a' (Cast): its input 'i' is a further output of a node; accepted are first outputs"
    )


def test_pooling_between_batch_norm_and_sign(tmp_path):
    nodes = [
        node("MaxPool", "x", "b", kernel_shape=[2, 2], strides=[2, 2]),
        node("BatchNormalization", "b g s s v", "c"),
        node("Sign", "c", "a"),
        FLAT,
    ]
    arrays = tensors(g=[1.5, -2.0], s=[0.25, -0.5], v=[1.0, 2.0])
    graph = imported(model(nodes, arrays, shape=(2, 7, 6)), tmp_path)
    assert [n.op for n in graph.nodes] == ["MaxPool", "BatchNormalization", "Sign", "Flatten"]
