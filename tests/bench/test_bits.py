"""Error against activation bits: which machine is chosen, and the drawing."""

from __future__ import annotations

from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

import pytest

from bcsim.api import load
from bcsim.compiler.program.layers import Encoding
from bcsim.machine.parameters import PRESETS
from bcsim.models import shipped_path
from bench.bits import Machines, measure, trained_bits
from bench.bits_plot import plot


@pytest.mark.parametrize(("bits", "digit"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8)])
def test_digits_are_as_wide_as_the_activations(bits: int, digit: int) -> None:
    assert Machines(PRESETS["medium"]).for_bits(bits).digit == digit


def test_narrower_digits_fill_the_word_with_lanes() -> None:
    machine = Machines(PRESETS["medium"], fills_word=True).for_bits(2)
    assert (machine.lanes, machine.digit) == (128, 2)


def test_narrower_activations_take_less_energy_and_never_change_the_float_error() -> None:
    model = load(shipped_path("digits"))
    wide, narrow = measure([model], [], [8, 2], Machines(PRESETS["tiny"], fills_word=True))
    assert wide["float_error"] == narrow["float_error"]
    assert wide["agreement"] == 1
    assert narrow["energy_pj"] < wide["energy_pj"]
    assert narrow["cycles"] < wide["cycles"]


@pytest.mark.parametrize(("bits", "offset", "trained"), [(1, -1, 1), (2, -1, 1), (2, 0, 2), (4, 0, 4)])
def test_signs_beside_the_zeros_of_padding_are_one_bit(bits: int, offset: int, trained: int) -> None:
    assert trained_bits(Encoding(bits, Fraction(1), Fraction(offset))) == trained


def test_the_drawing_has_a_point_for_each_row_in_each_panel() -> None:
    rows: list[dict[str, Any]] = [
        {"quantised": kind, "bits": bits, "program_error": 0.01 * bits, "cycles": 10, "energy_pj": 2e3}
        for kind in ("after training", "in training")
        for bits in (8, 4, 1)
    ]
    drawing = ElementTree.fromstring(plot(rows))
    assert len(drawing.findall("{*}circle")) == 3 * len(rows)
    texts = [text.text for text in drawing.findall("{*}text")]
    assert {"quantised after training", "quantised in training", "8", "4", "1"} <= set(texts)
