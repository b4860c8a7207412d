"""The gallery's rows and drawing."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from bcsim.models import SHIPPED
from bench.gallery import SUITED, card_error, measure, points
from bench.gallery_plot import plot


def test_every_bundled_network_has_a_machine_and_an_error() -> None:
    assert set(SHIPPED) <= set(SUITED)
    assert all(0 < card_error(name) < 0.2 for name in SHIPPED)


def test_figures_of_the_digits() -> None:
    (row,) = measure(["digits"])
    assert (row["weights"], row["accumulations"]) == (25_856, 25_856)
    assert row["error"] == pytest.approx(7 / 359)
    assert row["cycles"] == 835  # docs/results.md has it too, from bench.bits
    assert row["energy_pj"] > 10_000


def test_the_papers_network_stands_beside_the_bundled_one() -> None:
    row = {"machine": "conv", "cycles": 10.0, "energy_pj": 2e6}
    rows: list[dict[str, Any]] = [
        {**row, "network": "cifar10-cnn", "dataset": "cifar10", "error": 0.1025},
        {**row, "network": "digits", "dataset": "digits", "error": 0.02},
    ]
    bundled, paper = points(rows)
    assert (bundled["error"], paper["error"]) == (0.1025, 0.0990)
    drawing = ElementTree.fromstring(plot([bundled, paper]))
    circles = drawing.findall("{*}circle")
    assert len(circles) == 2 * 3  # in each of two panels and in the list below
    assert sum(circle.get("fill") == "none" for circle in circles) == 3
