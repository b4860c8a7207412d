import numpy as np
import pytest

from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Affine, BatchNorm
from tests.compiler.build import check_equal, imported, model, node, refusal, runtime, tensors

RNG = np.random.default_rng(5)
X = np.concatenate([RNG.normal(size=(5, 4)), np.zeros((1, 4))])
SCALAR = np.float64(-0.75)
CHANNELS = np.array([0.3, -2.0, 1.0, 7.0])


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Sum"])
@pytest.mark.parametrize(
    "constant", [SCALAR, SCALAR.reshape(1), SCALAR.reshape(1, 1), CHANNELS, CHANNELS[None]]
)
def test_constant_second(op, constant, tmp_path):
    check_equal(model([node(op, "x c", "y")], tensors(c=constant)), tmp_path, X)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("constant", [SCALAR, CHANNELS])
def test_constant_first(op, constant, tmp_path):
    graph = check_equal(model([node(op, "c x", "y")], tensors(c=constant)), tmp_path, X)
    assert isinstance(graph.nodes[0], Affine)


def test_neg(tmp_path):
    check_equal(model([node("Neg", "x", "y")]), tmp_path, X)


def test_image_with_one_value(tmp_path):
    flat = [node("Sub", "x c", "a"), node("Flatten", "a", "y")]
    x = RNG.normal(size=(3, 1, 2, 2))
    check_equal(model(flat, tensors(c=np.full((1, 1, 1), 0.5)), shape=(1, 2, 2)), tmp_path, x)


def test_division_by_a_power_of_two_is_a_product(tmp_path):
    (found,) = imported(model([node("Div", "x c", "y")], tensors(c=[2.0, -0.25, 1.0, 8.0])), tmp_path).nodes
    assert isinstance(found, Affine)
    assert found.scale.tolist() == [0.5, -4, 1, 0.125]


def test_other_divisions_are_exact(tmp_path):
    graph = imported(model([node("Div", "x c", "y")], tensors(c=[10.0, -3.0, 255.0, 49.0])), tmp_path)
    x = np.array([[5.0, 1.5, 127.5, 49.0], [7.0, 7.0, 7.0, 7.0]])
    assert isinstance(graph.nodes[0], BatchNorm)
    assert evaluate_graph(graph, x)["y"].tolist() == (x / [10, -3, 255, 49]).tolist()


def test_tensor_norm(tmp_path):
    nodes = [
        node("Sub", "x mean", "a"),
        node("Pow", "variance half", "deviation"),
        node("Div", "a deviation", "b"),
        node("Mul", "b gain", "c"),
        node("Add", "c bias", "y"),
    ]
    arrays = tensors(mean=[0.45], variance=[318.2], half=0.5, gain=[0.73], bias=[-1.14])
    graph = check_equal(model(nodes, arrays, opset=9), tmp_path, X)
    (norm,) = [n for n in graph.nodes if isinstance(n, BatchNorm)]
    assert norm.variance == pytest.approx(np.float64(np.float32(318.2)), rel=1e-15)


NORM = node("BatchNormalization", "x g b m v", "y", epsilon=1e-3)


def parameters(**changed):
    arrays = {"g": CHANNELS, "b": -CHANNELS, "m": CHANNELS / 2, "v": np.array([0.1, 1.0, 0.0, 1e-42])}
    return tensors(**{**arrays, **changed})


@pytest.mark.parametrize("opset", [9, 15])
def test_batch_norm_with_zero_and_denormal_variance(opset, tmp_path):
    # The reference evaluator reads version 9 as training.
    graph = check_equal(model([NORM], parameters(), opset=opset), tmp_path, X, witness=runtime)
    (norm,) = graph.nodes
    assert isinstance(norm, BatchNorm)
    assert norm.epsilon == np.float32(1e-3)
    assert norm.variance[3] > 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"v": [1.0, 1.0, -0.5, 1.0]}, "its variance 'v' is negative (-0.5); expected 0 or above"),
        ({"v": [1.0, 1.0, np.nan, 1.0]}, "its variance 'v' has values that are NaN or infinite"),
        ({"g": [1.0, 1.0, np.inf, 1.0]}, "its scale 'g' has values that are NaN or infinite"),
        (
            {"m": np.ones(3)},
            "its parameters have the shapes scale (4,), bias (4,), mean (3,), variance (4,) beside an input of "
            "shape (4,); expected one value for each channel",
        ),
        (
            {"g": [1.0]},
            "its parameters have the shapes scale (1,), bias (4,), mean (4,), variance (4,) beside an input of "
            "shape (4,); expected one value for each channel",
        ),
    ],
)
def test_batch_norm_refused(changed, message, tmp_path):
    built = model([NORM], parameters(**changed))
    assert refusal(built, tmp_path) == f"Node 'n_y' (BatchNormalization): {message}"


def test_variance_and_epsilon_of_zero(tmp_path):
    norm = node("BatchNormalization", "x g b m v", "y", epsilon=0.0)
    assert refusal(model([norm], parameters()), tmp_path) == (
        "Node 'n_y' (BatchNormalization): its variance 'v' is 0 and so is its epsilon; their sum must be positive"
    )


def test_negative_epsilon(tmp_path):
    norm = node("BatchNormalization", "x g b m v", "y", epsilon=-1.0)
    assert refusal(model([norm], parameters()), tmp_path) == (
        "Node 'n_y' (BatchNormalization): its epsilon is -1; expected 0 or above"
    )


@pytest.mark.parametrize(
    ("training", "opset"),
    [
        (node("BatchNormalization", "x g b m v", "y", training_mode=1), 15),
        (node("BatchNormalization", "x g b m v", "y mean"), 9),
        (node("BatchNormalization", "x g b m v", "y"), 6),
    ],
)
def test_batch_norm_in_training(training, opset, tmp_path):
    assert refusal(model([training], parameters(), opset=opset), tmp_path) == (
        "Node 'n_y' (BatchNormalization): it is in training mode; export the network for inference, with running "
        "mean and variance"
    )


def on_images(nodes):
    """Nodes from x to a on images of 2 channels, and the Flatten that makes scores of them."""
    return [*nodes, node("Flatten", "a", "y")]


IMAGES = np.random.default_rng(3).normal(size=(3, 2, 2, 5))


@pytest.mark.parametrize("opset", [9, 15])
def test_batch_norm_on_images(opset, tmp_path):
    arrays = tensors(g=[1.5, -2], b=[0.5, 1], m=[0.25, 0], v=[4.0, 0.1])
    norm = node("BatchNormalization", "x g b m v", "a")
    built = model(on_images([norm]), arrays, shape=(2, 2, 5), opset=opset)
    graph = check_equal(built, tmp_path, IMAGES, witness=runtime)
    assert graph.nodes[0].gamma.tolist() == [1.5, -2]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (2, 1, 1), (1, 2, 1, 1), (1, 1, 1, 1)])
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
def test_constants_on_images(op, shape, tmp_path):
    constant = np.array([0.75, -1.5])[: int(np.prod(shape))].reshape(shape)
    built = model(on_images([node(op, "x c", "a")]), tensors(c=constant), shape=(2, 2, 5))
    assert len(check_equal(built, tmp_path, IMAGES).nodes) == 2


def test_constants_for_one_channel(tmp_path):
    built = model(on_images([node("Mul", "c x", "a")]), tensors(c=np.full((1, 1, 1), -2.0)), shape=(1, 2, 5))
    assert check_equal(built, tmp_path, IMAGES[:, :1]).nodes[0].scale.tolist() == -2


@pytest.mark.parametrize("shape", [(2, 2, 5), (1, 2, 1, 5), (2, 5), (2, 2, 1, 1), (3, 1, 1), (1, 1, 1, 1, 1)])
def test_constants_that_are_not_by_channel(shape, tmp_path):
    built = model(on_images([node("Mul", "x c", "a")]), tensors(c=np.ones(shape)), shape=(2, 2, 5))
    assert refusal(built, tmp_path) == (
        f"Node 'n_a' (Mul): its constant 'c' has shape {shape} beside an input of shape (2, 2, 5); {SHAPES}"
    )


def test_constants_along_another_axis(tmp_path):
    nodes = [node("Relu", "x", "r"), node("Conv", "r k", "b"), node("Mul", "b c", "a")]
    built = model(on_images(nodes), tensors(k=np.ones((2, 2, 1, 1)), c=np.ones(5)), shape=(2, 2, 5))
    assert refusal(built, tmp_path) == (
        "Node 'n_a' (Mul): axis 3 of its input 'b' of shape (2, 2, 5) does not hold the channels; accepted is axis 1"
    )


RESIDUAL = (
    "both inputs depend on the network's input; accepted are Add of two such tensors, "
    "and a constant on either side"
)
PRODUCT = (
    f"{RESIDUAL}; of products x * Sigmoid(x), x * HardSigmoid(x), x * Tanh(Softplus(x)), and a GELU as one "
    "operator (export with opset 20)"
)
SHAPES = "accepted are one value, or one for each channel"
REFUSED = [
    (node("Sub", "x x", "y"), "Sub", RESIDUAL),
    (node("Mul", "x x", "y"), "Mul", PRODUCT),
    (
        node("Div", "c x", "y"),
        "Div",
        "it divides by a tensor that depends on the network's input; accepted is division by a constant",
    ),
    (
        node("Div", "x zero", "y"),
        "Div",
        "its divisor 'zero' must be from 1e-100 to 1e100 in magnitude everywhere",
    ),
    (node("Add", "x nan", "y"), "Add", "its constant 'nan' has values that are NaN or infinite"),
    (
        node("Add", "x three", "y"),
        "Add",
        f"its constant 'three' has shape (3,) beside an input of shape (4,); {SHAPES}",
    ),
    (
        node("Add", "x rows", "y"),
        "Add",
        f"its constant 'rows' has shape (2, 4) beside an input of shape (4,); {SHAPES}",
    ),
    (
        node("Add", "x cube", "y"),
        "Add",
        f"its constant 'cube' has shape (1, 1, 1) beside an input of shape (4,); {SHAPES}",
    ),
    (node("Sum", "x c c", "y"), "Sum", "it has 3 inputs; accepted are two"),
    (
        node("Add", "x c", "y", axis=1, broadcast=1),
        "Add",
        "its attribute 'axis' (operator sets before 7) is not supported; accepted is numpy broadcasting",
    ),
    (node("Sub", "x", "y"), "Sub", "input 1 must be a tensor that depends on the network's input"),
]


@pytest.mark.parametrize(("made", "op", "message"), REFUSED)
def test_refused(made, op, message, tmp_path):
    arrays = tensors(
        c=CHANNELS,
        zero=[1.0, 0, 1, 1],
        nan=np.nan,
        three=np.ones(3),
        rows=np.ones((2, 4)),
        cube=np.ones((1, 1, 1)),
    )
    assert refusal(model([made], arrays), tmp_path) == f"Node 'n_y' ({op}): {message}"
