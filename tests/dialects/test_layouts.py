"""Channels last, dense layers at every position, and parts of a tensor's channels."""

import numpy as np
import pytest
from onnx import ModelProto, helper

from tests.compiler.build import model, node, refusal, tensors
from tests.dialects.check import check, pixels, runtime, signs

RNG = np.random.default_rng(67)
LAST = "qonnx.custom_op.channels_last"
IMAGES = pixels(RNG, 24, (6, 7, 3))


def with_transposes(built, x):
    """QONNX's wrapped operators as their definition has them, by onnxruntime."""
    spelt = ModelProto()
    spelt.CopyFrom(built)
    nodes = []
    for made in built.graph.node:
        if made.domain != LAST:
            nodes.append(made)
            continue
        inner = helper.make_node(made.op_type, ["t_" + made.name, *made.input[1:]], ["u_" + made.name])
        inner.attribute.extend(made.attribute)
        nodes += [
            helper.make_node("Transpose", [made.input[0]], ["t_" + made.name], perm=[0, 3, 1, 2]),
            inner,
            helper.make_node("Transpose", ["u_" + made.name], list(made.output), perm=[0, 2, 3, 1]),
        ]
    del spelt.graph.node[:]
    spelt.graph.node.extend(nodes)
    return runtime(spelt, x)


def test_channels_last_of_qonnx(tmp_path):
    nodes = [
        node("Conv", "x w", "a", LAST, pads=[1, 1, 1, 1]),
        node("BatchNormalization", "a g h m n", "c", LAST),
        node("Sign", "c", "b"),
        node("MaxPool", "b", "p", LAST, kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "p u", "d", LAST),
        node("Sign", "d", "e"),
        node("Flatten", "e", "f"),
        node("MatMul", "f v", "y"),
    ]
    norm = {
        "g": RNG.choice([-1.0, 1.0], 5),
        "h": np.arange(5.0),
        "m": RNG.integers(-9, 9, 5) * 1.0,
        "n": np.ones(5),
    }
    weights = {"w": signs(RNG, 5, 3, 3, 3), "u": signs(RNG, 4, 5, 2, 2), "v": signs(RNG, 16, 3)}
    check(model(nodes, tensors(**norm, **weights), (6, 7, 3)), tmp_path, IMAGES, with_transposes)


@pytest.mark.parametrize("shape", [(9, 6), (3, 4, 6)])
def test_a_dense_layer_at_every_position(shape, tmp_path):
    """Tokens or pixels, channels last: each by the same matrix; the bias follows the last axis."""
    positions = int(np.prod(shape[:-1]))
    nodes = [
        node("MatMul", "x w", "a"),
        node("Add", "a c", "b"),
        node("Sign", "b", "d"),
        node("MatMul", "d u", "e"),
        node("Sign", "e", "f"),
        node("Flatten", "f", "g"),
        node("MatMul", "g v", "y"),
    ]
    weights = {"w": signs(RNG, 6, 5), "u": signs(RNG, 5, 4), "v": signs(RNG, positions * 4, 3)}
    built = model(nodes, tensors(**weights, c=RNG.integers(-9, 9, 5) * 1.0), shape)
    check(built, tmp_path, pixels(RNG, 24, shape))


PARTS = {
    "split": [node("Split", "b sizes", "c d", axis=1), node("Concat", "d c", "e", axis=1)],
    "equal parts": [node("Split", "b", "c d", axis=1), node("Concat", "d c", "e", axis=1)],
    "one part of two": [node("Split", "b sizes", "c e", axis=1)],
    "slice": [node("Slice", "b two five one", "e")],
    "slice to the end": [node("Slice", "b two far one", "e")],
    "every second": [node("Slice", "b zero six one two", "e")],
    "halves swapped": [
        node("Slice", "b zero three one", "c"),
        node("Slice", "b three six one", "d"),
        node("Concat", "d c", "e", axis=1),
    ],
    "added halves": [
        node("Split", "b", "c d", axis=1), node("Add", "c d", "e0"), node("Sign", "e0", "e")
    ],
}  # fmt: skip


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("name", PARTS)
def test_parts_of_channels(name, flat, tmp_path):
    channels = {
        "split": 6,
        "equal parts": 6,
        "one part of two": 4,
        "slice to the end": 4,
        "halves swapped": 6,
    }.get(name, 3)
    places = {name: np.int64([value]) for name, value in
              {"zero": 0, "one": 1, "two": 2, "three": 3, "five": 5, "six": 6, "far": 2**63 - 1}.items()}  # fmt: skip
    weights = {
        "w": signs(RNG, 12, 6) if flat else signs(RNG, 6, 3, 3, 3),
        "u": signs(RNG, channels * (1 if flat else 20), 3),
    }
    tail = [node("MatMul", "e u", "y")] if flat else [node("Flatten", "e", "f"), node("MatMul", "f u", "y")]
    first = [node("MatMul" if flat else "Conv", "x w", "a"), node("Sign", "a", "b")]
    arrays = tensors(**weights, **places, sizes=np.int64([2, 4]))
    built = model([*first, *PARTS[name], *tail], arrays, (12,) if flat else (3, 6, 7))
    check(built, tmp_path, pixels(RNG, 16, (12,) if flat else (3, 6, 7)))


def test_a_part_of_a_flattened_image(tmp_path):
    """Its channels lie at several positions: every seventh value is no channel of the image."""
    nodes = [
        node("Conv", "x w", "a"), node("Sign", "a", "b"), node("Flatten", "b", "c"),
        node("Slice", "c s e one t", "d"), node("MatMul", "d u", "y"),
    ]  # fmt: skip
    places = {"s": np.int64([3]), "e": np.int64([80]), "t": np.int64([7]), "one": np.int64([1])}
    built = model(nodes, tensors(w=signs(RNG, 4, 3, 3, 3), u=signs(RNG, 11, 3), **places), (3, 6, 7))
    check(built, tmp_path, pixels(RNG, 16, (3, 6, 7)))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            node("Slice", "x zero two axis", "y"),
            "it parts axis 3 of an input of shape (4,) behind the batch axis; accepted is axis 1",
        ),
        (
            node("Slice", "x two two one", "y"),
            "its step is 1 and it leaves 0 channels; accepted are 1 and more of each",
        ),
        (
            node("Split", "x sizes", "y z", axis=1),
            "its parts are [1, 2] of 4 channels; accepted are parts from 1 up that make them all",
        ),
        (
            node("Slice", "x zero two one zero", "y"),
            "its steps are [0]; accepted are steps other than 0",
        ),
    ],
)
def test_parts_refused(made, message, tmp_path):
    places = {"zero": [0], "one": [1], "two": [2], "axis": [3], "sizes": [1, 2]}
    built = model([made], tensors(**{name: np.int64(value) for name, value in places.items()}), (4,))
    assert refusal(built, tmp_path) == f"Node 'n_y' ({made.op_type}): {message}"


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("shape", [(1, 9), (2, 9), (2, 2, 3, 3)])
def test_two_dense_layers_that_flatten_an_input_of_any_rank(shape, moved, tmp_path):
    """The input has two readers, so that it is streamed in its own shape."""
    size, back = int(np.prod(shape)), [0, *range(len(shape), 0, -1)]
    nodes = [
        *([node("Transpose", "x", "g", perm=back)] if moved else []),
        node("Flatten", "g" if moved else "x", "f"), node("MatMul", "f w", "a"), node("Sign", "a", "b"),
        node("Reshape", "x s", "h"), node("MatMul", "h v", "c"), node("Sign", "c", "d"),
        node("Concat", "b d", "e", axis=1), node("MatMul", "e u", "y"),
    ]  # fmt: skip
    weights = {"w": signs(RNG, size, 4), "v": signs(RNG, size, 3), "u": signs(RNG, 7, 3)}
    built = model(nodes, tensors(**weights, s=np.int64([0, -1])), shape)
    x = pixels(RNG, 30, (size,))
    check(built, tmp_path, x, lambda made, pixel: runtime(made, pixel.reshape(-1, *shape)))
