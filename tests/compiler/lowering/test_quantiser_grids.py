"""Grids: the input's coding through the nodes before the first layer, and the values that quantisers leave."""

import re
from fractions import Fraction

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Node
from bcsim.compiler.lowering.node_functions import to_functions
from bcsim.compiler.lowering.quantiser_grids import grid_encoding, input_coding, quantiser_values
from bcsim.compiler.program.layers import Encoding
from tests.compiler.exact import (
    affine,
    bipolar,
    clip,
    exact_outputs,
    multi_threshold,
    quant,
    relu,
    sign,
)

PIXEL = Encoding(8, Fraction(1, 255), Fraction(0))
SMALL = Encoding(2, Fraction(1), Fraction(0))


@pytest.mark.parametrize(
    ("nodes", "stream", "table"),
    [
        ([], SMALL, None),
        ([affine(2.0, -1.0)], Encoding(2, Fraction(2), Fraction(-1)), None),
        ([affine(-2.0, 1.0)], Encoding(2, Fraction(2), Fraction(-5)), [3, 2, 1, 0]),
        ([affine(1.0, -1.5), bipolar()], Encoding(1, Fraction(2), Fraction(-1)), [0, 0, 1, 1]),
        ([affine(1.0, -1.0), sign()], Encoding(2, Fraction(1), Fraction(-1)), [0, 1, 2, 2]),
        ([clip(1.0, np.inf)], Encoding(2, Fraction(1), Fraction(1)), [0, 0, 1, 2]),
        ([quant(2.0, 0, 1)], Encoding(1, Fraction(2), Fraction(0)), [0, 0, 1, 1]),
        ([affine(0.0, 3.0)], Encoding(1, Fraction(1), Fraction(3)), [0, 0, 0, 0]),
    ],
)
def test_input_coding(nodes: list[Node], stream: Encoding, table: list[int] | None) -> None:
    coding = input_coding(nodes, SMALL, None)
    assert coding.stream == stream
    assert (coding.table if coding.table is None else coding.table.tolist()) == table


def test_every_pixel_means_what_the_nodes_make_of_it() -> None:
    nodes: list[Node] = [affine(2.0, -1.0), quant(2.0**-3, -7, 7)]
    coding = input_coding(nodes, PIXEL, None)
    assert coding.stream.bits == 4
    for level in range(256):
        (expected,) = exact_outputs(nodes, [Fraction(level, 255)])
        q = int(coding.encode_levels(np.array([level]))[0])
        assert coding.stream.scale * q + coding.stream.offset == expected


@pytest.mark.parametrize("bits", [1, 2, 4, 7])
def test_fewer_bits_round_to_the_nearest_of_fewer_levels(bits: int) -> None:
    coding = input_coding([affine(2.0, -1.0)], PIXEL, bits)
    x = np.arange(256) / 127.5 - 1
    q = coding.encode_levels(np.arange(256))
    assert (coding.stream.bits, q[0], q[-1]) == (bits, 0, 2**bits - 1)
    assert np.abs(coding.stream.decode(q) - x).max() <= float(coding.stream.scale) / 2 + 1e-12


@pytest.mark.parametrize(
    ("nodes", "bits", "message"),
    [
        (
            [affine([1.0, 2.0], 0.0)],
            None,
            "Node 'affine' (Mul) ends a chain that scales or shifts the input's pixels differently; accepted before "
            "the first linear layer are operations that are the same for all pixels",
        ),
        (
            [affine(1.0, -0.3), relu()],
            None,
            "Tensor '' takes values on no uniform grid of up to 8 bits; accepted before the first linear layer are "
            "scaling, shifting and quantisers with equal steps",
        ),
        ([bipolar()], 4, "Tensor '' is quantised to 1 bits by the network; --bits must give 1 for it, not 4"),
    ],
)
def test_input_refusals(nodes: list[Node], bits: int | None, message: str) -> None:
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        input_coding(nodes, PIXEL, bits)


@pytest.mark.parametrize(
    ("values", "bits", "encoding"),
    [
        (["0", "1/3"], 1, Encoding(1, Fraction(1, 3), Fraction(0))),
        (["-1", "0", "1"], 2, Encoding(2, Fraction(1), Fraction(-1))),
        (["0", "1/2", "4/3"], 8, Encoding(4, Fraction(1, 6), Fraction(0))),
        (["5"], 8, Encoding(1, Fraction(1), Fraction(5))),
        (["0", "1", "4"], 2, None),
        (["0", "1", "3"], 2, Encoding(2, Fraction(1), Fraction(0))),
    ],
)
def test_grid_encoding(values: list[str], bits: int, encoding: Encoding | None) -> None:
    assert grid_encoding(tuple(map(Fraction, values)), bits) == encoding


@pytest.mark.parametrize(
    ("nodes", "values"),
    [
        ([relu()], None),
        ([sign()], [-1, 0, 1]),
        ([multi_threshold([[0.0, 1.0]], -2.0, 1.0)], [-3, -1, 1]),
        ([quant(1.0, -2, 2), relu()], [0, 1, 2]),
        ([bipolar(), quant(0.5, 0, 3)], [0, 0.5, 1.0, 1.5]),
        ([bipolar(), affine([1.0, 2.0, 2.0])], [-2, -1, 1, 2]),
        ([quant(1.0, 0, 3), affine([1.0, -1.0], [0.0, 3.0])], [0, 1, 2, 3]),
        ([bipolar(), affine([1.0, 2.0, 3.0])], None),
    ],
)
def test_quantiser_values(nodes: list[Node], values: list[float] | None) -> None:
    found = quantiser_values(to_functions(nodes))
    assert (found if found is None else list(found)) == values
