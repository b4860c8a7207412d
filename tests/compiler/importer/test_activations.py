import numpy as np
import pytest

from bcsim.compiler.graph.nodes import Clip, Relu, Sign
from tests.compiler.build import BREVITAS, check_equal, imported, model, node, refusal, tensors

X = np.array([[-3.0, -1.0, -0.0, 0.0], [0.25, 1.0, 1.5, 300.0]])
FLOAT32_MAX = float(np.finfo(np.float32).max)


def only(graph):
    (found,) = graph.nodes
    return found


@pytest.mark.parametrize(("op", "kind"), [("Relu", Relu), ("Sign", Sign)])
def test_plain(op, kind, tmp_path):
    assert isinstance(only(check_equal(model([node(op, "x", "y")]), tmp_path, X)), kind)


@pytest.mark.parametrize(
    ("inputs", "low", "high"),
    [("x low high", -1, 1), ("x low", -1, np.inf), ("x - high", -np.inf, 1), ("x zero six", 0, 6)],
)
def test_clip_with_inputs(inputs, low, high, tmp_path):
    built = model([node("Clip", inputs, "y")], tensors(low=-1.0, high=1.0, zero=0.0, six=6.0))
    found = only(check_equal(built, tmp_path, X))
    assert (found.low, found.high) == (low, high)


@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [
        ({"min": -1.0, "max": 1.0}, -1, 1),
        ({"max": 2.0}, -np.inf, 2),
        ({"min": -1.0, "max": FLOAT32_MAX}, -1, np.inf),
        ({"min": -FLOAT32_MAX, "max": 0.5}, -np.inf, 0.5),
    ],
)
def test_clip_with_attributes(bounds, low, high, tmp_path):
    found = only(check_equal(model([node("Clip", "x", "y", **bounds)], opset=6), tmp_path, X))
    assert (found.low, found.high) == (low, high)


@pytest.mark.parametrize("inputs", ["x zero", "x zero top"])
def test_clip_from_zero_without_end_is_relu(inputs, tmp_path):
    built = model([node("Clip", inputs, "y")], tensors(zero=0.0, top=np.inf))
    assert isinstance(only(check_equal(built, tmp_path, X)), Relu)


@pytest.mark.parametrize("inputs", ["x c", "c x"])
@pytest.mark.parametrize(("op", "low", "high"), [("Max", 0.5, np.inf), ("Min", -np.inf, 0.5)])
def test_one_sided(inputs, op, low, high, tmp_path):
    found = only(check_equal(model([node(op, inputs, "y")], tensors(c=0.5)), tmp_path, X))
    assert isinstance(found, Clip)
    assert (found.low, found.high) == (low, high)


def test_leaky_relu_without_a_leak_is_relu(tmp_path):
    assert isinstance(only(imported(model([node("LeakyRelu", "x", "y", alpha=0.0)]), tmp_path)), Relu)


IMAGES = np.random.default_rng(5).normal(size=(2, 3, 4, 4))
ON_IMAGES = [
    node("BipolarQuant", "b s", "a", domain=BREVITAS),
    node("Quant", "b s z n", "a", domain=BREVITAS, signed=1, narrow=0, rounding_mode="ROUND"),
    node("Sign", "b", "a"),
    node("Clip", "b low high", "a"),
]


@pytest.mark.parametrize("made", ON_IMAGES)
def test_on_images_behind_pooling(made, tmp_path):
    arrays = tensors(s=0.5, z=0.0, n=3.0, low=-0.5, high=1.0)
    nodes = [node("MaxPool", "x", "b", kernel_shape=[2, 2]), made, node("Flatten", "a", "y")]
    assert len(check_equal(model(nodes, arrays, shape=(3, 4, 4)), tmp_path, IMAGES).nodes) == 3


REFUSED = [
    (
        node("LeakyRelu", "x", "y", alpha=-0.5),
        "its alpha is -0.5, so that it falls and rises; accepted are slopes from 0 up",
    ),
    (
        node("PRelu", "x low", "y"),
        "its least slope is -1, so that it falls and rises; accepted are slopes from 0 up",
    ),
    (
        node("Abs", "x", "y"),
        "it is not monotone, so that no single threshold parts its levels; accepted are functions that rise "
        "everywhere, such as Relu, LeakyRelu, Sigmoid and Tanh, and before quantisers HardSwish, Swish, Gelu and Mish",
    ),
    (node("Elu", "x", "y", alpha=-1.0), "its alpha is -1; accepted are values above 0"),
    (node("Clip", "x high low", "y"), "its bounds are 1 and -1; the lower must be below the upper"),
    (node("Clip", "x nan", "y"), "its bounds are nan and inf; the lower must be below the upper"),
    (node("Clip", "x two", "y"), "its min has shape (2,); accepted is one value"),
    (node("Clip", "x x", "y"), "its min must be a constant of the file, and is 'x', not a constant"),
    (node("Max", "x x", "y"), "accepted are two inputs, one of them a constant"),
    (node("Max", "x two", "y"), "its bound 'two' has shape (2,); accepted is one value per tensor"),
]


@pytest.mark.parametrize(("made", "message"), REFUSED)
def test_refused(made, message, tmp_path):
    built = model([made], tensors(low=-1.0, high=1.0, nan=np.nan, two=[0.0, 0.0]))
    assert refusal(built, tmp_path) == f"Node 'n_y' ({made.op_type}): {message}"
