"""Noise, agreement and histograms."""

from fractions import Fraction
from math import isclose, log10

import numpy as np
import pytest

from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import Encoding, InputCoding, Program
from bcsim.execution.raw_levels import arranged
from bcsim.results.fidelity import (
    channels_first,
    compare_layers,
    fidelity_images,
    fraction_equal,
    histogram,
    sqnr_db,
)
from tests.compiler.nets import Net, random_levels
from tests.conv_programs import conv_layer

SIGNAL = np.array([3.0, -4.0, 0.0])


def test_sqnr_of_a_known_error() -> None:
    found = sqnr_db(SIGNAL, SIGNAL + np.array([0.0, 0.3, 0.4]))
    assert found is not None
    assert isclose(found, 10 * log10(25 / 0.25))


def test_sqnr_of_uniform_rounding_is_six_decibels_a_bit() -> None:
    signal = np.random.default_rng(0).uniform(0, 1, 200_000)
    found = [sqnr_db(signal, np.rint(signal * (2**bits - 1)) / (2**bits - 1)) for bits in (6, 7)]
    assert found[0] is not None
    assert found[1] is not None
    assert isclose(found[1] - found[0], 20 * log10(127 / 63), abs_tol=0.05)


@pytest.mark.parametrize(
    ("signal", "decoded"), [(SIGNAL, SIGNAL), (0 * SIGNAL, SIGNAL), (SIGNAL, SIGNAL * (1 + 1e-15))]
)
def test_no_noise_or_no_signal(signal: np.ndarray, decoded: np.ndarray) -> None:
    assert sqnr_db(signal, decoded) is None


def test_fraction_equal() -> None:
    a = np.array([1, 2, 3, 4])
    assert fraction_equal(a, np.array([1, 2, 0, 4])) == 0.75
    assert fraction_equal(a, None) is None
    assert fraction_equal(None, a) is None


def test_histogram_covers_values_and_range() -> None:
    target = Encoding(2, Fraction(1, 2), Fraction(0))
    found = histogram(np.array([-1.0, 0.0, 0.75, 1.5, 2.0, 5.0]), target)
    assert sum(found.counts) == 6
    assert (found.low, found.high, found.range_low, found.range_high) == (-1.0, 5.0, 0.0, 1.5)
    assert found.clipped == 0.5


def test_histogram_of_values_well_inside() -> None:
    found = histogram(np.array([0.5, 0.5]), Encoding(1, Fraction(2), Fraction(-1)))
    assert (found.low, found.high, found.clipped) == (-1.0, 1.0, 0.0)


def test_layers_in_the_order_of_the_float_network() -> None:
    image = np.arange(24, dtype=np.uint16).reshape(1, 2, 3, 4)
    assert channels_first(image)[0, :7].tolist() == [0, 4, 8, 12, 16, 20, 1]
    assert channels_first(image[:, 0, 0]).tolist() == [[0, 1, 2, 3]]


def test_fewer_images_of_larger_networks() -> None:
    source = Encoding(1, Fraction(1), Fraction(0))
    rng = np.random.default_rng(0)

    def images(side: int) -> int:
        layer = conv_layer(rng, Geometry(side, side, (1,)), 16, source, 16, "conv", ("",))
        return fidelity_images(Program("p", InputCoding(source, source), (1, side, side), (layer,)))

    assert [images(64), images(128), images(1024), images(2048)] == [256, 64, 1, 1]


def test_layers_before_a_padded_maximum_are_compared_too() -> None:
    """Lowering moves the quantiser before the maximum, into a tensor that the imported graph does not name."""
    net, pixel = Net(np.random.default_rng(8), (2, 7, 6)), Encoding(3, Fraction(1), Fraction(0))
    pooled = net.max_pool(net.norm(net.conv("x", 3, (2, 2))), pads=(1, 1, 1, 1))
    graph = net.end(net.quant(pooled, 0.5, -2, 1))
    program, levels = lower(graph, pixel=pixel), random_levels(graph, pixel)
    q = np.asarray(arranged(program, program.input.encode_levels(levels).reshape(len(levels), -1)))
    found = compare_layers(program, graph, pixel.decode(levels), q.astype(np.uint16))
    assert [layer.sqnr_db for layer in found] == [None] * len(program.layers)
    assert program.layers[0].float_output not in {node.output for node in graph.nodes}
