import numpy as np
import pytest

from tests.compiler.build import imported, model, node, refusal, tensors

MATMUL = node("MatMul", "x w", "a")
WEIGHTS = tensors(w=np.ones((4, 3)), row=np.int64([1]))


@pytest.mark.parametrize(
    ("tail", "dropped"),
    [
        ([node("Softmax", "a", "y")], ("n_y (Softmax)",)),
        ([node("Softmax", "a", "y", axis=1)], ("n_y (Softmax)",)),
        ([node("LogSoftmax", "a", "y", axis=-1)], ("n_y (LogSoftmax)",)),
        ([node("ArgMax", "a", "y", axis=1)], ("n_y (ArgMax)",)),
        ([node("Identity", "a", "y")], ("n_y (Identity)",)),
        (
            [node("Softmax", "a", "b"), node("ArgMax", "b", "c", axis=-1), node("Cast", "c", "y", to=6)],
            ("n_b (Softmax)", "n_c (ArgMax)", "n_y (Cast)"),
        ),
        (
            [node("ArgMax", "a", "b", axis=1), node("Squeeze", "b row", "y")],
            ("n_b (ArgMax)", "n_y (Squeeze)"),
        ),
    ],
)
def test_dropped(tail, dropped, tmp_path):
    graph = imported(model([MATMUL, *tail], WEIGHTS), tmp_path)
    assert graph.output == "a"
    assert [n.output for n in graph.nodes] == ["a"]
    assert graph.dropped == dropped


def test_what_stands_before_the_last_layer_is_not_named(tmp_path):
    nodes = [node("Identity", "x", "i"), node("MatMul", "i w", "a"), node("Identity", "a", "y")]
    assert imported(model(nodes, WEIGHTS), tmp_path).dropped == ("n_y (Identity)",)


def test_only_at_the_end(tmp_path):
    nodes = [MATMUL, node("Softmax", "a", "b"), node("Relu", "b", "y")]
    assert refusal(model(nodes, WEIGHTS), tmp_path) == (
        "Node 'n_y' (Relu): it follows node 'n_b' (Softmax), which is accepted only at the end of the network"
    )


@pytest.mark.parametrize(("op", "axis"), [("Softmax", 0), ("LogSoftmax", 2), ("ArgMax", 0)])
def test_other_axes(op, axis, tmp_path):
    assert refusal(model([MATMUL, node(op, "a", "y", axis=axis)], WEIGHTS), tmp_path) == (
        f"Node 'n_y' ({op}): its axis is {axis} for an input of shape (3,) behind the batch axis; "
        "accepted is the class axis, 1"
    )


def test_argmax_counts_from_the_batch_by_default(tmp_path):
    assert "its axis is 0 for" in refusal(model([MATMUL, node("ArgMax", "a", "y")], WEIGHTS), tmp_path)


def test_last_of_equal_scores(tmp_path):
    assert refusal(
        model([MATMUL, node("ArgMax", "a", "y", axis=1, select_last_index=1)], WEIGHTS), tmp_path
    ) == (
        "Node 'n_y' (ArgMax): it picks the last of equal scores; accepted is the first (select_last_index = 0)"
    )


TOP = node("TopK", "a row", "v i", axis=-1)


def one_output(nodes, name):
    built = model(nodes, WEIGHTS)
    built.graph.output[0].name = name
    return built


@pytest.mark.parametrize("name", ["v", "i"])
def test_top_1(name, tmp_path):
    graph = imported(one_output([MATMUL, TOP], name), tmp_path)
    assert (graph.output, graph.dropped) == ("a", ("n_v (TopK)",))


def test_top_1_as_an_attribute(tmp_path):
    built = one_output([MATMUL, node("TopK", "a", "v i", k=1)], "i")
    built.opset_import[0].version = 1
    assert imported(built, tmp_path).output == "a"


@pytest.mark.parametrize("changed", [{"largest": 0}, {"sorted": 0}])
def test_top_k_of_other_orders(changed, tmp_path):
    nodes = [MATMUL, node("TopK", "a two", "v i", axis=-1, **changed)]
    built = model(nodes, [*WEIGHTS, *tensors(two=np.int64([2]))])
    built.graph.output[0].name = "i"
    assert refusal(built, tmp_path) == (
        "Node 'n_v' (TopK): it gives the least scores, or several in any order; accepted are the greatest first"
    )


@pytest.mark.parametrize("shape", [(4,), (2, 3, 3)])
def test_an_output_that_is_the_input_itself(shape, tmp_path):
    assert refusal(model([node("Identity", "x", "y")], [], shape), tmp_path) == (
        "Output 'y' is the network's input itself; expected the class scores"
    )
