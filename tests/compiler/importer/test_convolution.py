import numpy as np
import pytest
from onnx import TensorProto, helper

from bcsim.compiler.graph.nodes import Affine, Conv, Flatten, Relu, Reshape
from tests.compiler.build import BREVITAS, check_equal, imported, model, node, refusal, runtime, tensors

RNG = np.random.default_rng(31)
X = RNG.normal(size=(3, 4, 7, 6))
FLAT = node("Flatten", "a", "y")


def signs(*shape):
    return RNG.choice([-1.0, 1.0], shape)


def network(convolution, shape=(4, 7, 6), opset=13, **arrays):
    return model([convolution, FLAT], tensors(**arrays), shape=shape, opset=opset)


def convolved(built, folder, x=X):
    """The one Conv of the graph, which is held to onnxruntime."""
    found, *rest = check_equal(built, folder, x, witness=runtime).nodes
    assert isinstance(found, Conv)
    assert [type(n) for n in rest] == [Flatten]
    return found


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 5), (7, 6)])
def test_kernels(kernel, tmp_path):
    weights = signs(5, 4, *kernel)
    found = convolved(network(node("Conv", "x w", "a"), w=weights), tmp_path)
    np.testing.assert_array_equal(found.weights, weights)
    assert found.kernel == kernel
    assert (found.stride, found.pads, found.groups) == ((1, 1), (0, 0, 0, 0), 1)


@pytest.mark.parametrize("strides", [[1, 2], [2, 1], [3, 3], [9, 9]])
@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [0, 2, 1, 3], [3, 0, 0, 0]])
def test_strides_and_pads(strides, pads, tmp_path):
    made = node("Conv", "x w", "a", strides=strides, pads=pads, kernel_shape=[3, 2], dilations=[1, 1])
    found = convolved(network(made, w=signs(5, 4, 3, 2)), tmp_path)
    assert (list(found.stride), list(found.pads)) == (strides, pads)


@pytest.mark.parametrize(
    ("mode", "pads"),
    [("SAME_UPPER", (1, 0, 1, 1)), ("SAME_LOWER", (1, 1, 1, 0)), ("VALID", (0, 0, 0, 0))],
)
def test_auto_pad(mode, pads, tmp_path):
    made = node("Conv", "x w", "a", auto_pad=mode, strides=[2, 1])
    assert convolved(network(made, w=signs(5, 4, 3, 2)), tmp_path).pads == pads


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_auto_pad_of_windows_with_gaps_is_none(mode, tmp_path):
    made = node("Conv", "x w", "a", auto_pad=mode, strides=[5, 5])
    assert convolved(network(made, w=signs(5, 4, 1, 1)), tmp_path).pads == (0, 0, 0, 0)


@pytest.mark.parametrize(("groups", "outputs"), [(2, 6), (4, 4), (4, 8)])
def test_groups(groups, outputs, tmp_path):
    made = node("Conv", "x w", "a", group=groups)
    found = convolved(network(made, w=signs(outputs, 4 // groups, 3, 3)), tmp_path)
    assert (found.groups, found.weights.shape) == (groups, (outputs, 4 // groups, 3, 3))


def test_bias(tmp_path):
    bias = np.array([0.5, -1.0, 2.0])
    built = network(node("Conv", "x w b", "a"), w=signs(3, 4, 2, 2), b=bias)
    graph = check_equal(built, tmp_path, X, witness=runtime)
    assert [type(n) for n in graph.nodes] == [Conv, Affine, Flatten]
    assert graph.nodes[1].shift.tolist() == bias.tolist()


def test_bias_of_zeros_is_left_out(tmp_path):
    convolved(network(node("Conv", "x w b", "a"), w=signs(3, 4, 2, 2), b=np.zeros(3)), tmp_path)


def test_weights_of_every_kind(tmp_path):
    scales = np.array([0.5, 3.0, 0.125]).reshape(3, 1, 1, 1)
    for integers in (signs(3, 4, 2, 2), RNG.integers(-1, 2, (3, 4, 2, 2)), RNG.integers(-7, 8, (3, 4, 2, 2))):
        integers[:, 0, 0, 0] = 1
        found = convolved(network(node("Conv", "x w", "a"), w=integers * scales), tmp_path)
        np.testing.assert_allclose(found.weights * found.scale.reshape(3, 1, 1, 1), integers * scales)


def quantised(maker, **arrays):
    nodes = [maker, node("Conv", "x w", "a"), FLAT]
    return model(nodes, tensors(**arrays), opset=13, shape=(4, 7, 6))


LATENT = RNG.normal(size=(3, 4, 2, 2))
SCALES = np.array([0.5, 0.25, 2.0]).reshape(3, 1, 1, 1)


def test_sign_of_latent_weights(tmp_path):
    found = convolved(quantised(node("Sign", "l", "w"), l=LATENT), tmp_path)
    np.testing.assert_array_equal(found.weights, np.sign(LATENT))


def test_bipolar_quant_by_channel(tmp_path):
    made = node("BipolarQuant", "l s", "w", domain=BREVITAS)
    found = imported(quantised(made, l=LATENT, s=SCALES), tmp_path).nodes[0]
    np.testing.assert_array_equal(found.weights, np.sign(LATENT))
    np.testing.assert_array_equal(found.scale, SCALES.ravel())


def test_quant_by_channel(tmp_path):
    attributes = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND", "domain": BREVITAS}
    made = node("Quant", "l s z b", "w", **attributes)
    found = imported(quantised(made, l=LATENT, s=SCALES / 8, z=0.0, b=4.0), tmp_path).nodes[0]
    expected = np.clip(np.rint(np.float32(LATENT) / (SCALES / 8)), -7, 7) * SCALES / 8
    np.testing.assert_allclose(found.weights * found.scale.reshape(3, 1, 1, 1), expected)


def test_dequantised_by_channel(tmp_path):
    integers = RNG.integers(-127, 128, (3, 4, 2, 2)).astype(np.int8)
    integers[:, 0, 0, 0] = 127
    made = node("DequantizeLinear", "q s", "w", axis=0)
    found = convolved(quantised(made, q=integers, s=[0.5, 0.3, 0.01]), tmp_path)
    np.testing.assert_array_equal(found.weights, integers)


def test_sequences(tmp_path):
    made = node("Conv", "x w b", "a", pads=[2, 1], strides=[2])
    weights = signs(5, 4, 3)
    built = network(made, (4, 9), w=weights, b=np.ones(5))
    graph = check_equal(built, tmp_path, RNG.normal(size=(2, 4, 9)), witness=runtime)
    reshape, found = graph.nodes[:2]
    assert isinstance(reshape, Reshape)
    assert (reshape.inputs, reshape.shape) == (("x",), (4, 1, 9))
    assert isinstance(found, Conv)
    assert (found.kernel, found.stride, found.pads) == ((1, 3), (1, 2), (0, 2, 0, 1))


def test_sequences_in_a_row(tmp_path):
    nodes = [
        node("Conv", "x w", "b", auto_pad="SAME_UPPER"),
        node("Mul", "b s", "c"),
        node("Conv", "c v", "d"),
        node("Relu", "d", "a"),
        FLAT,
    ]
    arrays = tensors(w=signs(5, 4, 4), s=RNG.normal(size=(5, 1)), v=signs(2, 5, 3))
    graph = check_equal(
        model(nodes, arrays, shape=(4, 9)), tmp_path, RNG.normal(size=(2, 4, 9)), witness=runtime
    )
    assert [type(n) for n in graph.nodes] == [Reshape, Conv, Affine, Conv, Relu, Flatten]


PADDED = [
    [node("Pad", "x p", "b")],
    [node("Pad", "x p zero", "b", mode="constant")],
    [node("Pad", "x p zero axes", "b")],
    [node("Pad", "x q", "c"), node("Pad", "c q", "b")],
]


@pytest.mark.parametrize("nodes", PADDED)
def test_pads_before_a_convolution(nodes, tmp_path):
    axes = any("axes" in n.input for n in nodes)
    arrays = tensors(
        p=np.int64([1, 0, 2, 3] if axes else [0, 0, 1, 0, 0, 0, 2, 3]),
        q=np.int64([0, 0, 1, 0, 0, 0, 1, 1]),
        zero=0.0,
        axes=np.int64([2, -1]),
        w=signs(5, 4, 3, 3),
    )
    built = model([*nodes, node("Conv", "b w", "a", pads=[0, 1, 0, 0]), FLAT], arrays, (4, 7, 6), opset=18)
    found = convolved(built, tmp_path)
    assert found.pads == ((2, 1, 2, 2) if len(nodes) == 2 else (1, 1, 2, 3))


def test_pad_attributes_of_old_operator_sets(tmp_path):
    nodes = [node("Pad", "x", "b", pads=[0, 0, 1, 1, 0, 0, 1, 1]), node("Conv", "b w", "a"), FLAT]
    assert convolved(model(nodes, tensors(w=signs(5, 4, 3, 3)), (4, 7, 6), opset=10), tmp_path).pads == (
        1,
        1,
        1,
        1,
    )


def test_pads_of_a_sequence(tmp_path):
    nodes = [node("Pad", "x p", "b"), node("Conv", "b w", "a"), FLAT]
    built = model(nodes, tensors(p=np.int64([0, 0, 2, 0, 0, 1]), w=signs(5, 4, 3)), (4, 9))
    graph = check_equal(built, tmp_path, RNG.normal(size=(2, 4, 9)), witness=runtime)
    assert graph.nodes[1].pads == (0, 2, 0, 1)


def test_pad_of_nothing(tmp_path):
    nodes = [node("Pad", "x p", "b"), node("Relu", "b", "a"), FLAT]
    graph = imported(model(nodes, tensors(p=np.zeros(8, dtype=np.int64)), (4, 7, 6)), tmp_path)
    assert [type(n) for n in graph.nodes] == [Relu, Flatten]


W = signs(5, 4, 3, 3)
REFUSED = {
    "dilations": (
        node("Conv", "x w", "a", dilations=[20, 20]),
        W,
        "its dilations are [20, 20], so that its kernel covers 41x41 pixels; accepted are up to 1024",
    ),
    "kernel": (
        node("Conv", "x w", "a", kernel_shape=[3, 2]),
        W,
        "its kernel_shape is [3, 2] and its weights have the kernel [3, 3]",
    ),
    "strides": (
        node("Conv", "x w", "a", strides=[0, 1]),
        W,
        "its strides is [0, 1]; expected 2 numbers from 1 up",
    ),
    "pads": (
        node("Conv", "x w", "a", pads=[0, 1, 0, -1]),
        W,
        "its pads is [0, 1, 0, -1]; expected 4 numbers from 0 up",
    ),
    "auto_pad": (
        node("Conv", "x w", "a", auto_pad="SAME"),
        W,
        "its auto_pad is 'SAME'; accepted are NOTSET, SAME_UPPER, SAME_LOWER and VALID",
    ),
    "absurd pads": (
        node("Conv", "x w", "a", pads=[0, 2**40, 0, 0]),
        W,
        "its input is 7x1099511627782, padding included; accepted are up to 33554432 pixels",
    ),
    "too large": (
        node("Conv", "x w", "a"),
        np.ones((5, 4, 8, 3)),
        "its windows of 8x3 do not fit into its input of 7x6",
    ),
    "too large with padding": (
        node("Conv", "x w", "a", pads=[0, 0, 1, 0]),
        np.ones((5, 4, 9, 3)),
        "its windows of 9x3 do not fit into its input of 8x6, padding included",
    ),
    "a volume": (
        node("Conv", "x w", "a"),
        np.ones((5, 4, 3, 3, 3)),
        "its weight tensor 'w' has the shape (5, 4, 3, 3, 3); accepted are (outputs, channels, rows, columns), and "
        "(outputs, channels, values) for sequences",
    ),
    "channels": (
        node("Conv", "x w", "a"),
        np.ones((5, 3, 3, 3)),
        "its weight tensor 'w' has the shape (5, 3, 3, 3) for 1 groups of 4 channels; expected (outputs, channels of a "
        "group, ...), the outputs a multiple of the groups",
    ),
    "groups": (
        node("Conv", "x w", "a", group=2),
        np.ones((5, 2, 3, 3)),
        "its weight tensor 'w' has the shape (5, 2, 3, 3) for 2 groups of 4 channels; expected (outputs, channels of a "
        "group, ...), the outputs a multiple of the groups",
    ),
    "bias": (
        node("Conv", "x w b", "a"),
        W,
        "its bias 'b' has shape (3,); expected one value for each of 5 outputs",
    ),
    "no constant": (
        node("Conv", "x x", "a"),
        W,
        "its weight tensor must be a constant of the file, and is 'x', not a constant",
    ),
    "a number": (
        node("Conv", "x w", "a"),
        1.0,
        "its weight tensor 'w' has the shape (); accepted are (outputs, channels, rows, columns), and (outputs, "
        "channels, values) for sequences",
    ),
    "for sequences": (
        node("Conv", "x w", "a"),
        np.ones((5, 4, 3)),
        "its weight tensor 'w' has the shape (5, 4, 3) beside an input of shape (4, 7, 6) behind the batch axis; "
        "accepted are 2 axes behind it",
    ),
    "empty": (
        node("Conv", "x w", "a"),
        np.ones((5, 4, 0, 3)),
        "weight tensor 'w' is empty; expected at least one input and one output",
    ),
    "many-valued": (
        node("Conv", "x w", "a"),
        np.arange(1, 17).reshape(1, 4, 2, 2) ** 0.5,
        "weight tensor 'w' has 16 distinct values (1, 1.414, 1.732, ...); accepted are two- or three-valued weights "
        "(+-c, 0) or integers of 2 to 8 bits times a scale, and real ones that --weight-bits rounds",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    made, weights, message = REFUSED[case]
    built = network(made, w=weights, b=np.ones(3))
    assert refusal(built, tmp_path) == f"Node 'n_a' (Conv): {message}"


def test_volumes_are_refused(tmp_path):
    built = network(node("MaxPool", "x", "a", kernel_shape=[2, 2, 2]), (4, 3, 3, 3))
    assert refusal(built, tmp_path) == (
        "Node 'n_a' (MaxPool): its input has the shape (4, 3, 3, 3) behind the batch axis; accepted are images "
        "(channels, rows, columns) and sequences (channels, values)"
    )


def test_flat_tensors_are_refused(tmp_path):
    built = network(node("MaxPool", "x", "a", kernel_shape=[1]), (4,))
    assert refusal(built, tmp_path) == (
        "Node 'n_a' (MaxPool): its input has the shape (4,) behind the batch axis; accepted are images (channels, "
        "rows, columns) and sequences (channels, values)"
    )


PADS = {
    "value": (
        node("Pad", "x rows endless", "b"),
        "its value 'endless' has values that are NaN or infinite",
    ),
    "mode": (
        node("Pad", "x rows", "b", mode="reflect"),
        "it pads with what the image holds; accepted is mode 'constant'",
    ),
    "channels": (
        node("Pad", "x channels", "b"),
        "its pads are [0, 1, 0, 0, 0, 0, 0, 0]; accepted are pixels around the rows and columns of an image",
    ),
    "cropping": (
        node("Pad", "x crop", "b"),
        "its pads are [0, 0, 0, 0, 0, 0, -1, 0]; accepted are pixels around the rows and columns of an image",
    ),
    "count": (node("Pad", "x few", "b"), "its pads are [1, 1]; expected two numbers for each of 4 axes"),
    "axes": (node("Pad", "x few - far", "b"), "its pads are [1, 1]; expected two numbers for each of 1 axes"),
}


@pytest.mark.parametrize("case", PADS)
def test_pads_refused(case, tmp_path):
    made, message = PADS[case]
    arrays = tensors(
        rows=np.int64([0, 0, 1, 0, 0, 0, 0, 0]),
        channels=np.int64([0, 1, 0, 0, 0, 0, 0, 0]),
        crop=np.int64([0, 0, 0, 0, 0, 0, -1, 0]),
        few=np.int64([1, 1]),
        far=np.int64([4]),
        endless=np.inf,
        w=W,
    )
    built = model([made, node("Conv", "b w", "a"), FLAT], arrays, (4, 7, 6), opset=18)
    assert refusal(built, tmp_path) == f"Node 'n_b' (Pad): {message}"


@pytest.mark.parametrize("op", ["Relu", "MaxPool", "GlobalAveragePool", "Flatten"])
def test_pads_that_no_convolution_takes(op, tmp_path):
    attributes = {"kernel_shape": [2, 2]} if op == "MaxPool" else {}
    nodes = [node("Pad", "x p", "b"), node(op, "b", "a", **attributes), FLAT]
    built = model(nodes, tensors(p=np.int64([0, 0, 1, 0, 0, 0, 0, 0])), (4, 7, 6))
    assert refusal(built, tmp_path) == (
        f"Node 'n_a' ({op}): it takes what node 'n_b' (Pad) has padded; accepted behind a Pad are Conv and AveragePool"
    )


def test_packed_weights(tmp_path):
    stored = helper.make_tensor("q", TensorProto.INT4, W.shape, W.astype(int).ravel())
    nodes = [node("DequantizeLinear", "q s", "w", axis=0), node("Conv", "x w", "a"), FLAT]
    built = model(nodes, [stored, *tensors(s=np.full(5, 0.25))], (4, 7, 6), opset=21)
    found = imported(built, tmp_path).nodes[0]
    np.testing.assert_array_equal(found.weights, W)
    np.testing.assert_array_equal(found.scale, np.full(5, 0.25))
