"""Integers between quantisers: Clip on them (QCDQ), and onnxruntime's operators with scales of their own."""

import numpy as np
import pytest
from onnx import helper

from tests.compiler.build import model, node, refusal, tensors
from tests.dialects.check import check, pixels

RNG = np.random.default_rng(47)
IMAGES = pixels(RNG, 40, (2, 6, 6))
FLAT = pixels(RNG, 60, (12,))
U8, I8 = np.uint8(0), np.int8(0)


def integers(*shape):
    return RNG.integers(-7, 8, shape, dtype=np.int8)


def test_qcdq_of_4_bits(tmp_path):
    nodes = [
        node("Clip", "k lo hi", "kc"),
        node("DequantizeLinear", "kc ks kz", "kd", axis=0),
        node("QuantizeLinear", "x one u", "q0"),
        node("DequantizeLinear", "q0 one u", "x0"),
        node("Conv", "x0 kd", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "r"),
        node("QuantizeLinear", "r s u", "q"),
        node("Clip", "q u top", "c"),
        node("DequantizeLinear", "c s u", "d"),
        node("Flatten", "d", "f"),
        node("DequantizeLinear", "m ms i", "md"),
        node("MatMul", "f md", "y"),
    ]
    arrays = tensors(
        k=integers(4, 2, 3, 3), lo=np.int8(-7), hi=np.int8(7), ks=[0.5, 0.25, 1.0, 0.5], kz=np.zeros(4, np.int8),
        one=1.0, u=U8, top=np.uint8(15), s=100.0, m=integers(144, 3), ms=0.5, i=I8,
    )  # fmt: skip
    assert check(model(nodes, arrays, shape=(2, 6, 6)), tmp_path, IMAGES).exact


@pytest.mark.parametrize(("low", "high"), [(3, 12), (-4, 4)])
def test_a_clip_counts_the_zero_point(low, high, tmp_path):
    zero = I8 + np.int8(2)
    nodes = [
        node("MatMul", "x w", "a"),
        node("QuantizeLinear", "a s z", "q"),
        node("Clip", "q lo hi", "c"),
        node("DequantizeLinear", "c s z", "d"),
        node("MatMul", "d v", "y"),
    ]
    arrays = tensors(
        w=RNG.choice([-1.0, 1.0], (12, 5)), v=RNG.choice([-1.0, 1.0], (5, 3)),
        s=64.0, z=zero, lo=np.int8(low), hi=np.int8(high),
    )  # fmt: skip
    check(model(nodes, arrays, shape=(12,)), tmp_path, FLAT)


def test_a_clip_to_one_integer(tmp_path):
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("Clip", "q lo hi", "c"),
        node("DequantizeLinear", "c s z", "y"),
    ]
    built = model(nodes, tensors(s=1.0, z=I8, lo=np.int8(127), hi=np.int8(127)))
    assert refusal(built, tmp_path) == (
        "Node 'n_c' (Clip): its bounds are 127 and 127; the lower must be below the upper"
    )


def test_qlinear_network(tmp_path):
    """Conv, maximum, flattening and Gemm on integers, with zero points and scales for each output."""
    nodes = [
        node("QuantizeLinear", "x one u", "q0"),
        node("QLinearConv", "q0 one u k ks kz s1 z1 kb", "q1", pads=[1, 1, 1, 1]),
        node("MaxPool", "q1", "q2", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "q2", "q3"),
        node("QGemm", "q3 s1 z1 g gs gz gb s2 z2", "q4", "com.microsoft", alpha=0.5, transB=1),
        node("DequantizeLinear", "q4 s2 z2", "y"),
    ]
    arrays = tensors(
        one=1.0, u=U8, k=integers(4, 2, 3, 3), ks=[0.5, 0.25, 0.125, 0.5], kz=np.zeros(4, np.int8),
        s1=16.0, z1=np.uint8(117), kb=np.int32([300, -500, 10, 0]),
        g=integers(3, 36), gs=[0.5, 0.25, 1.0], gz=np.zeros(3, np.int8), gb=np.int32([100, -30, 7]),
        s2=32.0, z2=np.uint8(120),
    )  # fmt: skip
    built = model(nodes, arrays, shape=(2, 6, 6))
    built.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert check(built, tmp_path, IMAGES).exact


def test_qlinear_residual_and_mean(tmp_path):
    nodes = [
        node("QuantizeLinear", "x one u", "q0"),
        node("QLinearConv", "q0 one u k h i s1 z1", "q1"),
        node("QLinearConv", "q1 s1 z1 l h i s1 z1", "q2"),
        node("QLinearAdd", "q1 s1 z1 q2 s1 z1 s2 z2", "q3", "com.microsoft"),
        node("QLinearGlobalAveragePool", "q3 s2 z2 s1 z1", "q4", "com.microsoft"),
        node("Flatten", "q4", "q5"),
        node("QLinearMatMul", "q5 s1 z1 m h i s2 z2", "q6"),
        node("DequantizeLinear", "q6 s2 z2", "y"),
    ]
    arrays = tensors(
        one=1.0, u=U8, k=integers(4, 2, 1, 1), l=integers(4, 4, 1, 1), h=0.5, i=I8,
        s1=16.0, z1=np.uint8(100), s2=32.0, z2=np.uint8(90), m=integers(4, 3),
    )  # fmt: skip
    built = model(nodes, arrays, shape=(2, 6, 6))
    built.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    check(built, tmp_path, IMAGES)


def test_two_that_read_the_same_integers_read_one_tensor(tmp_path):
    nodes = [
        node("MatMul", "x w", "a"),
        node("QuantizeLinear", "a s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("DequantizeLinear", "q s z", "e"),
        node("Concat", "d e", "c", axis=1),
        node("MatMul", "c v", "y"),
    ]
    weights = {"w": RNG.choice([-1.0, 1.0], (12, 5)), "v": RNG.choice([-1.0, 1.0], (10, 3))}
    check(model(nodes, tensors(s=32.0, z=I8, **weights), shape=(12,)), tmp_path, FLAT)


@pytest.mark.parametrize(("zero", "given"), [(3, 3), (3, None), (128, 100)])
def test_integer_sums_of_a_convolution_and_a_matrix(zero, given, tmp_path):
    """ConvInteger and MatMulInteger, zero points of images and of weights; the sums meet floats by a Cast and a Mul."""
    last = "f m z" if given is not None else "f m"
    nodes = [
        node("QuantizeLinear", "x t z0", "q"),
        node("ConvInteger", "q k z0 kz", "a", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Cast", "a", "b", to=1),
        node("Mul", "b u", "c"),
        node("Relu", "c", "d"),
        node("QuantizeLinear", "d s z1", "e"),
        node("Flatten", "e", "f"),
        node("MatMulInteger", last, "g"),
        node("Cast", "g", "h", to=1),
        node("Mul", "h v", "y"),
    ]
    arrays = tensors(
        t=np.float32(0.7), z0=np.uint8(9), k=integers(4, 2, 3, 3), kz=np.int8(2), u=0.37, s=30.0,
        z1=np.uint8(zero), z=np.uint8(given or 0), m=RNG.integers(-1, 2, (36, 3), dtype=np.int8), v=0.25,
    )  # fmt: skip
    check(model(nodes, arrays, shape=(2, 6, 6)), tmp_path, IMAGES)


def test_zero_points_of_each_output(tmp_path):
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("MatMulInteger", "q m z mz", "g"),
        node("Cast", "g", "y", to=1),
    ]
    arrays = tensors(s=2.0, z=U8, m=RNG.integers(-7, 8, (12, 3), dtype=np.int8), mz=np.int8([0, 3, -2]))
    check(model(nodes, arrays, shape=(12,)), tmp_path, FLAT)


INTEGERS_REFUSED = [
    (node("MatMulInteger", "x m", "y"), "its input must be the output of a QuantizeLinear"),
    (
        node("MatMulInteger", "q m u three", "y"),
        "its weight zero points 'three' must be one for all or one for each of 4 outputs",
    ),
    (
        node("MatMulInteger", "q m three", "y"),
        "its zero point of the input 'three' has shape (3,); accepted is one value per tensor",
    ),
]


@pytest.mark.parametrize(("made", "message"), INTEGERS_REFUSED)
def test_integer_sums_that_are_refused(made, message, tmp_path):
    nodes = [node("QuantizeLinear", "x s u", "q"), made]
    arrays = tensors(s=2.0, u=U8, m=integers(12, 4), three=np.int8([1, 2, 3]))
    assert refusal(model(nodes, arrays, shape=(12,)), tmp_path) == f"Node 'n_y' (MatMulInteger): {message}"
