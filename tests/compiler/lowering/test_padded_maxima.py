"""Padded maxima before normalisation and quantiser: the same network with the quantiser first, exact in integers."""

from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Affine, BatchNorm, Conv, Flatten, MaxPool, Quant, Sign
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.lowering.padded_maxima import quantise_before_maxima
from bcsim.compiler.program.layers import ConvLayer, Encoding
from tests.compiler.build import BREVITAS, check_equal, imported, model, node, tensors
from tests.compiler.nets import check_exact

RNG = np.random.default_rng(43)
X = RNG.integers(0, 8, (3, 2, 7, 6)) / 4 - 0.5
PIXEL = Encoding(3, Fraction(1, 4), Fraction(-1, 2))
CONV = node("Conv", "x w", "a", pads=[1, 1, 1, 1])
POOL = node("MaxPool", "a", "b", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
NORM = node("BatchNormalization", "b g h m v", "c")
END = [node("Flatten", "d", "e"), node("MatMul", "e d_w", "y")]
QUANT = {"domain": BREVITAS, "signed": 0, "narrow": 0, "rounding_mode": "ROUND"}


def arrays(gains, scale=0.5):
    weights = np.random.default_rng(1).choice([-1.0, 1.0], (len(gains), 2, 3, 3))
    dense = np.random.default_rng(2).choice([-1.0, 1.0], (len(gains) * 12, 3))
    more = {"h": np.full(len(gains), 0.25), "m": np.zeros(len(gains)), "v": np.full(len(gains), 0.999)}
    return tensors(w=weights, d_w=dense, g=gains, s=scale, z=0.0, n=2.0, **more)


def reordered(built, folder, x):
    """The graph with its maxima reordered, which computes what the file does."""
    original = check_equal(built, folder, x)
    graph = quantise_before_maxima(original)
    found, expected = evaluate_graph(graph, x), evaluate_graph(original, x)
    np.testing.assert_allclose(found[graph.output], expected[original.output], rtol=0, atol=1e-9)
    return graph


def kinds(graph):
    return [type(n) for n in graph.nodes]


@pytest.mark.parametrize(
    "quantiser", [node("Sign", "c", "d"), node("Quant", "c s z n", "d", **QUANT)], ids=["sign", "quant"]
)
@pytest.mark.parametrize("gains", [[1.0, 2.0, 0.5], [1.0, -2.0, 0.0], [-1.0, -0.5, -3.0]])
def test_the_quantiser_comes_first(gains, quantiser, tmp_path):
    built = model([CONV, POOL, NORM, quantiser, *END], arrays(gains), shape=(2, 7, 6), opset=15)
    graph = reordered(built, tmp_path, X)
    falls = [gain < 0 for gain in gains]
    around = [Affine] if any(falls) else []
    step = Sign if quantiser.op_type == "Sign" else Quant
    assert kinds(graph)[:-2] == [Conv, BatchNorm, step, *around, MaxPool, *around]
    program = lower(graph, pixel=PIXEL)
    check_exact(program, graph, PIXEL)
    conv, pool, _ = program.layers
    assert isinstance(pool, ConvLayer)
    assert conv.target == pool.target
    assert (pool.minimum is None) == (not any(falls))
    assert pool.minimum is None or pool.minimum.tolist() == falls


def test_a_tensor_that_others_read_stays_before_its_readers(tmp_path):
    nodes = [CONV, POOL, NORM, node("Sign", "c", "p"), node("Sign", "b", "q"), node("Add", "p q", "d"), *END]
    graph = reordered(model(nodes, arrays([1.0, -1.0]), shape=(2, 7, 6), opset=15), tmp_path, X)
    assert kinds(graph)[:4] == [Conv, MaxPool, BatchNorm, Sign]


@pytest.mark.parametrize(
    "behind",
    [[node("Relu", "b", "d")], [node("Flatten", "b", "f"), node("Sign", "f", "d")]],
    ids=["no quantiser", "flattened"],
)
def test_what_does_not_quantise_an_image_stays_behind(behind, tmp_path):
    graph = reordered(
        model([CONV, POOL, *behind, *END], arrays([1.0]), shape=(2, 7, 6), opset=15), tmp_path, X
    )
    assert kinds(graph)[1] == MaxPool


def test_what_follows_the_last_quantiser_stays_behind(tmp_path):
    nodes = [CONV, POOL, node("Sign", "b", "c"), node("Mul", "c g", "d"), *END]
    graph = quantise_before_maxima(imported(model(nodes, arrays([0.5]), shape=(2, 7, 6), opset=15), tmp_path))
    assert kinds(graph) == [Conv, Sign, MaxPool, Affine, Flatten, kinds(graph)[-1]]
    assert [n.inputs for n in graph.nodes[1:]] == [(n.output,) for n in graph.nodes[:-1]]


def test_ends_that_float64_cannot_add_leave_the_maximum_first(tmp_path):
    """The sum of two thresholds' values, 1 - 2^-60 apart, is no float64."""
    thresholds = node("MultiThreshold", "c t", "d", domain=BREVITAS, out_scale=2.0**-60, out_bias=1.0)
    built = model(
        [CONV, POOL, NORM, thresholds, *END], [*arrays([1.0]), *tensors(t=[[0.5]])], shape=(2, 7, 6), opset=15
    )
    assert kinds(quantise_before_maxima(imported(built, tmp_path)))[1] == MaxPool
