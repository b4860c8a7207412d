import numpy as np
import pytest
from onnx import helper

from bcsim.compiler.graph.nodes import Curve
from tests.compiler.build import check_equal, imported, model, node, refusal, runtime, tensors

X = np.linspace(-6, 6, 84).reshape(21, 4)
MADE = [
    node("LeakyRelu", "x", "y"),
    node("LeakyRelu", "x", "y", alpha=0.25),
    node("PRelu", "x slope", "y"),
    node("PRelu", "x slopes", "y"),
    node("Sigmoid", "x", "a"),
    node("Tanh", "x", "a"),
    node("Elu", "x", "y"),
    node("Elu", "x", "y", alpha=0.3),
    node("Selu", "x", "y"),
    node("Selu", "x", "y", alpha=2.0, gamma=0.75),
    node("Celu", "x", "y"),
    node("Celu", "x", "y", alpha=0.7),
    node("HardSigmoid", "x", "y"),
    node("HardSigmoid", "x", "y", alpha=0.5, beta=0.25),
    node("HardSwish", "x", "y"),
    node("Softplus", "x", "y"),
    node("Softsign", "x", "a"),
    node("Atan", "x", "y"),
    node("Asinh", "x", "y"),
    node("Sinh", "x", "y"),
    node("Erf", "x", "a"),
    node("Exp", "x", "y"),
    node("Mish", "x", "y"),
    node("Gelu", "x", "y"),
    node("Gelu", "x", "y", approximate="tanh"),
    node("FastGelu", "x", "y", "com.microsoft"),
    node("QuickGelu", "x", "y", "com.microsoft", alpha=1.5),
]


@pytest.mark.parametrize("made", MADE, ids=lambda made: f"{made.op_type}-{len(made.attribute)}")
def test_as_onnxruntime_has_it(made, tmp_path):
    """Those that keep the order of scores are followed by a Relu, so that they are no end."""
    nodes = [made] if made.output[0] == "y" else [made, node("Relu", "a", "y")]
    built = model(nodes, tensors(slope=0.125, slopes=[0.0, 0.5, 2.0, 0.25]), opset=20)
    built.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    check_equal(built, tmp_path, X, tolerance=3e-4 if made.op_type == "FastGelu" else 1e-5, witness=runtime)


@pytest.mark.parametrize(("gate", "function"), [("Sigmoid", "Swish"), ("HardSigmoid", "HardSwish")])
@pytest.mark.parametrize("order", ["x g", "g x"])
def test_a_product_with_its_gate(gate, function, order, tmp_path):
    attributes = {"alpha": 1 / 6, "beta": 0.5} if gate == "HardSigmoid" else {}
    nodes = [node(gate, "x", "g", **attributes), node("Mul", order, "y")]
    graph = check_equal(model(nodes), tmp_path, X, witness=runtime)
    assert [n.function for n in graph.nodes if n.output == "y" and isinstance(n, Curve)] == [function]


def test_a_product_with_the_tanh_of_its_softplus(tmp_path):
    nodes = [node("Softplus", "x", "s"), node("Tanh", "s", "g"), node("Mul", "x g", "y")]
    graph = check_equal(model(nodes), tmp_path, X, witness=runtime)
    assert [n.function for n in graph.nodes if n.output == "y" and isinstance(n, Curve)] == ["Mish"]


@pytest.mark.parametrize("made", [("Softplus", "x"), ("Tanh", "x")])
def test_a_product_that_is_no_mish(made, tmp_path):
    nodes = [node(*made, "g"), node("Mul", "x g", "y")]
    assert "both inputs depend on the network's input" in refusal(model(nodes), tmp_path)


def test_other_products_of_tensors(tmp_path):
    nodes = [node("Sigmoid", "x", "g"), node("Relu", "x", "r"), node("Mul", "r g", "y")]
    assert refusal(model(nodes), tmp_path) == (
        "Node 'n_y' (Mul): both inputs depend on the network's input; accepted are Add of two such tensors, and a "
        "constant on either side; of products x * Sigmoid(x), x * HardSigmoid(x), x * Tanh(Softplus(x)), and a GELU as "
        "one operator (export with opset 20)"
    )


@pytest.mark.parametrize("op", ["Sigmoid", "Tanh", "Softsign", "Erf"])
def test_at_the_end_it_keeps_the_order(op, tmp_path):
    nodes = [node("MatMul", "x w", "a"), node(op, "a", "y")]
    graph = imported(model(nodes, tensors(w=np.ones((4, 3)))), tmp_path)
    assert (graph.output, graph.dropped, len(graph.nodes)) == ("a", (f"n_y ({op})",), 1)


def test_a_softplus_at_the_end_stays(tmp_path):
    nodes = [node("MatMul", "x w", "a"), node("Softplus", "a", "y")]
    assert imported(model(nodes, tensors(w=np.ones((4, 3)))), tmp_path).dropped == ()
