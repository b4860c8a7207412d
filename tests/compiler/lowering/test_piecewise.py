"""Piecewise functions: exact square roots, composed lines, every node held to the independent exact evaluation."""

from fractions import Fraction
from math import isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcsim.compiler.graph.nodes import Flatten, Node
from bcsim.compiler.lowering.node_functions import to_functions
from bcsim.compiler.lowering.piecewise import Line, distinct_channels, forward
from bcsim.compiler.lowering.roots import exact_sqrt
from tests.compiler.exact import (
    affine,
    batch_norm,
    bipolar,
    clip,
    dense,
    exact_node,
    multi_threshold,
    quant,
    relu,
    sign,
)


@pytest.mark.parametrize("root", ["0", "3", "7/5", "1/1024"])
def test_a_rational_root_is_exact(root: str) -> None:
    assert exact_sqrt(Fraction(root) ** 2) == Fraction(root)


@given(st.fractions(Fraction(1, 10**50), 10**50))
def test_other_roots_have_200_bits(x: Fraction) -> None:
    root = exact_sqrt(x)
    assert root**2 <= x < (root * (1 + Fraction(1, 2**200))) ** 2 or root**2 == x


def test_a_denormal_variance_has_a_root() -> None:
    x = Fraction(2.0**-149)
    assert abs(exact_sqrt(x) ** 2 / x - 1) < Fraction(1, 2**200)
    assert isqrt(x.denominator) ** 2 != x.denominator


@pytest.mark.parametrize("value", [Fraction(n, 8) for n in range(-20, 21)])
@pytest.mark.parametrize(
    "node",
    [
        affine([2.0, -0.5], 0.25),
        batch_norm([1.0, -2.0], [0.5, 0.0], [1.0, 3.0], [3.75, 8.75], epsilon=0.25),
        relu(),
        clip(-1.0, 0.5),
        sign(),
        bipolar(0.75),
        multi_threshold([[-1.0, 0.125, 2.0], [0.0, 0.0, 1.0]], -0.5, 3.0),
        *(
            quant(0.5, -3, 2, rounding, zero_point)
            for rounding in ("ROUND", "CEIL", "FLOOR", "ROUND_TO_ZERO", "HALF_UP")
            for zero_point in (0.0, 1.0, 0.5)
        ),
    ],
    ids=lambda node: f"{node.op}-{getattr(node, 'rounding', '')}-{getattr(node, 'zero_point', '')}",
)
def test_pieces_equal_their_node(node: Node, value: Fraction) -> None:
    for channel in (0, 1):
        found = value
        for function in to_functions([node]):
            found = forward(function, found, channel)
        assert found == exact_node(node, value, channel)


def test_adjacent_lines_become_one() -> None:
    (line,) = to_functions(
        [affine([2.0, 3.0]), affine(1.0, 1.0), Flatten("f", "Flatten", (), ""), affine(0.5, [0.0, 1.0])]
    )
    assert line == Line((Fraction(1), Fraction(3, 2)), (Fraction(1, 2), Fraction(3, 2)))


def test_equal_channels_become_one_value() -> None:
    assert to_functions([affine([2.0, 2.0], [1.0, 1.0])]) == [Line((Fraction(2),), (Fraction(1),))]


def test_channels_with_the_same_lines_stand_for_each_other() -> None:
    assert distinct_channels(to_functions([relu()])) == [0]
    assert distinct_channels(to_functions([affine([1.0, 1.0, 2.0, 1.0]), relu()])) == [0, 2]
    assert distinct_channels(to_functions([affine([1.0, 2.0, 3.0])])) == []
    assert distinct_channels(to_functions([multi_threshold([[0.0], [1.0]])])) == []


def test_a_linear_layer_is_no_function() -> None:
    with pytest.raises(TypeError, match=r"^Node must be elementwise, not Dense$"):
        to_functions([dense([[1]])])
