import numpy as np
import pytest
from onnx import helper

from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Bipolar, Dense, MultiThreshold, Quant
from tests.compiler.build import BREVITAS, check_equal, imported, model, node, reference, refusal, tensors

RNG = np.random.default_rng(17)
GRID = np.arange(-24, 24).reshape(12, 4) / 8
ONE, ZERO = np.float64(1), np.float64(0)


def quant(inputs="x s z b", output="y", domain=BREVITAS, op="Quant", **changed):
    attributes = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND", **changed}
    return node(op, inputs, output, domain=domain, **attributes)


def parameters(bits=2.0, scale=0.5, zero=0.0, **more):
    return tensors(s=scale, z=zero, b=bits, **more)


def only(graph):
    (found,) = graph.nodes
    return found


@pytest.mark.parametrize("scale", [0.5, [0.5], [[2.0]]])
def test_bipolar(scale, tmp_path):
    built = model([node("BipolarQuant", "x s", "y", domain=BREVITAS)], tensors(s=scale))
    found = only(check_equal(built, tmp_path, GRID))
    assert isinstance(found, Bipolar)
    assert found.scale == np.ravel(scale)[0]


@pytest.mark.parametrize(
    ("bits", "signed", "narrow", "low", "high"),
    [
        (2, 1, 0, -2, 1),
        (2, 1, 1, -1, 1),
        (1, 0, 0, 0, 1),
        (2, 0, 1, 0, 2),
        (4, 0, 0, 0, 15),
        (8, 1, 0, -128, 127),
        (8, 1, 1, -127, 127),
        (16, 0, 0, 0, 65535),
    ],
)
def test_ranges(bits, signed, narrow, low, high, tmp_path):
    built = model([quant(signed=signed, narrow=narrow)], parameters(float(bits)))
    found = only(check_equal(built, tmp_path, GRID))
    assert isinstance(found, Quant)
    assert (found.low, found.high, found.rounding) == (low, high, "ROUND")


@pytest.mark.parametrize("rounding", ["ROUND", "FLOOR", "CEIL"])
@pytest.mark.parametrize("zero", [0.0, 1.0])
def test_rounding_and_zero_point(rounding, zero, tmp_path):
    check_equal(model([quant(rounding_mode=rounding)], parameters(4.0, 0.25, zero)), tmp_path, GRID)


@pytest.mark.parametrize(
    ("text", "rounding"),
    [
        ("HALF_EVEN", "ROUND"),
        ("DOWN", "ROUND_TO_ZERO"),
        ("round_to_zero", "ROUND_TO_ZERO"),
        ("HALF_UP", "HALF_UP"),
    ],
)
def test_names_of_roundings(text, rounding, tmp_path):
    assert only(imported(model([quant(rounding_mode=text)], parameters()), tmp_path)).rounding == rounding


@pytest.mark.parametrize("narrow", [0, 1])
def test_signed_1_bit_is_bipolar(narrow, tmp_path):
    found = only(imported(model([quant(narrow=narrow)], parameters(1.0, 0.25)), tmp_path))
    assert isinstance(found, Bipolar)
    assert found.scale == 0.25


@pytest.mark.parametrize("domain", ["onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general"])
@pytest.mark.parametrize("op", ["Quant", "IntQuant"])
@pytest.mark.parametrize("listed", [True, False])
def test_domains(domain, op, listed, tmp_path):
    built = model([quant(domain=domain, op=op)], parameters())
    if listed:
        built.opset_import.append(helper.make_opsetid(domain, 1))
    assert isinstance(only(imported(built, tmp_path)), Quant)


LATENT = RNG.normal(size=(3, 4))
LATENT[0, 0] = 0


def dense(graph):
    (found,) = [n for n in graph.nodes if isinstance(n, Dense)]
    return found


def test_bipolar_weights(tmp_path):
    nodes = [
        node("BipolarQuant", "l s", "q", domain=BREVITAS),
        node("Transpose", "q", "w", perm=[1, 0]),
        node("MatMul", "x w", "y"),
    ]
    found = dense(check_equal(model(nodes, tensors(l=LATENT, s=[0.5])), tmp_path, GRID))
    np.testing.assert_array_equal(found.weights, np.where(LATENT >= 0, 1, -1))
    assert found.scale.tolist() == [0.5] * 3


@pytest.mark.parametrize("bits", [2.0, 3.0, 4.0, 8.0])
@pytest.mark.parametrize("scale", [0.25, np.array([[0.5], [0.3], [0.07]])])
def test_quant_weights(bits, scale, tmp_path):
    nodes = [quant("l s z b", "q"), node("Transpose", "q", "w"), node("MatMul", "x w", "y")]
    check_equal(model(nodes, parameters(bits, scale, l=LATENT)), tmp_path, GRID)


def test_1_bit_quant_weights(tmp_path):
    nodes = [quant("l s z b", "q"), node("Transpose", "q", "w"), node("MatMul", "x w", "y")]
    found = dense(imported(model(nodes, parameters(1.0, l=LATENT)), tmp_path))
    np.testing.assert_array_equal(found.weights, np.where(LATENT >= 0, 1, -1))


THRESHOLDS = np.sort(RNG.integers(-20, 20, (4, 3)) / 8, axis=1)


@pytest.mark.parametrize("thresholds", [THRESHOLDS, THRESHOLDS[:1], THRESHOLDS[:, ::-1]])
@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (0.5, -1.0)])
def test_multi_threshold(thresholds, scale, bias, tmp_path):
    made = node(
        "MultiThreshold", "x t", "y", domain=BREVITAS, out_scale=scale, out_bias=bias, out_dtype="UINT2"
    )
    found = only(check_equal(model([made], tensors(t=thresholds)), tmp_path, GRID))
    assert isinstance(found, MultiThreshold)
    assert (np.diff(found.thresholds) >= 0).all()


def test_multi_threshold_without_scale(tmp_path):
    made = node("MultiThreshold", "x t", "y", domain="finn.custom_op.general", out_dtype="UINT2")
    found = only(imported(model([made], tensors(t=THRESHOLDS)), tmp_path))
    assert (found.out_scale, found.out_bias) == (1, 0)


BITS = "accepted are whole numbers from 1 to 16"
REFUSED = [
    (
        {},
        {"scale": np.ones(4)},
        "its scale 's' has shape (4,); accepted for activations is one scale per tensor, not per channel",
    ),
    ({}, {"scale": 0.0}, "its scale 's' must be positive, and is 0"),
    ({}, {"scale": -1.0}, "its scale 's' must be positive, and is -1"),
    ({}, {"scale": np.nan}, "its scale 's' has values that are NaN or infinite"),
    ({}, {"bits": 0.0}, f"its bit width is 0; {BITS}"),
    ({}, {"bits": 17.0}, f"its bit width is 17; {BITS}"),
    ({}, {"bits": 2.5}, f"its bit width is 2.5; {BITS}"),
    ({}, {"zero": [0.0, 1.0]}, "its zero point 'z' has shape (2,); accepted is one value per tensor"),
    ({}, {"bits": 1.0, "zero": 1.0}, "it is signed and of 1 bit with zero point 1; accepted is zero point 0"),
    (
        {"signed": 0, "narrow": 1},
        {"bits": 1.0},
        "it is unsigned, narrow and of 1 bit, which leaves the single value 0",
    ),
    (
        {"rounding_mode": "DITHER"},
        {},
        "its rounding_mode is 'DITHER'; accepted are ROUND, CEIL, FLOOR, ROUND_TO_ZERO, HALF_UP, HALF_EVEN, DOWN",
    ),
    ({"inputs": "x s"}, {}, "its zero point must be a constant of the file, and is missing"),
]


@pytest.mark.parametrize(("attributes", "changed", "message"), REFUSED)
def test_refused(attributes, changed, message, tmp_path):
    built = model([quant(**attributes)], parameters(**changed))
    assert refusal(built, tmp_path) == f"Node 'n_y' (Quant): {message}"


@pytest.mark.parametrize(
    ("thresholds", "attributes", "message"),
    [
        (
            THRESHOLDS[:3],
            {},
            "its thresholds 't' have shape (3, 3) beside an input of shape (4,); expected (channels or 1, thresholds)",
        ),
        (
            THRESHOLDS[0],
            {},
            "its thresholds 't' have shape (3,) beside an input of shape (4,); expected (channels or 1, thresholds)",
        ),
        ([[0.0, np.inf]], {}, "its thresholds 't' has values that are NaN or infinite"),
        (THRESHOLDS, {"out_scale": 0.0}, "its out_scale 0 must be positive and its out_bias 0 finite"),
        (THRESHOLDS, {"out_bias": np.inf}, "its out_scale 1 must be positive and its out_bias inf finite"),
    ],
)
def test_multi_threshold_refused(thresholds, attributes, message, tmp_path):
    made = node("MultiThreshold", "x t", "y", domain=BREVITAS, **attributes)
    assert (
        refusal(model([made], tensors(t=thresholds)), tmp_path) == f"Node 'n_y' (MultiThreshold): {message}"
    )


@pytest.mark.parametrize("scale", [np.ones((2, 1, 4)), np.ones((1, 1, 1)), np.ones(4), np.ones((4, 2))])
@pytest.mark.parametrize("op", ["Quant", "BipolarQuant"])
def test_weight_scales_that_do_not_fit(op, scale, tmp_path):
    made = quant("l s z b", "w") if op == "Quant" else node(op, "l s", "w", domain=BREVITAS)
    built = model([made, node("MatMul", "x w", "y")], parameters(2.0, scale, l=LATENT.T))
    assert refusal(built, tmp_path) == (
        f"Node 'n_w' ({op}): its scale of shape {scale.shape} does not fit its weights of shape (4, 3)"
    )


def test_infinite_weights(tmp_path):
    nodes = [node("BipolarQuant", "l s", "w", domain=BREVITAS), node("MatMul", "x w", "y")]
    assert refusal(model(nodes, tensors(l=[[np.inf]] * 4, s=1.0)), tmp_path) == (
        "Node 'n_w' (BipolarQuant): its weights 'l' has values that are NaN or infinite"
    )


def test_unknown_operator_of_a_known_domain(tmp_path):
    assert refusal(model([node("Truncate", "x", "y", domain=BREVITAS)]), tmp_path) == (
        "Node 'n_y' (Truncate): this operator of domain 'onnx.brevitas' is not supported; "
        "accepted are BipolarQuant, IntQuant, MultiThreshold, Quant, Trunc"
    )


def test_without_a_domain(tmp_path):
    nodes = [
        node("BipolarQuant", "l s", "w"),
        node("MatMul", "x w", "a"),
        quant("a s z b", domain=""),
    ]
    arrays = parameters(3.0, l=LATENT.T)
    graph = imported(model(nodes, arrays), tmp_path)
    spelt = [node("BipolarQuant", "l s", "w", BREVITAS), nodes[1], quant("a s z b")]
    values = evaluate_graph(graph, GRID)[graph.output]
    np.testing.assert_allclose(values, reference(model(spelt, arrays), GRID))


@pytest.mark.parametrize("bits", [17.0, 32.0])
def test_a_bias_as_wide_as_accumulators(bits, tmp_path):
    bias = np.array([2.2932281, -5.8782196, 100.25])
    nodes = [
        node("BipolarQuant", "l o", "w", domain=BREVITAS),
        quant("c s z b", "d"),
        node("Gemm", "x w d", "y"),
    ]
    arrays = parameters(bits, 1 / 512, l=LATENT.T, o=1.0, c=bias)
    graph = imported(model(nodes, arrays), tmp_path)
    found = evaluate_graph(graph, np.zeros((1, 4)))[graph.output][0]
    np.testing.assert_array_equal(
        found, np.clip(np.rint(bias * 512), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) / 512
    )


def test_weights_are_rounded_in_the_type_that_the_file_stores(tmp_path):
    scale = np.float32(0.1)
    weights = (np.arange(-7, 8, 2) / 2 * scale).astype(np.float32).reshape(2, 4)
    levels = np.rint(weights / scale)
    assert (levels != np.rint(weights.astype(np.float64) / np.float64(scale))).any()
    nodes = [quant("l s z b", "q"), node("Transpose", "q", "w"), node("MatMul", "x w", "y")]
    graph = imported(model(nodes, parameters(4.0, scale, l=weights)), tmp_path)
    np.testing.assert_array_equal(
        dense(graph).weights * dense(graph).scale[:, None], levels * np.float64(scale)
    )


@pytest.mark.parametrize(("name", "value"), [("narrow", 15), ("narrow", -1), ("signed", 2)])
def test_switches_are_0_or_1(name, value, tmp_path):
    made = node("Quant", "x s z b", "y", BREVITAS, **{name: value})
    assert refusal(model([made], tensors(s=0.5, z=0.0, b=4.0)), tmp_path) == (
        f"Node 'n_y' (Quant): its attribute {name!r} is {value}; accepted are 0 and 1"
    )


def test_thresholds_of_a_tensor_without_axes(tmp_path):
    nodes = [node("Squeeze", "x i", "a"), node("MultiThreshold", "a t", "y", "onnx.brevitas")]
    built = model(nodes, tensors(i=np.array([1], dtype=np.int64), t=np.zeros((2, 2))), (1,))
    assert "(2, 2)" in refusal(built, tmp_path)
