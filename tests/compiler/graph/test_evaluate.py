import tracemalloc

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.curves import evaluate_curve
from bcsim.compiler.graph.evaluate import evaluate_graph, evaluate_node
from bcsim.compiler.graph.nodes import (
    Add,
    Affine,
    AveragePool,
    BatchNorm,
    Bipolar,
    Clip,
    Concat,
    Conv,
    Dense,
    Flatten,
    Graph,
    MaxPool,
    MultiThreshold,
    Node,
    Quant,
    Relu,
    Reshape,
    Sign,
    Transpose,
)

HEAD = ("n", "Op", ("x",), "y")
HALVES = np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]])
BELOW_HALF = np.nextafter(0.5, 0)


def value(node, x):
    return evaluate_node(node, np.array(x, dtype=np.float64)).tolist()


def test_dense_scales_integer_sums():
    weights = np.array([[1, -1, 1], [0, 3, -2]], dtype=np.int16)
    assert value(Dense(*HEAD, weights, np.array([0.1, 2.0])), [[1, 2, 3]]) == [[0.2, 0.0]]


def test_affine():
    assert value(Affine(*HEAD, np.array([2.0, -1.0]), np.array(0.5)), [[1, 2]]) == [[2.5, -1.5]]


def test_batch_norm():
    arrays = (np.array([2.0, -1.0]), np.array([1.0, 0.0]), np.array([3.0, 1.0]), np.array([3.0, 0.0]))
    assert value(BatchNorm(*HEAD, *arrays, 1.0), [[5, 4]]) == [[3.0, -3.0]]


def test_relu_clip_and_sign():
    x = [[-2.0, -0.0, 0.25, 7.0]]
    assert value(Relu(*HEAD), x) == [[0, 0, 0.25, 7]]
    assert value(Clip(*HEAD, -1.0, 1.0), x) == [[-1, 0, 0.25, 1]]
    assert value(Clip(*HEAD, 0.0, np.inf), x) == [[0, 0, 0.25, 7]]
    assert value(Sign(*HEAD), x) == [[-1, 0, 1, 1]]


def test_bipolar_takes_zero_as_plus():
    assert value(Bipolar(*HEAD, 0.5), [[-1e-300, -0.0, 0.0, 3]]) == [[-0.5, 0.5, 0.5, 0.5]]


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        ("ROUND", [-2, -2, 0, 0, 2, 2]),
        ("CEIL", [-2, -1, 0, 1, 2, 3]),
        ("FLOOR", [-3, -2, -1, 0, 1, 2]),
        ("ROUND_TO_ZERO", [-2, -1, 0, 0, 1, 2]),
        ("HALF_UP", [-3, -2, -1, 1, 2, 3]),
    ],
)
def test_quant_rounds_ties(rounding, expected):
    assert value(Quant(*HEAD, 1.0, 0.0, -4, 3, rounding), HALVES) == [expected]


def test_half_up_leaves_what_is_just_below_a_tie():
    assert value(Quant(*HEAD, 1.0, 0.0, -4, 3, "HALF_UP"), [[BELOW_HALF, -BELOW_HALF]]) == [[0, 0]]


def test_quant_clamps_and_shifts():
    node = Quant(*HEAD, 0.5, 3.0, 0, 7, "ROUND")
    assert value(node, [[-9.0, -1.5, 0.0, 0.4, 2.0, 9.0]]) == [[-1.5, -1.5, 0.0, 0.5, 2.0, 2.0]]


def test_multi_threshold_counts_equal_as_passed():
    node = MultiThreshold(*HEAD, np.array([[0.0, 1.0, 2.0], [-1.0, -1.0, 5.0]]), 2.0, -1.0)
    assert value(node, [[1.0, -1.0], [-0.1, 9.0]]) == [[3, 3], [-1, 5]]


def test_flatten_keeps_the_batch():
    assert evaluate_node(Flatten(*HEAD), np.zeros((2, 1, 3, 3))).shape == (2, 9)


# Two channels of two rows and three columns.
IMAGE = [[[[1, 2, 3], [4, 5, 6]], [[-1, 0, 1], [2, -2, 0]]]]


def test_conv_scales_integer_sums():
    weights = np.array([[[[1, -1]], [[1, 1]]], [[[0, 2]], [[0, 0]]]], dtype=np.int16)
    node = Conv(*HEAD, weights, np.array([0.5, 3.0]), (1, 2), (0, 1, 0, 0), 1)
    assert value(node, IMAGE) == [[[[-1.0, 0.0], [-1.0, -1.5]], [[6, 18], [24, 36]]]]


def test_conv_in_groups():
    weights = np.array([[[[1]]], [[[2]]], [[[-1]]], [[[3]]]], dtype=np.int16)
    found = value(Conv(*HEAD, weights, np.ones(4), (2, 2), (0, 0, 0, 0), 2), IMAGE)
    assert found == [[[[1, 3]], [[2, 6]], [[1, -1]], [[-3, 3]]]]


def test_pooling():
    assert value(MaxPool(*HEAD, (2, 2), (1, 1)), IMAGE) == [[[[5, 6]], [[2, 1]]]]
    assert value(MaxPool(*HEAD, (1, 2), (2, 2)), IMAGE) == [[[[2]], [[0]]]]
    assert value(AveragePool(*HEAD, (2, 2), (1, 1)), IMAGE) == [[[[3, 4]], [[-0.25, -0.25]]]]
    padded = AveragePool(*HEAD, (2, 2), (2, 2), (1, 0, 1, 1))
    assert value(padded, IMAGE) == [[[[0.75, 0.75], [2.25, 1.5]], [[-0.25, 0.25], [0, 0]]]]


def test_joining():
    left, right = np.array([[[[1.0]], [[2.0]]]]), np.array([[[[3.0]], [[5.0]]]])
    assert evaluate_node(Add(*HEAD), left, right).ravel().tolist() == [4, 7]
    assert evaluate_node(Concat(*HEAD), left, right, left).shape == (1, 6, 1, 1)


def test_channels_of_images():
    x = np.array(IMAGE)[:, :, :, :1]
    assert value(Affine(*HEAD, np.array([2.0, -1.0]), np.array(0.5)), x) == [
        [[[2.5], [8.5]], [[1.5], [-1.5]]]
    ]
    arrays = (np.array([2.0, -1.0]), np.array([1.0, 0.0]), np.array([3.0, 1.0]), np.array([3.0, 0.0]))
    assert value(BatchNorm(*HEAD, *arrays, 1.0), x) == [[[[-1], [2]], [[2], [-1]]]]
    thresholds = np.array([[0.0, 2.0], [-1.0, 5.0]])
    assert value(MultiThreshold(*HEAD, thresholds, 1.0, 0.0), x) == [[[[1], [2]], [[1], [1]]]]


def test_rearrangements():
    assert value(Reshape(*HEAD, (3, 2, 2)), IMAGE)[0][0] == [[1, 2], [3, 4]]
    assert value(Transpose(*HEAD, (2, 0, 1)), IMAGE)[0][0] == [[1, 4], [-1, 2]]


def graph():
    weights = np.array([[1, -1, 1, -1]], dtype=np.int16)
    nodes = (
        Flatten("f", "Flatten", ("x",), "a"),
        Dense("d", "MatMul", ("a",), "b", weights, np.ones(1)),
        Relu("r", "Relu", ("b",), "c"),
    )
    return Graph("net", "x", (2, 2), nodes, "c")


def test_graph_gives_every_tensor():
    values = evaluate_graph(graph(), np.array([[[1.0, 2], [3, 4]], [[4, 3], [2, 1]]]))
    assert {name: array.tolist() for name, array in values.items() if name != "x"} == {
        "a": [[1, 2, 3, 4], [4, 3, 2, 1]],
        "b": [[-2], [2]],
        "c": [[0], [2]],
    }
    assert values["x"].shape == (2, 2, 2)


def residual():
    """c = relu(x) + sign(relu(x)) on pixels."""
    nodes = (
        Relu("r", "Relu", ("x",), "a"),
        Sign("s", "Sign", ("a",), "b"),
        Add("p", "Add", ("a", "b"), "c"),
        Sign("t", "Sign", ("b",), "unused"),
    )
    return Graph("net", "x", (1, 2, 1), nodes, "c")


X = np.array([[-1.0, 2], [3, 0], [0, 0.5]])


def test_a_tensor_that_several_nodes_read():
    assert evaluate_graph(residual(), X)["c"].reshape(3, 2).tolist() == [[0, 3], [4, 0], [0, 1.5]]


@pytest.mark.parametrize("block", [None, 1, 2, 3, 9])
@pytest.mark.parametrize("keep", [["c"], ["x", "b"], ["unused", "a"], []])
def test_graph_in_blocks_keeps_what_is_asked_for(keep, block):
    whole = evaluate_graph(residual(), X)
    found = evaluate_graph(residual(), X, keep=keep, block=block)
    assert set(found) == set(keep)
    assert all(np.array_equal(found[name], whole[name]) for name in keep)


def test_graph_of_no_images():
    assert evaluate_graph(residual(), X[:0], block=2)["c"].shape == (0, 1, 2, 1)


def test_graph_frees_what_it_need_not_keep():
    nodes = tuple(Relu("r", "Relu", (f"t{i}",), f"t{i + 1}") for i in range(20))
    chain = Graph("net", "t0", (1000,), nodes, "t20")
    tracemalloc.start()
    evaluate_graph(chain, np.zeros((100, 1000)), keep=["t20"])
    # The input and two tensors of 0.8 MB, not twenty.
    assert tracemalloc.get_traced_memory()[1] < 2.5e6
    tracemalloc.stop()


def test_graph_takes_flat_images_and_integers():
    assert evaluate_graph(graph(), np.array([[4, 3, 2, 1]], dtype=np.uint8))["c"].tolist() == [[2]]


@pytest.mark.parametrize("shape", [(4,), (2, 5), (1, 3, 3)])
def test_graph_refuses_other_shapes(shape):
    with pytest.raises(BcsimError) as caught:
        evaluate_graph(graph(), np.zeros(shape))
    assert str(caught.value) == f"Network 'net' takes images of shape (2, 2), not an array of {shape}"


def test_unknown_node():
    with pytest.raises(TypeError, match=r"^Node must be one of bcsim\.compiler\.graph\.nodes, not Node$"):
        evaluate_node(Node(*HEAD), np.zeros((1, 1)))


def test_curves_are_infinite_where_floats_end():
    assert evaluate_curve("Sinh", np.array([-800.0, 0.0, 800.0])).tolist() == [-np.inf, 0, np.inf]
