"""Outputs that are maps of scores: segmentation, detection heads, one answer for each step of a sequence."""

import numpy as np
import pytest

from tests.compiler.build import imported, model, node, tensors
from tests.dialects.check import check, pixels, runtime, signs

RNG = np.random.default_rng(71)
IMAGES, SEQUENCES = pixels(RNG, 20, (3, 6, 7)), pixels(RNG, 20, (3, 12))
BODY = [node("Conv", "x w", "a", pads=[1, 1, 1, 1]), node("Sign", "a", "b")]
ENDS = {
    "a convolution": [node("Conv", "b u", "y")],
    "with a bias": [node("Conv", "b u c", "y")],
    "class map": [node("Conv", "b u c", "d"), node("ArgMax", "d", "y", axis=1)],
    "probabilities": [node("Conv", "b u", "d"), node("Softmax", "d", "y", axis=1)],
    "sigmoid": [node("Conv", "b u", "d"), node("Sigmoid", "d", "y")],
    "a quantiser": [
        node("Conv", "b u", "d"),
        node("QuantizeLinear", "d s z", "q"),
        node("DequantizeLinear", "q s z", "y"),
    ],
}


@pytest.mark.parametrize("name", ENDS)
def test_a_map_of_an_image(name, tmp_path):
    arrays = {
        "w": signs(RNG, 5, 3, 3, 3),
        "u": signs(RNG, 2, 5, 3, 3),
        "c": [3.0, -2.0],
        "s": 4.0,
        "z": np.int8(0),
    }
    built = model([*BODY, *ENDS[name]], tensors(**arrays), (3, 6, 7))
    plain = model([*BODY, *ENDS[name]], tensors(**arrays), (3, 6, 7))
    if name in ("class map", "probabilities", "sigmoid"):
        plain.graph.node.pop()
        plain.graph.output[0].name = "d"
    result = check(built, tmp_path, IMAGES, lambda _, x: runtime(plain, x))
    assert result.scores_program.shape == (20, 2 * 4 * 5)


def test_a_map_of_a_sequence(tmp_path):
    nodes = [node("Conv", "x w", "a", pads=[1, 1]), node("Sign", "a", "b"), node("Conv", "b u", "y")]
    built = model(nodes, tensors(w=signs(RNG, 5, 3, 3), u=signs(RNG, 2, 5, 1)), (3, 12))
    check(built, tmp_path, SEQUENCES)
    assert imported(built, tmp_path).notes == (
        "Output 'y' is a map of 2x12 scores: they come flattened, in this order, and the class is the place of the "
        "greatest",
    )


LAST = node("Transpose", "d", "t", perm=[0, 2, 3, 1])
ORDERS = {
    "channels last": [node("Identity", "t", "y")],
    "a row for each position": [node("Reshape", "t rows", "y")],
    "flattened": [node("Reshape", "t flat", "y")],
    "softmax of each position": [node("Softmax", "t", "y", axis=-1)],
    "softmax of each of the rows": [node("Reshape", "t rows", "v"), node("Softmax", "v", "y", axis=2)],
    "sigmoid of each position": [node("Sigmoid", "t", "y")],
    "a row for each position, of a sigmoid": [node("Sigmoid", "t", "v"), node("Reshape", "v rows", "y")],
    "with a bias for each class behind it": [node("Add", "t c", "y")],
}


@pytest.mark.parametrize("name", ORDERS)
def test_a_map_with_its_channels_last(name, tmp_path):
    """As detection heads have it: positions, then classes."""
    arrays = tensors(
        w=signs(RNG, 5, 3, 3, 3), u=signs(RNG, 2, 5, 3, 3), c=[3.0, -2.0], rows=[0, -1, 2], flat=[0, -1]
    )
    nodes = [*BODY, node("Conv", "b u", "d"), LAST]
    plain = model([*nodes, *ORDERS[name]], arrays, (3, 6, 7))
    if "of" in name.split():
        plain = model([*nodes, node("Identity", "t", "y")], arrays, (3, 6, 7))
    built = model([*nodes, *ORDERS[name]], arrays, (3, 6, 7))
    result = check(built, tmp_path, IMAGES, lambda _, x: runtime(plain, x))
    np.testing.assert_allclose(result.scores_float, result.scores_program, atol=1e-4)
