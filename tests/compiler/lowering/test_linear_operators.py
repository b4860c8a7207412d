"""Linear operators: the matrix at every window gives what the float node gives."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.graph.evaluate import evaluate_node
from bcsim.compiler.graph.nodes import Flatten, MaxPool, Node
from bcsim.compiler.lowering.linear_operators import identity_operator, is_linear, linear_operator
from tests.compiler.nets import Net, channels_last

Build = Callable[[Net], str]

OPERATORS: dict[str, Build] = {
    "conv": lambda net: net.conv("x", 6, (3, 2), (2, 1), (1, 0, 2, 1)),
    "grouped": lambda net: net.conv("x", 8, (2, 2), groups=2),
    "depthwise": lambda net: net.conv("x", 4, (3, 3), (1, 2), groups=4),
    "average": lambda net: net.average("x", (2, 3), (2, 1), (1, 0, 0, 1)),
    "add": lambda net: net.add("x", "x"),
    "concat": lambda net: net.concat("x", "x"),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_the_matrix_gives_what_the_node_gives(name: str) -> None:
    net = Net(np.random.default_rng(1), (4, 5, 6))
    OPERATORS[name](net)
    (node,) = net.nodes
    check(node, [np.random.default_rng(2).integers(-3, 4, (2, 4, 5, 6)).astype(float)] * len(node.inputs))


@pytest.mark.parametrize("sources", [1, 2])
def test_a_dense_layer_reads_whole_images(sources: int) -> None:
    net = Net(np.random.default_rng(1), (4 * sources, 5, 6))
    net.dense(net.flatten("x"), 7)
    images = np.random.default_rng(2).integers(-3, 4, (2, 4 * sources, 5, 6)).astype(float)
    operator = linear_operator(net.nodes[1], [(4, 5, 6)] * sources)
    window = np.concatenate(
        [channels_last(part).reshape(2, -1) for part in np.split(images, sources, axis=1)], axis=1
    )
    expected = evaluate_node(net.nodes[1], images.reshape(2, -1))
    np.testing.assert_array_equal(window @ operator.weights.T, expected)


def check(node: Node, inputs: list[np.ndarray]) -> None:
    operator = linear_operator(node, [x.shape[1:] for x in inputs])
    geometry, outputs = operator.geometry, len(operator.weights)
    top, left, bottom, right = geometry.pads
    padded = [np.pad(channels_last(x), ((0, 0), (top, bottom), (left, right), (0, 0))) for x in inputs]
    rows, columns = geometry.windows
    result = np.zeros((len(inputs[0]), rows, columns, outputs))
    for y in range(rows):
        for x in range(columns):
            r, c = y * geometry.stride[0], x * geometry.stride[1]
            for o in range(outputs):
                n = geometry.channels[0] // geometry.groups
                start = o * geometry.groups // outputs * n
                window = np.concatenate(
                    [
                        source[
                            :, r : r + geometry.kernel[0], c : c + geometry.kernel[1], start : start + n
                        ].reshape(len(source), -1)
                        for source in padded
                    ],
                    axis=1,
                )
                scale = operator.scale[o] if len(operator.scale) > 1 else operator.scale[0]
                result[:, y, x, o] = float(scale) * (window @ operator.weights[o])
    np.testing.assert_allclose(result, channels_last(evaluate_node(node, *inputs)), rtol=1e-12)


def test_the_identity_copies_every_channel() -> None:
    operator = identity_operator((3, 4, 5))
    assert operator.weights.tolist() == [[1], [1], [1]]
    assert (operator.scale, operator.geometry.groups, operator.geometry.output) == ((Fraction(1),), 3, (4, 5))


def test_pooling_and_views_are_not_linear() -> None:
    assert not is_linear(MaxPool("p", "MaxPool", ("x",), "y", (2, 2), (2, 2)))
    assert not is_linear(Flatten("f", "Flatten", ("x",), "y"))
    with pytest.raises(TypeError, match=r"^Node must be linear, not Flatten$"):
        linear_operator(Flatten("f", "Flatten", ("x",), "y"), [(1, 1, 1)])
