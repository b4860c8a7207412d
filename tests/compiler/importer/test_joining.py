import numpy as np
import pytest

from bcsim.compiler.graph.nodes import Add, Concat, Conv, Flatten, Relu
from tests.compiler.build import check_equal, model, node, refusal, runtime, tensors

RNG = np.random.default_rng(41)
X = RNG.normal(size=(3, 2, 4, 5))
FLAT = node("Flatten", "a", "y")
W = RNG.choice([-1.0, 1.0], (2, 2, 3, 3))


def kinds(graph):
    return [type(n) for n in graph.nodes]


def test_residual(tmp_path):
    nodes = [
        node("Relu", "x", "r"),
        node("Conv", "r w", "c", pads=[1, 1, 1, 1]),
        node("Mul", "c s", "d"),
        node("Add", "d r", "a"),
        FLAT,
    ]
    arrays = tensors(w=W, s=np.array([[[0.5]], [[-2.0]]]))
    graph = check_equal(model(nodes, arrays, shape=(2, 4, 5)), tmp_path, X, witness=runtime)
    assert isinstance(graph.nodes[3], Add)
    assert graph.nodes[3].inputs == ("d", "r")


@pytest.mark.parametrize("op", ["Add", "Sum"])
def test_twice_the_same(op, tmp_path):
    graph = check_equal(model([node(op, "x x", "y")]), tmp_path, RNG.normal(size=(3, 4)))
    assert kinds(graph) == [Add]


def test_sequences(tmp_path):
    nodes = [node("Relu", "x", "b"), node("Add", "x b", "c"), node("Concat", "b c", "a", axis=1), FLAT]
    check_equal(model(nodes, shape=(2, 5)), tmp_path, X[:, :, 0], witness=runtime)


@pytest.mark.parametrize("axis", [1, -3])
def test_concatenation_of_images(axis, tmp_path):
    nodes = [
        node("Relu", "x", "b"),
        node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
        node("Concat", "b c x", "d", axis=axis),
        node("Mul", "d s", "a"),
        FLAT,
    ]
    arrays = tensors(w=np.concatenate([W, W[:1]]), s=RNG.normal(size=(7, 1, 1)))
    graph = check_equal(model(nodes, arrays, shape=(2, 4, 5)), tmp_path, X, witness=runtime)
    assert kinds(graph)[:3] == [Relu, Conv, Concat]
    assert graph.nodes[2].inputs == ("b", "c", "x")


@pytest.mark.parametrize("axis", [1, -1])
def test_concatenation_of_flat_tensors(axis, tmp_path):
    nodes = [node("Flatten", "x", "f"), node("Relu", "f", "b"), node("Concat", "b f", "y", axis=axis)]
    graph = check_equal(model(nodes, shape=(2, 4, 5)), tmp_path, X)
    assert kinds(graph) == [Flatten, Relu, Concat]


def test_branches_that_are_reshaped_alike(tmp_path):
    nodes = [
        node("Reshape", "x t", "i"),
        node("Conv", "i w", "b", pads=[1, 1, 1, 1]),
        node("Conv", "i w", "c", pads=[1, 1, 1, 1]),
        node("Add", "b c", "a"),
        FLAT,
    ]
    built = model(nodes, tensors(t=np.int64([0, 2, 4, 5]), w=W), shape=(40,))
    graph = check_equal(built, tmp_path, X.reshape(3, 40), witness=runtime)
    assert [n.op for n in graph.nodes] == ["Reshape", "Conv", "Conv", "Add", "Flatten"]


REFUSED = {
    "shapes": (
        [node("GlobalAveragePool", "x", "b"), node("Add", "x b", "a"), FLAT],
        "Node 'n_a' (Add): its inputs have the shapes (2, 4, 5) and (2, 1, 1); accepted are tensors of one shape",
    ),
    "three": (
        [node("Sum", "x x x", "a"), FLAT],
        "Node 'n_a' (Sum): it has 3 inputs; accepted are two",
    ),
    "product": (
        [node("GlobalAveragePool", "x", "b"), node("Mul", "x b", "a"), FLAT],
        "Node 'n_a' (Mul): both inputs depend on the network's input; accepted are Add of two such tensors, and a "
        "constant on either side; of products x * Sigmoid(x), x * HardSigmoid(x), x * Tanh(Softplus(x)), and a GELU "
        "as one operator (export with opset 20)",
    ),
    "rows": (
        [node("Conv", "x w", "b"), node("Concat", "b b", "a", axis=2), FLAT],
        "Node 'n_a' (Concat): axis 2 of its input 'b' of shape (2, 2, 3) does not hold the channels; accepted is axis "
        "1",
    ),
    "batch": (
        [node("Concat", "x x", "a", axis=0), FLAT],
        "Node 'n_a' (Concat): its axis is 0 and its inputs have the shapes (2, 4, 5), (2, 4, 5); accepted are inputs "
        "that differ in their channels only",
    ),
    "sizes": (
        [node("GlobalAveragePool", "x", "b"), node("Concat", "x b", "a", axis=1), FLAT],
        "Node 'n_a' (Concat): its axis is 1 and its inputs have the shapes (2, 4, 5), (2, 1, 1); accepted are inputs "
        "that differ in their channels only",
    ),
    "constant": (
        [node("Concat", "x w", "a", axis=1), FLAT],
        "Node 'n_a' (Concat): one of its inputs is a constant; accepted are tensors that depend on the network's input",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    nodes, message = REFUSED[case]
    assert refusal(model(nodes, tensors(w=W), shape=(2, 4, 5)), tmp_path) == message


def test_a_concatenation_of_nothing_is_refused(tmp_path):
    built = model([node("QLinearConcat", "x s", "y", "com.microsoft", axis=1)], tensors(s=1.0), (3,))
    assert refusal(built, tmp_path) == (
        "Node 'n_y' (QLinearConcat): it has no inputs; accepted are tensors that depend on the network's input"
    )


def test_a_concatenation_with_a_tensor_without_axes_is_refused(tmp_path):
    nodes = [node("Squeeze", "x i", "a"), node("Concat", "x a", "y", axis=1)]
    assert refusal(model(nodes, tensors(i=np.array([1], dtype=np.int64)), (1,)), tmp_path) == (
        "Node 'n_y' (Concat): its axis is 1 and its inputs have the shapes (1,), (); accepted are inputs that differ "
        "in their channels only"
    )
