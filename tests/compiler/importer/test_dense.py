import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from bcsim.compiler.graph.nodes import Affine, Dense
from tests.compiler.build import check_equal, imported, model, node, refusal, runtime, tensors

RNG = np.random.default_rng(11)
SIGNS = RNG.choice([-1.0, 1.0], (4, 3))
LATENT = (SIGNS * RNG.uniform(0.01, 1, SIGNS.shape)).astype(np.float32)
X = RNG.normal(size=(6, 4))
MATMUL = node("MatMul", "x w", "y")


def dense(graph):
    (found,) = [n for n in graph.nodes if isinstance(n, Dense)]
    return found


def check_signs(built, folder, signs=SIGNS, scale=1.0):
    found = dense(check_equal(built, folder, X))
    np.testing.assert_array_equal(found.weights, signs.T)
    np.testing.assert_array_equal(found.scale, np.broadcast_to(scale, 3))
    return found


@pytest.mark.parametrize("scale", [1.0, 0.25, np.array([0.5, 3.0, 0.125])])
def test_stored_weights(scale, tmp_path):
    check_signs(model([MATMUL], tensors(w=SIGNS * scale)), tmp_path, scale=scale)


def test_stored_weights_in_onnxruntime(tmp_path):
    built = model([MATMUL], tensors(w=SIGNS))
    check_equal(built, tmp_path, X, witness=runtime)


def test_ternary_weights_with_negative_zero(tmp_path):
    ternary = SIGNS * np.array([[1], [0], [1], [-0.0]])
    check_signs(model([MATMUL], tensors(w=ternary * 0.5)), tmp_path, ternary, 0.5)


DIALECTS = {
    "sign": [node("Sign", "l", "w")],
    "where": [node("GreaterOrEqual", "l zero", "c"), node("Where", "c one minus", "w")],
    "tf2onnx": [node("Sign", "l", "a"), node("Add", "a tenth", "b"), node("Sign", "b", "w")],
    "straight-through": [node("Sign", "l", "a"), node("Sub", "a l", "b"), node("Add", "l b", "w")],
    "clipped": [node("Clip", "l minus one", "a"), node("Sign", "a", "w")],
    "moved": [
        node("Transpose", "l", "a"),
        node("Identity", "a", "b"),
        node("Sign", "b", "c"),
        node("Transpose", "c", "w"),
    ],
    "cast": [
        node("Cast", "l", "a", to=TensorProto.DOUBLE),
        node("Sign", "a", "b"),
        node("Cast", "b", "w", to=1),
    ],
    "reshaped": [node("Reshape", "l flat", "a"), node("Sign", "a", "b"), node("Reshape", "b shape", "w")],
}
CONSTANTS = tensors(zero=0.0, one=1.0, minus=-1.0, tenth=0.1, flat=[12], shape=[4, 3])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_weights_computed_in_the_graph(dialect, tmp_path):
    nodes = [*DIALECTS[dialect], MATMUL]
    found = check_signs(model(nodes, [*tensors(l=LATENT), *CONSTANTS]), tmp_path)
    assert found.name == "n_y"
    assert imported(model(nodes, [*tensors(l=LATENT), *CONSTANTS]), tmp_path).notes == ()


@pytest.mark.parametrize("dialect", ["sign", "tf2onnx", "straight-through", "clipped", "where"])
def test_a_latent_weight_of_zero_counts_as_plus_one(dialect, tmp_path):
    latent = LATENT.copy()
    latent[0, 0], latent[1, 2] = 0.0, -0.0
    expected = SIGNS.copy()
    expected[0, 0] = expected[1, 2] = 1
    graph = imported(model([*DIALECTS[dialect], MATMUL], [*tensors(l=latent), *CONSTANTS]), tmp_path)
    np.testing.assert_array_equal(dense(graph).weights, expected.T)
    signed = {"clipped": ("n_w", "a"), "sign": ("n_w", "l")}.get(dialect, ("n_a", "l"))
    note = (
        f"Node {signed[0]!r} (Sign): 2 of the 12 weights in {signed[1]!r} are 0 and count as +1 "
        "(BinaryConnect's w >= 0; ONNX's Sign(0) is 0)"
    )
    assert graph.notes == (() if dialect == "where" else (note,))


MADE_ZERO = {
    "clip": [node("Clip", "l zero one", "a"), node("Sign", "a", "w")],
    "cast": [
        node("Cast", "l", "a", to=TensorProto.INT8),
        node("Cast", "a", "b", to=1),
        node("Sign", "b", "w"),
    ],
}


@pytest.mark.parametrize("how", MADE_ZERO)
def test_zeros_that_the_graph_made_stay_zeros(how, tmp_path):
    latent = SIGNS * np.array([[0.5], [1.5], [2.5], [0.25]])
    kept = np.maximum(SIGNS, 0) if how == "clip" else SIGNS * np.array([[0], [1], [1], [0]])
    check_signs(model([*MADE_ZERO[how], MATMUL], [*tensors(l=latent), *CONSTANTS]), tmp_path, kept)


def test_sign_of_stored_integers_keeps_its_zeros(tmp_path):
    stored = (SIGNS * [[1], [0], [1], [1]]).astype(np.int8)
    nodes = [node("Sign", "q", "a"), node("Cast", "a", "w", to=1), MATMUL]
    check_signs(model(nodes, tensors(q=stored)), tmp_path, stored)


def test_sign_of_computed_weights_keeps_its_zeros(tmp_path):
    nodes = [node("Mul", "l mask", "a"), node("Sign", "a", "w"), MATMUL]
    mask = np.array([[1.0], [0.0], [1.0], [1.0]])
    check_signs(model(nodes, tensors(l=LATENT, mask=mask)), tmp_path, SIGNS * mask)


def test_weights_stored_with_a_straight_through_residue(tmp_path):
    noisy = (LATENT + (np.sign(LATENT) - LATENT)).astype(np.float32)
    noisy[0, 0] = np.nextafter(noisy[0, 0], np.float32(0))
    graph = imported(model([MATMUL], tensors(w=noisy)), tmp_path)
    np.testing.assert_array_equal(dense(graph).weights, SIGNS.T)
    assert graph.notes == (
        "Node 'n_y' (MatMul): weights of 'w' were moved by up to 6e-08 of their value to integers times a scale",
    )


def dequantised(values, kind=TensorProto.INT8, **inputs):
    stored = helper.make_tensor("q", kind, values.shape, values.astype(int).ravel())
    names = " ".join(["q", *inputs])
    nodes = [node("DequantizeLinear", names, "w", axis=1), MATMUL]
    return model(nodes, [stored, *tensors(**inputs)], opset=21)


@pytest.mark.parametrize("kind", [TensorProto.INT8, TensorProto.INT4])
@pytest.mark.parametrize("scale", [1.0, 0.3, [0.1, 0.2, 0.7]])
def test_dequantised_signs(kind, scale, tmp_path):
    check_signs(dequantised(SIGNS, kind, s=scale), tmp_path, scale=np.float32(scale).astype(np.float64))


def test_dequantised_integers_with_a_zero_point(tmp_path):
    integers = RNG.integers(-125, 122, SIGNS.shape)
    integers[0] = -125
    found = dense(check_equal(dequantised(integers, s=0.1, z=np.int8(3)), tmp_path, X, 1e-4))
    np.testing.assert_array_equal(found.weights, (integers - 3).T)


@pytest.mark.parametrize("opset", [10, 13, 19])
def test_dequantised_in_older_operator_sets(opset, tmp_path):
    nodes = [node("DequantizeLinear", "q s", "w"), MATMUL]
    graph = imported(model(nodes, tensors(q=SIGNS.astype(np.int8), s=0.5), opset=opset), tmp_path)
    np.testing.assert_array_equal(dense(graph).weights, SIGNS.T)
    np.testing.assert_array_equal(dense(graph).scale, np.full(3, 0.5))


def test_weights_quantised_in_the_graph(tmp_path):
    nodes = [node("QuantizeLinear", "l s z", "q"), node("DequantizeLinear", "q s z", "w"), MATMUL]
    found = dense(check_equal(model(nodes, tensors(l=LATENT, s=0.1, z=np.int8(0)), opset=21), tmp_path, X))
    np.testing.assert_array_equal(found.weights, np.rint(LATENT.astype(np.float64) / np.float32(0.1)).T)


@pytest.mark.parametrize("turned", [0, 1])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, -2.0), (-1.0, 0.0)])
def test_gemm(turned, alpha, beta, tmp_path):
    weights = SIGNS.T if turned else SIGNS
    gemm = node("Gemm", "x w b", "y", transB=turned, alpha=alpha, beta=beta)
    bias = np.array([0.5, -1.0, 2.0])
    graph = check_equal(model([gemm], tensors(w=weights, b=bias)), tmp_path, X)
    np.testing.assert_array_equal(dense(graph).weights, SIGNS.T * np.sign(alpha))
    assert [type(n) for n in graph.nodes] == ([Dense, Affine] if beta else [Dense])


def test_gemm_with_a_row_of_bias_and_without(tmp_path):
    check_equal(model([node("Gemm", "x w b", "y")], tensors(w=SIGNS, b=[[1.0, 2.0, 3.0]])), tmp_path, X)
    check_equal(model([node("Gemm", "x w b", "y")], tensors(w=SIGNS, b=2.0)), tmp_path, X)
    assert len(check_equal(model([node("Gemm", "x w", "y")], tensors(w=SIGNS)), tmp_path, X).nodes) == 1


def test_initialiser_listed_as_an_input(tmp_path):
    built = model([MATMUL], tensors(w=SIGNS))
    built.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3]))
    np.testing.assert_array_equal(dense(imported(built, tmp_path)).weights, SIGNS.T)


def test_constant_nodes(tmp_path):
    constant = node("Constant", "", "w", value=numpy_helper.from_array(SIGNS.astype(np.float32)))
    check_signs(model([constant, MATMUL]), tmp_path)


REFUSED = {
    "many-valued": (
        [MATMUL],
        {"w": np.arange(1, 13).reshape(4, 3) ** 0.5},
        "Node 'n_y' (MatMul): weight tensor 'w' has 12 distinct values (1, 1.414, 1.732, ...); accepted are two- or "
        "three-valued weights (+-c, 0) or integers of 2 to 8 bits times a scale, and real ones that "
        "--weight-bits rounds",
    ),
    "other inputs": (
        [MATMUL],
        {"w": np.ones((5, 3))},
        "Node 'n_y' (MatMul): weight tensor 'w' takes 5 inputs, but input 'x' has shape (4,) behind the batch axis",
    ),
    "a vector": (
        [MATMUL],
        {"w": np.ones(4)},
        "Node 'n_y' (MatMul): weight tensor 'w' has shape (4,); expected two axes",
    ),
    "weights first": (
        [node("MatMul", "w x", "y")],
        {"w": np.ones((3, 4))},
        "Node 'n_y' (MatMul): its first input is a constant; accepted are weights as the second input",
    ),
    "no weights": (
        [node("MatMul", "x x", "y")],
        {},
        "Node 'n_y' (MatMul): its weight tensor must be a constant of the file, and is 'x', not a constant",
    ),
    "one input": (
        [node("MatMul", "x", "y")],
        {},
        "Node 'n_y' (MatMul): its weight tensor must be a constant of the file, and is missing",
    ),
    "transA": (
        [node("Gemm", "x w", "y", transA=1)],
        {"w": np.ones((4, 3))},
        "Node 'n_y' (Gemm): its attribute transA is set; accepted is transA = 0",
    ),
    "alpha": (
        [node("Gemm", "x w", "y", alpha=0.0)],
        {"w": np.ones((4, 3))},
        "Node 'n_y' (Gemm): its alpha 0 must be finite and not 0, and its beta 1 finite",
    ),
    "bias": (
        [node("Gemm", "x w b", "y")],
        {"w": np.ones((4, 3)), "b": np.ones(4)},
        "Node 'n_y' (Gemm): its bias 'b' has shape (4,) beside an input of shape (3,); accepted are one value, or one "
        "for each channel",
    ),
    "infinite bias": (
        [node("Gemm", "x w b", "y")],
        {"w": np.ones((4, 3)), "b": [1.0, np.inf, 0.0]},
        "Node 'n_y' (Gemm): its bias 'b' has values that are NaN or infinite",
    ),
    "nan weights": (
        [MATMUL],
        {"w": np.full((4, 3), np.nan)},
        "Node 'n_y' (MatMul): weight tensor 'w' has values that are NaN or infinite; weights must be finite",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    nodes, arrays, message = REFUSED[case]
    assert refusal(model(nodes, tensors(**arrays)), tmp_path) == message


def test_a_matrix_at_every_position_must_fit_the_last_axis(tmp_path):
    assert refusal(model([MATMUL], tensors(w=SIGNS), shape=(4, 2)), tmp_path) == (
        "Node 'n_y' (MatMul): weight tensor 'w' takes 4 inputs, but input 'x' has shape (4, 2) behind the batch axis"
    )


def test_attribute_of_another_type(tmp_path):
    gemm = node("Gemm", "x w", "y", alpha=2)
    assert refusal(model([gemm], tensors(w=SIGNS)), tmp_path) == (
        "Node 'n_y' (Gemm): its attribute 'alpha' must be of type float"
    )
