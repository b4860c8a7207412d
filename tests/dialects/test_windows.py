"""Convolutions with dilation, and padding with the value that keeps signs at one bit."""

import numpy as np
import pytest

from tests.compiler.build import imported, model, node, refusal, tensors
from tests.dialects.check import check, pixels, signs

RNG = np.random.default_rng(61)
IMAGES = pixels(RNG, 24, (3, 9, 8))
SEQUENCES = pixels(RNG, 24, (3, 20))
TAIL = [node("Sign", "a", "b"), node("Flatten", "b", "f"), node("MatMul", "f v", "y")]


@pytest.mark.parametrize(
    ("attributes", "outputs"),
    [
        ({"dilations": [2, 2]}, (5, 4)),
        ({"dilations": [2, 1], "pads": [2, 1, 2, 1], "strides": [2, 2]}, (5, 4)),
        ({"dilations": [1, 3], "group": 3}, (7, 2)),
        ({"dilations": [2, 2], "kernel_shape": [3, 3]}, (5, 4)),
    ],
)
def test_dilated_convolution(attributes, outputs, tmp_path):
    groups = attributes.get("group", 1)
    arrays = tensors(w=signs(RNG, 6, 3 // groups, 3, 3), v=signs(RNG, 6 * outputs[0] * outputs[1], 3))
    check(model([node("Conv", "x w", "a", **attributes), *TAIL], arrays, (3, 9, 8)), tmp_path, IMAGES)


def test_dilated_convolution_of_a_sequence(tmp_path):
    arrays = tensors(w=signs(RNG, 6, 3, 3), v=signs(RNG, 6 * 12, 3))
    built = model([node("Conv", "x w", "a", dilations=[4]), *TAIL], arrays, (3, 20))
    check(built, tmp_path, SEQUENCES)
    assert imported(built, tmp_path).notes == (
        "Node 'n_a' (Conv): its kernel of 3 with dilations [4] is one of 9 with zeros between the weights",
    )


def padded(value, *made, opset=13):
    signs_of = [node("GreaterOrEqual", "a0 z", "g"), node("Where", "g one minus", "b0")]
    nodes = [node("Conv", "x w", "a0"), *signs_of, *made, *TAIL]
    arrays = {
        "w": signs(RNG, 6, 3, 2, 2),
        "p": np.int64([0, 0, 1, 1, 0, 0, 1, 1]),
        "c": value,
        "z": 0.0,
        "one": 1.0,
        "minus": -1.0,
    }
    return model(
        nodes, tensors(**arrays, u=signs(RNG, 5, 6, 3, 3), v=signs(RNG, 5 * 8 * 7, 3)), (3, 9, 8), opset
    )


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_signs_padded_with_a_sign(value, tmp_path):
    built = padded(value, node("Pad", "b0 p c", "e"), node("Conv", "e u", "a"))
    check(built, tmp_path, IMAGES, machine=2 if value < 0 else 0)


def test_bits_of_padded_signs(tmp_path):
    """Zeros around take a second bit; -1 takes none."""
    bits = {}
    for value in (0.0, -1.0):
        built = padded(value, node("Pad", "b0 p c", "e"), node("Conv", "e u", "a"))
        result = check(built, tmp_path, IMAGES, machine=0)
        bits[value] = result.layers[0].target_bits
    assert bits == {0.0: 2, -1.0: 1}


def test_other_values(tmp_path):
    """The values of the padding lie between those of the tensor, beside them, or on another grid."""
    for value in (0.5, 3.0):
        built = padded(value, node("Pad", "b0 p c", "e"), node("Conv", "e u", "a"))
        check(built, tmp_path, IMAGES, machine=0)


def test_pads_of_two_values_are_refused(tmp_path):
    made = [node("Pad", "b0 p c", "e"), node("Conv", "e u", "a", pads=[1, 1, 1, 1])]
    assert refusal(padded(-1.0, *made), tmp_path) == (
        "Node 'n_a' (Conv): it pads with zeros what node 'n_e' (Pad) has padded with -1; accepted is one of both"
    )
    made = [node("Pad", "b0 p c", "d"), node("Pad", "d p", "e"), node("Conv", "e u", "a")]
    assert refusal(padded(-1.0, *made), tmp_path) == (
        "Node 'n_e' (Pad): it pads with 0 what node 'n_d' (Pad) has padded with -1"
    )
    made = [node("Pad", "b0 p c", "e"), node("AveragePool", "e", "a", kernel_shape=[3, 3])]
    assert refusal(padded(-1.0, *made), tmp_path) == (
        "Node 'n_a' (AveragePool): node 'n_e' (Pad) before it pads with -1; accepted before a mean are zeros"
    )


def test_scores_of_a_convolution_with_windows_beyond_the_image(tmp_path):
    """Unrolled for its scores; the first and the last windows hold nothing but padding."""
    made = [node("Conv", "x w c", "a", pads=[0, 2, 1, 3], strides=[2, 2]), node("Flatten", "a", "y")]
    arrays = tensors(w=signs(RNG, 4, 3, 2, 1), c=[0.5, -3.0, 8.0, 1.0])
    check(model(made, arrays, (3, 2, 5)), tmp_path, pixels(RNG, 20, (3, 2, 5)))
