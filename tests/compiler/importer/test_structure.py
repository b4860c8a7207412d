import numpy as np
import pytest
from onnx import TensorProto, helper

from bcsim.compiler.importer import import_onnx
from tests.compiler.build import imported, model, node, refusal, save, tensors

RELU = node("Relu", "x", "y")


def with_input(*dims, kind=TensorProto.FLOAT):
    built = model([RELU])
    built.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", kind, dims))
    return built


def test_metadata_and_name(tmp_path):
    built = model([RELU])
    helper.set_model_props(built, {"bcsim.dataset": "digits"})
    graph = imported(built, tmp_path)
    assert (graph.name, graph.input, graph.input_shape, graph.output) == ("model", "x", (4,), "y")
    assert graph.metadata == {"bcsim.dataset": "digits"}


def test_nodes_out_of_order(tmp_path):
    built = model([node("Relu", "b", "y"), node("Neg", "a", "b"), node("Sign", "x", "a")])
    assert [n.op for n in imported(built, tmp_path).nodes] == ["Sign", "Neg", "Relu"]


def test_nodes_without_names(tmp_path):
    relu = node("Relu", "x", "y")
    relu.name = ""
    assert imported(model([relu]), tmp_path).nodes[0].name == "y"


def test_what_nothing_uses_is_left_out(tmp_path):
    built = model([node("Sigmoid", "x", "unused"), RELU])
    assert [n.op for n in imported(built, tmp_path).nodes] == ["Relu"]


@pytest.mark.parametrize("opset", [7, 9, 13, 21])
def test_operator_sets(opset, tmp_path):
    assert len(imported(model([RELU], opset=opset), tmp_path).nodes) == 1


def test_onnx_domain_by_its_long_name(tmp_path):
    built = model(
        [node("Sign", "l", "w", domain="ai.onnx"), node("MatMul", "x w", "y")], tensors(l=-np.ones((4, 2)))
    )
    built.opset_import[0].domain = "ai.onnx"
    assert imported(built, tmp_path).nodes[0].weights.tolist() == [[-1] * 4] * 2


def test_operator_set_of_the_future(tmp_path):
    assert refusal(model([RELU], opset=9999), tmp_path).startswith(
        "The model uses ONNX operator set 9999; the installed onnx knows 1 to "
    )


def test_two_inputs(tmp_path):
    built = model([node("Add", "x z", "y")])
    built.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 4]))
    assert refusal(built, tmp_path) == "The network has 2 inputs ('x', 'z'); accepted is one"


def test_no_input(tmp_path):
    built = model([node("Relu", "c", "y")], tensors(c=np.ones((1, 4))))
    del built.graph.input[:]
    assert refusal(built, tmp_path) == "The network has 0 inputs (); accepted is one"


def test_two_outputs(tmp_path):
    built = model([RELU, node("Neg", "x", "z")])
    built.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    assert refusal(built, tmp_path) == (
        "The network has 2 outputs ('y', 'z'); accepted is one, so keep the class scores only"
    )


def test_output_that_feeds_on(tmp_path):
    assert refusal(model([RELU, node("Neg", "y", "z")]), tmp_path) == (
        "Output 'y' also feeds node 'n_z' (Neg); it must be the end of the chain"
    )


def test_output_that_is_constant(tmp_path):
    built = model([node("Relu", "c", "y")], tensors(c=np.ones((1, 4))))
    assert refusal(built, tmp_path) == (
        "Output 'y' does not depend on the network's input; expected the class scores"
    )


def test_output_that_is_an_image(tmp_path):
    graph = imported(model([RELU], shape=(2, 2)), tmp_path)
    assert [(type(n).__name__, n.inputs, n.output) for n in graph.nodes] == [
        ("Relu", ("x",), "y/map"),
        ("Flatten", ("y/map",), "y"),
    ]
    assert graph.notes == (
        "Output 'y' is a map of 2x2 scores: they come flattened, in this order, and the class is the place of the "
        "greatest",
    )


def test_output_that_nothing_defines(tmp_path):
    assert refusal(model([node("Relu", "x", "z")]), tmp_path) == (
        "Output 'y' does not depend on the network's input; expected the class scores"
    )


@pytest.mark.parametrize("dims", [(), ("N",), (4,)])
def test_input_without_a_batch_axis(dims, tmp_path):
    assert refusal(with_input(*dims), tmp_path) == (
        f"Input 'x' has {len(dims)} axes; expected a batch axis and at least one more"
    )


@pytest.mark.parametrize(
    ("dim", "name"), [("height", "height"), (None, "no size"), (0, "no size"), (-4, "no size")]
)
def test_dynamic_axis(dim, name, tmp_path):
    assert refusal(with_input("N", 1, dim), tmp_path) == (
        f"Input 'x': axis 2 is dynamic ({name}); only the batch axis (axis 0) may be"
    )


def test_huge_input(tmp_path):
    assert refusal(with_input("N", 2**16, 2**16), tmp_path) == (
        "Input 'x' has the shape (65536, 65536); accepted are up to 33554432 elements"
    )


def test_input_of_another_kind(tmp_path):
    assert refusal(with_input("N", 4, kind=TensorProto.STRING), tmp_path) == (
        "Input 'x' has the element type string; expected floats or integers"
    )


def test_cycle(tmp_path):
    built = model([node("Add", "x b", "a"), node("Neg", "a", "b"), node("Relu", "b", "y")])
    assert refusal(built, tmp_path) == (
        "The network has a cycle through 'n_a', 'n_b'; accepted are feed-forward networks"
    )


def test_node_that_feeds_itself(tmp_path):
    assert refusal(model([node("Add", "x y", "y")]), tmp_path) == (
        "The network has a cycle through 'n_y'; accepted are feed-forward networks"
    )


def test_undefined_tensor(tmp_path):
    assert refusal(model([node("MatMul", "x w", "y")]), tmp_path) == (
        "Node 'n_y' (MatMul): input 'w' is defined nowhere in the file"
    )


@pytest.mark.parametrize(
    ("nodes", "name"),
    [
        ([RELU, node("Neg", "x", "y")], "y"),
        ([node("Relu", "x", "w"), node("Relu", "w", "y")], "w"),
        ([node("Relu", "w", "x"), RELU], "x"),
    ],
)
def test_tensor_defined_twice(nodes, name, tmp_path):
    assert refusal(model(nodes, tensors(w=np.ones(4))), tmp_path) == (
        f"Tensor {name!r} is defined twice; every tensor must have one source"
    )


def test_sparse_tensor(tmp_path):
    built = model([RELU])
    sparse = built.graph.sparse_initializer.add()
    sparse.values.name = "w"
    assert refusal(built, tmp_path) == "Tensor 'w' is stored sparse; accepted are dense initialisers"


def test_branches(tmp_path):
    nodes = [node("Relu", "x", "a"), node("Neg", "a", "b"), node("Sign", "a", "c"), node("Add", "b c", "y")]
    graph = imported(model(nodes), tmp_path)
    assert [(n.op, n.inputs) for n in graph.nodes] == [
        ("Relu", ("x",)),
        ("Neg", ("a",)),
        ("Sign", ("a",)),
        ("Add", ("b", "c")),
    ]


def test_further_outputs(tmp_path):
    nodes = [node("Dropout", "x", "a mask"), node("Cast", "mask", "b", to=1), node("Mul", "b two", "y")]
    assert refusal(model(nodes, tensors(two=2.0)), tmp_path) == (
        "Node 'n_b' (Cast): its input 'mask' is a further output of a node; accepted are first outputs"
    )


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        ("ConvTranspose", "it widens its input, which no window of the array does; accepted is Conv"),
        ("GridSample", "it makes values between those of its input; accepted is Resize to the nearest pixel"),
        ("LpPool", "it sums powers; accepted are MaxPool and AveragePool"),
        (
            "InstanceNormalization",
            "it divides by what it finds in the image; accepted is BatchNormalization with stored mean and variance",
        ),
        (
            "DynamicQuantizeLinear",
            "it takes its scale from what it finds in the image; accepted is QuantizeLinear with a stored scale "
            "(static quantisation)",
        ),
        ("LSTM", "recurrent layers are not supported"),
        ("If", "it has a graph of its own; accepted are networks without control flow"),
    ],
)
def test_known_operators_that_are_not_supported(op, reason, tmp_path):
    assert refusal(model([node(op, "x", "y")]), tmp_path) == f"Node 'n_y' ({op}): {reason}"


def test_unknown_operator(tmp_path):
    assert refusal(model([node("Einsum", "x", "y")]), tmp_path) == (
        "Node 'n_y' (Einsum): this operator is not supported; docs/onnx.md lists those that are"
    )


def test_unknown_domain(tmp_path):
    assert refusal(model([node("Relu", "x", "y", domain="com.example")]), tmp_path) == (
        "Node 'n_y' (Relu): operators of domain 'com.example' are not supported; accepted domains are "
        "'', 'com.microsoft', 'finn.custom_op.general', 'onnx.brevitas', 'qonnx.custom_op.channels_last', "
        "'qonnx.custom_op.general'"
    )


def test_path_as_text(tmp_path):
    assert import_onnx(str(save(model([RELU]), tmp_path))).output == "y"
