"""Which tensors' values are known without images."""

from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.lowering.fusion import fuse_layers
from bcsim.compiler.lowering.value_sets import known_values
from tests.compiler.nets import Net

STREAM = tuple(Fraction(k, 2) for k in range(4))
Values = dict[str, list[float] | None]


def values(net: Net, output: str, bits: dict[str, int] | None = None) -> Values:
    found = fuse_layers(net.end(output)).layers[:-1]
    known = known_values(found, STREAM, "x", bits or {})
    return {name: None if of is None else [float(v) for v in of] for name, of in known.items()}


def test_quantisers_copies_sums_and_means_are_known() -> None:
    net = Net(np.random.default_rng(0), (2, 4, 4))
    a = net.bipolar(net.conv("x", 2))
    b = net.quant(net.conv("x", 2), 0.5, 0, 2)
    t = net.average(net.concat(net.add(a, b), net.add(a, a)), (1, 2))
    known = values(net, net.relu(t))
    assert known["x"] == [0, 0.5, 1, 1.5]
    assert known[a] == [-1, 1]
    assert known["add4"] == [-1 + k / 2 for k in range(7)]
    assert known["add5"] == [-2, 0, 2]
    assert known["concat6"] == sorted({-1 + k / 2 for k in range(7)} | {-2.0})
    assert known["relu8"] == [k / 4 for k in range(9)]


def test_convolutions_without_quantisers_and_what_reads_them_are_not() -> None:
    net = Net(np.random.default_rng(0), (2, 4, 4))
    t = net.relu(net.conv("x", 2))
    assert values(net, net.max_pool(net.add(t, t))) == {
        "x": [0, 0.5, 1, 1.5],
        "relu1": None,
        "maxpool3": None,
    }


@pytest.mark.parametrize(("size", "known"), [(9, True), (10, False)])
def test_means_of_more_than_8_bits_are_not(size: int, known: bool) -> None:
    net = Net(np.random.default_rng(0), (1, 12, 12))
    pooled = net.average(net.quant(net.conv("x", 1, (1, 1)), 1.0, 0, 3), (size, size))
    assert (values(net, pooled)[pooled] is not None) == known


def test_padded_means_may_include_zeros() -> None:
    net = Net(np.random.default_rng(0), (1, 2, 2))
    t = net.bipolar(net.conv("x", 1, (1, 1)))
    pooled = net.average(t, (1, 2), pads=(0, 1, 0, 0))
    assert values(net, pooled)[pooled] == [-1, -0.5, 0, 0.5, 1]


def test_fewer_bits_round_what_the_network_does_not_quantise() -> None:
    net = Net(np.random.default_rng(0), (2, 4, 4))
    t = net.quant(net.conv("x", 2), 1.0, 0, 3)
    t = net.add(t, t)
    assert values(net, t, {t: 2})[t] is None
    assert values(net, t, {t: 8})[t] == list(range(7))
