import numpy as np
import pytest
from onnx import TensorProto, helper

from bcsim.compiler.graph.nodes import Flatten, Relu
from tests.compiler.build import check_equal, imported, model, node, refusal, tensors

RNG = np.random.default_rng(23)
IMAGES = RNG.normal(size=(1, 1, 3, 4))
BATCH = RNG.normal(size=(5, 1, 3, 4))


def shape_chain(rest, opset):
    """torch's view(x.shape[0], rest), as exported."""
    old, new = node("Unsqueeze", "n", "n1", axes=[0]), node("Unsqueeze", "n zero", "n1")
    return [
        node("Shape", "x", "s"),
        node("Gather", "s index", "n", axis=0),
        old if opset < 13 else new,
        node("Concat", "n1 rest", "t", axis=0),
        node("Reshape", "x t", "y"),
    ], tensors(index=np.int64(0), zero=np.int64([0]), rest=np.int64([rest]))


def kinds(graph):
    return [type(n) for n in graph.nodes]


@pytest.mark.parametrize("opset", [9, 13, 18])
@pytest.mark.parametrize("rest", [-1, 12])
@pytest.mark.parametrize("batch", [1, "N"])
def test_shape_chain(opset, rest, batch, tmp_path):
    nodes, arrays = shape_chain(rest, opset)
    built = model(nodes, arrays, shape=(1, 3, 4), opset=opset, batch=batch)
    graph = check_equal(built, tmp_path, IMAGES if batch == 1 else BATCH)
    assert kinds(graph) == [Flatten]
    assert graph.input_shape == (1, 3, 4)


@pytest.mark.parametrize("target", [[-1, 12], [0, -1], [0, 12]])
def test_reshape_of_any_batch(target, tmp_path):
    built = model([node("Reshape", "x t", "y")], tensors(t=np.int64(target)), shape=(1, 3, 4))
    assert kinds(check_equal(built, tmp_path, BATCH)) == [Flatten]


@pytest.mark.parametrize("batch", [1, "N"])
@pytest.mark.parametrize("target", [[1, 12], [1, -1]])
def test_reshape_to_one_image(batch, target, tmp_path):
    built = model([node("Reshape", "x t", "y")], tensors(t=np.int64(target)), shape=(1, 3, 4), batch=batch)
    assert kinds(check_equal(built, tmp_path, IMAGES)) == [Flatten]


def test_reshape_to_a_fixed_batch(tmp_path):
    built = model([node("Reshape", "x t", "y")], tensors(t=np.int64([5, -1])), shape=(1, 3, 4), batch=5)
    assert kinds(check_equal(built, tmp_path, BATCH)) == [Flatten]


@pytest.mark.parametrize(
    ("nodes", "opset"),
    [
        ([node("Flatten", "x", "y")], 13),
        ([node("Flatten", "x", "y", axis=-3)], 13),
        ([node("Flatten", "x", "y", axis=2)], 13),
        ([node("Squeeze", "x", "a", axes=[1]), node("Flatten", "a", "y")], 11),
        ([node("Unsqueeze", "x", "a", axes=[1, -1]), node("Flatten", "a", "y")], 11),
        ([node("Unsqueeze", "x last", "a"), node("Squeeze", "a last", "b"), node("Flatten", "b", "y")], 13),
        ([node("Transpose", "x", "a", perm=[0, 2, 3, 1]), node("Flatten", "a", "y")], 13),
        ([node("Identity", "x", "a"), node("Relu", "a", "b"), node("Flatten", "b", "y")], 13),
        ([node("Dropout", "x", "a"), node("Flatten", "a", "y")], 13),
        ([node("Cast", "x", "a", to=TensorProto.FLOAT), node("Flatten", "a", "y")], 13),
    ],
)
def test_chains_that_only_flatten(nodes, opset, tmp_path):
    built = model(nodes, tensors(last=np.int64([-1])), shape=(1, 3, 4), opset=opset)
    assert [kind for kind in kinds(check_equal(built, tmp_path, BATCH)) if kind is not Relu] == [Flatten]


def test_flat_tensors_need_no_flatten(tmp_path):
    nodes = [
        node("Reshape", "x image", "a"),
        node("Relu", "a", "b"),
        node("Squeeze", "b", "c", axes=[1]),
        node("Reshape", "c flat", "d"),
        node("Add", "d bias", "y"),
    ]
    arrays = tensors(image=np.int64([-1, 1, 2, 2]), flat=np.int64([0, -1]), bias=[1.0, 2, 3, 4])
    check_equal(model(nodes, arrays, opset=11), tmp_path, RNG.normal(size=(3, 4)))


def test_dropout_with_its_mask(tmp_path):
    nodes = [node("Dropout", "x", "a mask"), node("Relu", "a", "y")]
    assert kinds(imported(model(nodes), tmp_path)) == [Relu]


ACCEPTED = "accepted is what keeps the batch axis first and the values in order, such as flattening"
REFUSED = [
    (node("Reshape", "x all", "y"), f"it reshapes (1, 3, 4) behind the batch axis to [-1]; {ACCEPTED}"),
    (node("Reshape", "x rows", "y"), f"it reshapes (1, 3, 4) behind the batch axis to [-1, 4]; {ACCEPTED}"),
    (node("Reshape", "x odd", "y"), f"it reshapes (1, 3, 4) behind the batch axis to [-1, 5]; {ACCEPTED}"),
    (node("Reshape", "x two", "y"), f"it reshapes (1, 3, 4) behind the batch axis to [-1, -1]; {ACCEPTED}"),
    (
        node("Reshape", "x zero", "y", allowzero=1),
        f"it reshapes (1, 3, 4) behind the batch axis to [0, 12]; {ACCEPTED}",
    ),
    (node("Reshape", "x", "y"), "its shape must be a constant of the file, and is missing"),
    (
        node("Flatten", "x", "y", axis=0),
        f"its axis is 0 for an input of shape (1, 3, 4) behind the batch axis; {ACCEPTED}",
    ),
    (
        node("Flatten", "x", "y", axis=3),
        f"its axis is 3 for an input of shape (1, 3, 4) behind the batch axis; {ACCEPTED}",
    ),
    (
        node("Flatten", "x", "y", axis=9),
        f"its axis is 9 for an input of shape (1, 3, 4) behind the batch axis; {ACCEPTED}",
    ),
    (
        node("Squeeze", "x", "y", axes=[0]),
        "it removes axes [0] of (1, 3, 4) behind the batch axis; accepted are axes of size 1",
    ),
    (
        node("Squeeze", "x", "y", axes=[2]),
        "it removes axes [2] of (1, 3, 4) behind the batch axis; accepted are axes of size 1",
    ),
    (
        node("Squeeze", "x", "y", axes=[7]),
        "it removes axes [7] of (1, 3, 4) behind the batch axis; accepted are axes of size 1",
    ),
    (node("Unsqueeze", "x", "y", axes=[0]), "it adds axes [0]; accepted are axes behind the batch axis"),
    (node("Unsqueeze", "x", "y", axes=[6]), "it adds axes [6]; accepted are axes behind the batch axis"),
    (
        node("Transpose", "x", "y", perm=[1, 0, 2, 3]),
        f"it moves axes of (1, 3, 4) to the order [1, 0, 2, 3]; {ACCEPTED}",
    ),
    (
        node("Transpose", "x", "y", perm=[0, 9, 2, 3]),
        f"it moves axes of (1, 3, 4) to the order [0, 9, 2, 3]; {ACCEPTED}",
    ),
    (node("Transpose", "x", "y"), f"it moves axes of (1, 3, 4) to the order [3, 2, 1, 0]; {ACCEPTED}"),
    (
        node("Cast", "x", "y", to=TensorProto.INT8),
        "it casts to a type that cuts off what does not fit; accepted are floats, int32 and int64",
    ),
    (node("Dropout", "x half on", "y"), "it is in training mode; export the network for inference"),
]


@pytest.mark.parametrize(("made", "message"), REFUSED)
def test_refused(made, message, tmp_path):
    arrays = tensors(
        all=np.int64([-1]),
        rows=np.int64([-1, 4]),
        odd=np.int64([-1, 5]),
        two=np.int64([-1, -1]),
        zero=np.int64([0, 12]),
        half=0.5,
        on=np.array(True),
    )
    built = model([made], arrays, shape=(1, 3, 4), opset=14)
    assert refusal(built, tmp_path) == f"Node 'n_y' ({made.op_type}): {message}"


def test_a_shape_that_mixes_batch_and_pixels(tmp_path):
    nodes = [node("Shape", "x", "s"), node("ReduceProd", "s", "t", keepdims=1), node("Reshape", "x t", "y")]
    assert refusal(model(nodes, shape=(1, 3, 4)), tmp_path) == (
        f"Node 'n_y' (Reshape): it reshapes (1, 3, 4) behind the batch axis to [132]; {ACCEPTED}"
    )


def test_batch_size_in_arithmetic(tmp_path):
    nodes = [
        node("Shape", "x", "s", end=1),
        node("Cast", "s", "n", to=TensorProto.FLOAT),
        node("Mul", "x n", "y"),
    ]
    assert refusal(model(nodes, opset=15), tmp_path) == (
        "Node 'n_y' (Mul): its constant must be a constant of the file, and is 'n', not a constant"
    )


def test_integer_input_that_is_cast(tmp_path):
    nodes = [node("Cast", "x", "c", to=TensorProto.FLOAT), node("MatMul", "c w", "y")]
    built = model(nodes, tensors(w=np.ones((4, 2))))
    built.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.UINT8, ["N", 4]))
    (dense,) = imported(built, tmp_path).nodes
    assert dense.inputs == ("x",)


@pytest.mark.parametrize("wrong", [0.5, np.nan, np.inf, 1e30])
@pytest.mark.parametrize(
    ("op", "inputs", "what"),
    [
        ("Slice", "x c one one", "starts"), ("Slice", "x one one c", "axes"), ("Split", "x c", "split"),
        ("Squeeze", "x c", "axes"), ("Reshape", "x c", "shape"), ("Pad", "x c", "pads"), ("ReduceMean", "x c", "axes"),
    ],
)  # fmt: skip
def test_numbers_that_are_not_whole_are_refused(op, inputs, what, wrong, tmp_path):
    given = {"axis": 1} if op == "Split" else {}
    built = model(
        [node(op, inputs, "y", **given)], tensors(c=[wrong], one=np.int64([1])), (3, 4, 4), opset=18
    )
    assert f"its {what}" in refusal(built, tmp_path)
