"""Nearest Resize and Upsample by whole factors."""

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from tests.compiler.build import check_equal, model, node, refusal, tensors
from tests.dialects.check import check, pixels, runtime, signs

RNG = np.random.default_rng(79)
IMAGES, SEQUENCES = pixels(RNG, 16, (3, 6, 5)), pixels(RNG, 16, (3, 8))
FIRST = [node("Conv", "x w", "a"), node("Sign", "a", "b")]
ARRAYS = {
    "w": signs(RNG, 4, 3, 3, 3), "u": signs(RNG, 5, 4, 3, 3), "k": signs(RNG, 5, 8, 3, 3), "m": signs(RNG, 2, 5, 1, 1),
    "t": np.float32([1, 1, 2, 2]), "h": np.float32([1, 1, 3, 1]), "c": RNG.integers(-9, 9, (4, 1, 1)) * 1.0,
    "e": RNG.integers(-9, 9, (1, 5, 1, 1)) * 1.0, "v96": signs(RNG, 96, 3), "v144": signs(RNG, 144, 3),
    "v4": signs(RNG, 4, 3), "i": np.int64([1, 4, 8, 6]), "f": RNG.integers(-3, 3, 192) * 1.0,
    "v192": signs(RNG, 192, 3),
}  # fmt: skip
TWICE = node("Resize", "b - t", "r", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
UP = [*FIRST, TWICE]
ENDS = {
    "conv, map": [node("Conv", "r u", "d", pads=[1, 1, 1, 1]), node("Sign", "d", "g"), node("Conv", "g m", "y")],
    "conv, bias, dense": [
        node("Conv", "r u", "d", strides=[2, 1]),
        node("Add", "d e", "g0"),
        node("Sign", "g0", "g"),
        node("Flatten", "g", "z"),
        node("MatMul", "z v60", "y"),
    ],
    "elementwise before the conv": [
        node("Add", "r c", "n"),
        node("Sign", "n", "o"),
        node("Conv", "o u", "d"),
        node("Sign", "d", "g"),
        node("Conv", "g m", "y"),
    ],
    "dense": [node("Flatten", "r", "z"), node("MatMul", "z v192", "y")],
    "dense behind a value for each pixel": [
        node("Flatten", "r", "z0"), node("Add", "z0 f", "z1"), node("Sign", "z1", "z"), node("MatMul", "z v192", "y")
    ],
    "mean": [node("GlobalAveragePool", "r", "d"), node("Flatten", "d", "z"), node("MatMul", "z v4", "y")],
    "twice": [
        node("Resize", "r - h", "s", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        node("Conv", "s u", "d"), node("Sign", "d", "g"), node("Conv", "g m", "y"),
    ],
    "joined": [
        node("Conv", "r u", "d0", pads=[1, 1, 1, 1]), node("Sign", "d0", "d"),
        node("Conv", "d q", "g0", pads=[1, 1, 1, 1]), node("Sign", "g0", "g"), node("Concat", "r g", "j", axis=1),
        node("Conv", "j k", "l"), node("Sign", "l", "n"), node("Conv", "n m", "y"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_what_follows_a_resize(name, tmp_path):
    arrays = {**ARRAYS, "q": signs(RNG, 4, 5, 3, 3), "v60": signs(RNG, 60, 3)}
    built = model([*UP, *ENDS[name]], tensors(**arrays), (3, 6, 5))
    check(built, tmp_path, IMAGES, machine=1)


@pytest.mark.parametrize(
    ("made", "opset"),
    [
        (node("Resize", "b - t", "r"), 13),
        (node("Resize", "b - t", "r", nearest_mode="ceil", coordinate_transformation_mode="half_pixel"), 13),
        (node("Resize", "b - - i", "r"), 13),
        (node("Resize", "b t", "r"), 10),
        (node("Upsample", "b t", "r"), 9),
        (node("Upsample", "b", "r", scales=[1.0, 1.0, 2.0, 2.0]), 7),
    ],
)
def test_forms(made, opset, tmp_path):
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "b"), made, node("Flatten", "r", "y")]
    built = model(nodes, tensors(**ARRAYS), (3, 6, 5), opset=opset)
    if (made.attribute and made.attribute[-1].s == b"ceil") or any(a.s == b"ceil" for a in made.attribute):
        assert "by other pixels than each one repeated" in refusal(built, tmp_path)
    else:
        images = IMAGES[:1] if "i" in made.input else IMAGES
        check_equal(built, tmp_path, images.astype(np.float64), witness=runtime)


REFUSED = [
    (
        node("Resize", "x - t", "y", mode="linear"),
        "its mode is 'linear', which makes values between those of its input; accepted is 'nearest', by whole factors",
    ),
    (
        node("Resize", "x - p", "y"),
        "it makes (3, 9, 7) of an input of shape (3, 6, 5) behind the batch axis by other pixels than each one "
        "repeated; accepted are whole factors of rows and columns",
    ),
]


@pytest.mark.parametrize(("made", "message"), REFUSED)
def test_refused(made, message, tmp_path):
    built = model([made], tensors(t=np.float32([1, 1, 2, 2]), p=np.float32([1, 1, 1.5, 1.5])), (3, 6, 5))
    assert refusal(built, tmp_path) == f"Node 'n_y' (Resize): {message}"


BY_FLOOR = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
WILD = {
    "scales": (
        [0],
        [1, 1, 0, 1],
        [1, 1, -1, 1],
        [1, 1, np.nan, 1],
        [1, 1, np.inf, 1],
        [1, 1, 1e30, 1],
        [0, 1, 1, 1],
    ),
    "makes": ([1, 1, 6e4, 1], [1, 1, 5e3, 5e3]),
}


@pytest.mark.parametrize(("told", "scales"), [(told, scales) for told in WILD for scales in WILD[told]])
@pytest.mark.parametrize("inputs", ["x - s", "x s"])
def test_wild_scales(told, scales, inputs, tmp_path):
    op = "Resize" if "-" in inputs else "Upsample"
    built = model([node(op, inputs, "y", **BY_FLOOR)], tensors(s=np.float32(scales)), (3, 6, 5))
    assert told in refusal(built, tmp_path)


@pytest.mark.parametrize("sizes", [[], [1, 3, 6], [1, 3, 0, 5], [1, 3, -6, 5], [1, 3, 2**62, 5]])
def test_wild_sizes(sizes, tmp_path):
    built = model(
        [node("Resize", "x - - s", "y", **BY_FLOOR)], tensors(s=np.array(sizes, np.int64)), (3, 6, 5)
    )
    assert refusal(built, tmp_path).startswith("Node 'n_y' (Resize): it")


POOLS = [
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    {"kernel_shape": [3, 2], "strides": [4, 2], "pads": [0, 1, 2, 0]},
    {"kernel_shape": [5, 4], "strides": [2, 4], "pads": [2, 0, 2, 1]},
    {"kernel_shape": [1, 3], "strides": [4, 2]},
]


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: str(pool["kernel_shape"]))
def test_a_maximum_of_repeated_pixels(pool, tmp_path):
    nodes = [*UP, node("MaxPool", "r", "d", **pool), node("Conv", "d m4", "y")]
    check(model(nodes, tensors(**ARRAYS, m4=signs(RNG, 2, 4, 1, 1)), (3, 6, 5)), tmp_path, IMAGES)


SCORES = {
    "alone": ([node("Conv", "b m4", "d"), node("Resize", "d - t", "y")], (3, 6, 5)),
    "with a bias and a gain for each class": (
        [node("Conv", "b m4", "d"), node("Mul", "d g", "n"), node("Add", "n o", "j"), node("Resize", "j - t", "y")],
        (3, 6, 5),
    ),
    "sums before the bias": (
        [node("Conv", "b m4", "d"), node("Resize", "d - t", "j"), node("Add", "j o", "y")], (3, 6, 5)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCORES)
def test_scores_that_a_resize_repeats_are_not_rounded_before(name, tmp_path):
    nodes, shape = SCORES[name]
    arrays = {
        "m4": signs(RNG, 2, 4, 1, 1),
        "g": np.float32([[[0.5]], [[1.75]]]),
        "o": np.float32([[[9]], [[-4]]]),
    }
    result = check(model([*FIRST, *nodes], tensors(**ARRAYS, **arrays), shape), tmp_path, IMAGES)
    assert result.scores_program.shape == (16, 2 * 8 * 6)


def test_a_maximum_between_repetitions_is_refused(tmp_path):
    nodes = [
        *UP,
        node("MaxPool", "r", "d", kernel_shape=[3, 3]),
        node("Flatten", "d", "z"),
        node("MatMul", "z v96", "y"),
    ]
    with pytest.raises(BcsimError) as caught:
        check(model(nodes, tensors(**ARRAYS), (3, 6, 5)), tmp_path, IMAGES)
    assert str(caught.value) == (
        "Node 'n_d' (MaxPool) reads repeated pixels; accepted behind a Resize are Conv, dense layers, a MaxPool whose "
        "stride is a multiple of the repetition, the mean of the whole image, additions, concatenations and "
        "elementwise operations"
    )
