"""Encodings of tensors: which grid or range each gets, and what tensors read together share."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.lowering.calibrate import Ranging
from bcsim.compiler.lowering.fusion import fuse_layers
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.lowering.tensor_encodings import Encodings, holds, padded_tensors, plan_encodings
from bcsim.compiler.lowering.value_sets import known_values
from bcsim.compiler.program.layers import Encoding
from tests.compiler.nets import PIXEL, Net

VALUES = tuple(PIXEL.scale * level + PIXEL.offset for level in range(8))


def planned(net: Net, output: str, bits: dict[str, int] | None = None, **samples: list[float]) -> Encodings:
    layers = fuse_layers(net.end(output)).layers
    known = known_values(layers[:-1], VALUES, "x", bits or {})
    arrays = {name: np.array(values) for name, values in samples.items()}
    return plan_encodings(layers, ("x", PIXEL), known, bits or {}, arrays, Ranging("max"))


def _net() -> Net:
    return Net(np.random.default_rng(0), (2, 4, 4))


def test_one_grid_for_what_is_read_together_through_other_tensors() -> None:
    net = _net()
    a, b, c = (net.quant(net.conv("x", 2), scale, 0, 3) for scale in (0.25, 0.5, 0.75))
    found = planned(net, net.concat(net.relu(net.add(a, b)), net.relu(net.add(b, c))))
    assert found.shared[a] == found.shared[c] == Encoding(4, Fraction(1, 4), Fraction(0))
    assert found.own[a] == found.own[b] == found.shared[a]
    assert found.shared["relu7"] == Encoding(4, Fraction(1, 4), Fraction(0))


@pytest.mark.parametrize(("high", "exact"), [(255, True), (256, False)])
def test_grids_that_8_bits_cannot_hold_together_become_a_range(high: int, exact: bool) -> None:
    net = _net()
    a = net.quant(net.conv("x", 2), 1.0, 0, 1)
    b = net.affine(net.quant(net.conv("x", 2), 1.0, 0, 1), 1.0, high - 1)
    shared = planned(net, net.concat(a, b)).shared[a]
    assert (shared.bits, shared.scale == 1) == (8, exact)
    assert holds(shared, (Fraction(0), Fraction(high))) == exact


def test_grids_that_an_addition_weighs_keep_their_steps_and_get_as_many_bits() -> None:
    net = _net()
    a, b = net.quant(net.conv("x", 2), 0.3, 0, 255), net.quant(net.conv("x", 2), 0.7, -3, 4)
    found = planned(net, net.quant(net.add(a, b), 1.0, 0, 3))
    assert found.shared == {}
    assert found.weighed == {a: found.own[a], b: found.own[b]}
    assert [(found.own[name].bits, float(found.own[name].scale)) for name in (a, b)] == [(8, 0.3), (8, 0.7)]


def test_ranges_of_what_is_read_together_cover_all() -> None:
    net = _net()
    a, b = net.relu(net.conv("x", 2)), net.affine(net.conv("x", 2), 2.0)
    found = planned(net, net.add(a, b), relu1=[0.0, 5.0], affine3=[-10.0, 1.0], add4=[1.0])
    assert found.own[a] == found.own[b] == found.shared[a]
    assert float(found.shared[a].scale) == pytest.approx(15 / 255)


@pytest.mark.parametrize(("top", "apart"), [(7.4, True), (7.6, False)])
def test_a_range_of_half_the_step_is_kept_for_those_that_read_it_alone(top: float, apart: bool) -> None:
    net = _net()
    a = net.relu(net.conv("x", 2, (1, 1)))
    b = net.affine(net.conv(a, 2, (1, 1)), 2.0)
    found = planned(net, net.add(a, b), relu1=[0.0, top], affine3=[0.0, 15.0], add4=[1.0])
    assert (found.own[a] != found.shared[a]) == apart
    assert found.own[b] == found.shared[b]


def test_given_bits_count_for_all_that_share_a_range() -> None:
    net = _net()
    a = net.relu(net.conv("x", 2, (1, 1)))
    b = net.relu(net.conv(a, 2, (1, 1)))
    found = planned(net, net.add(a, b), {a: 4}, relu1=[0.0, 1.0], relu3=[0.0, 1.0], add4=[1.0])
    assert (found.own[a].bits, found.own[b].bits, found.own["add4"].bits) == (4, 4, 8)


def test_padding_adds_a_level_for_zero() -> None:
    net = _net()
    t = net.bipolar(net.conv("x", 2))
    u = net.bipolar(net.conv(t, 2, pads=(1, 1, 1, 1)))
    layers = fuse_layers(net.end(u)).layers
    assert padded_tensors(layers) == {t: {0}}
    found = planned(net, u)
    assert found.own[t] == Encoding(2, Fraction(1), Fraction(-1))
    assert found.own[u] == Encoding(1, Fraction(2), Fraction(-1))


@pytest.mark.parametrize(
    ("values", "held"),
    [((-1, 1), True), ((-1, 0), False), ((3,), False), ((-3,), False), (None, False)],
)
def test_an_encoding_holds_the_values_of_its_levels(values: tuple[int, ...] | None, held: bool) -> None:
    encoding = Encoding(1, Fraction(2), Fraction(-1))
    assert holds(encoding, None if values is None else tuple(map(Fraction, values))) == held


def _unlike() -> tuple[Net, str, str, str]:
    """Two quantisers of 8 bits without a common grid, the finer of them read alone too."""
    net = _net()
    fine = net.quant(net.conv("x", 2), 0.125, -130, 125)
    coarse = net.quant(net.relu(fine), 2.0, -130, 125)
    return net, fine, coarse, net.concat(fine, coarse)


def test_tensors_without_a_common_grid_are_rounded_to_what_images_reach() -> None:
    net, fine, coarse, output = _unlike()
    declared = planned(net, output)
    assert float(declared.shared[fine].scale) > 1.9
    reached = planned(net, output, **{fine: [0.0, 3.0], coarse: [0.0, 4.0]})
    assert reached.shared[fine] == reached.shared[coarse]
    assert float(reached.shared[fine].scale) == pytest.approx(4 / 255)


def test_a_quantiser_that_is_read_alone_too_keeps_its_own_values() -> None:
    net, fine, coarse, output = _unlike()
    found = planned(net, output, **{fine: [0.0, 3.0], coarse: [0.0, 4.0]})
    assert found.own[fine] == Encoding(8, Fraction(1, 8), Fraction(-65, 4))
    assert found.own[coarse] == found.shared[coarse]


def test_what_is_rounded_together_is_calibrated_and_told() -> None:
    net, fine, coarse, output = _unlike()
    graph = net.end(output)
    images = np.random.default_rng(3).integers(0, 8, (20, *net.shape)) / 4 - 0.5
    told = f"Tensors {fine!r}, {coarse!r} are read together and have no common steps of 8 bits: they are rounded to "
    notes = lower(graph, pixel=PIXEL, calibration=images).notes
    assert f"{told}the range of the calibration images" in notes
    assert f"{told}the range of all the values that their quantisers allow" in lower(graph, pixel=PIXEL).notes
