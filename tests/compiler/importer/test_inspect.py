import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.importer import NodeReport, inspect_onnx
from tests.compiler.build import BREVITAS, model, node, save, tensors


def reports(nodes, folder, **arrays):
    return inspect_onnx(save(model(nodes, tensors(**arrays)), folder))


def test_a_supported_network(tmp_path):
    nodes = [
        node("Identity", "x", "i"),
        node("Sign", "l", "w"),
        node("Gemm", "i w b", "d"),
        node("Quant", "d s z n", "q", domain=BREVITAS),
        node("Sigmoid", "x", "u"),
        node("Softmax", "q", "y"),
    ]
    latent = np.array([[1.0, -1], [0, 1], [1, 1], [1, 1]])
    note = (
        "Node 'n_w' (Sign): 1 of the 8 weights in 'l' are 0 and count as +1 "
        "(BinaryConnect's w >= 0; ONNX's Sign(0) is 0)"
    )
    unchanged = "it changes no value that the classes depend on"
    assert reports(nodes, tmp_path, l=latent, b=[1.0, 2.0], s=1.0, z=0.0, n=2.0) == [
        NodeReport("n_i", "Identity", "", "dropped", reason=unchanged),
        NodeReport("n_w", "Sign", "", "folded", "constant (4, 2)", note),
        NodeReport("n_d", "Gemm", "", "lowered", "Dense 4 to 2, weights +-1, Affine"),
        NodeReport("n_q", "Quant", BREVITAS, "lowered", "Quant -2 to 1"),
        NodeReport("n_u", "Sigmoid", "", "dropped", reason="nothing uses its result"),
        NodeReport("n_y", "Softmax", "", "dropped", reason=unchanged),
    ]


def test_goes_on_behind_what_is_not_supported(tmp_path):
    nodes = [
        node("ConvTranspose", "x k", "a"),
        node("Sub", "a t", "b"),
        node("Sign", "b", "c"),
        node("Flatten", "c", "d"),
        node("MatMul", "d w", "e"),
        node("Abs", "e", "y"),
    ]
    found = reports(nodes, tmp_path, k=np.ones((2, 1, 1, 1)), t=np.ones((1, 2, 1, 1)), w=np.ones((8, 3)) / 4)
    assert [(r.op, r.status, r.into) for r in found] == [
        ("ConvTranspose", "unsupported", ""),
        ("Sub", "lowered", "Affine"),
        ("Sign", "lowered", "Sign"),
        ("Flatten", "lowered", "Flatten"),
        ("MatMul", "lowered", "Dense 8 to 3, weights +-1"),
        ("Abs", "unsupported", ""),
    ]
    assert found[0].reason == "it widens its input, which no window of the array does; accepted is Conv"


def test_a_shape_that_is_not_known(tmp_path):
    nodes = [node("ConvTranspose", "x k", "a"), node("Squeeze", "a", "b"), node("Reshape", "b t", "y")]
    found = reports(nodes, tmp_path, k=np.ones((2, 1, 1, 1)), t=np.int64([0, -1]))
    assert [r.status for r in found] == ["unsupported", "unsupported", "dropped"]
    assert found[1].reason == (
        "the shape of its input is not known, because a node before it is not supported"
    )


def test_a_constant_that_could_not_be_computed(tmp_path):
    nodes = [node("Det", "a", "b"), node("Neg", "b", "c"), node("Add", "x c", "d"), node("Relu", "d", "y")]
    found = reports(nodes, tmp_path, a=np.eye(2))
    assert [r.status for r in found] == ["unsupported", "unsupported", "unsupported", "lowered"]
    assert found[2].reason == "one of its constants could not be computed"


def test_a_network_that_cannot_be_walked(tmp_path):
    nodes = [node("Neg", "x", "a"), node("Neg", "x", "a"), node("Relu", "a", "y")]
    assert reports(nodes, tmp_path) == [
        NodeReport(
            "built",
            "graph",
            "",
            "unsupported",
            reason="Tensor 'a' is defined twice; every tensor must have one source",
        )
    ]


def test_an_output_that_is_no_score(tmp_path):
    built = model([node("Transpose", "x", "y", perm=[0, 2, 1])], shape=(2, 3))
    assert inspect_onnx(save(built, tmp_path))[-1] == NodeReport(
        "built",
        "graph",
        "",
        "unsupported",
        reason="Output 'y' is the network's input itself; expected the class scores",
    )


def test_a_file_that_is_no_model_is_an_error(tmp_path):
    path = tmp_path / "note.onnx"
    path.write_text("# a note")
    with pytest.raises(BcsimError) as caught:
        inspect_onnx(path)
    assert str(caught.value) == f"File {str(path)!r} is not an ONNX model, or it is truncated"
