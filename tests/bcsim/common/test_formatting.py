"""Numbers as people read them."""

import pytest

from bcsim.common.formatting import count, decibels, energy, microseconds, parameter, percent, rate, ratio


@pytest.mark.parametrize(
    ("picojoules", "text"),
    [
        (0, "0"),
        (0.25, "0.25 pJ"),
        (1, "1.00 pJ"),
        (999, "999 pJ"),
        (1000, "1.00 nJ"),
        (1.59e6, "1.59 µJ"),
        (44.12e6, "44.1 µJ"),
        (2.5e12, "2,500 mJ"),
    ],
)
def test_energy(picojoules: float, text: str) -> None:
    assert energy(picojoules) == text


def test_the_others() -> None:
    assert percent(0.98714) == "98.71 %"
    assert percent(1, 1) == "100.0 %"
    assert percent(None) == "–"
    assert ratio(12.345) == "×12.3"
    assert rate(34674.06) == "34,674 /s"
    assert microseconds(2.43) == "2.43 µs"
    assert count(2910208) == "2,910,208"
    assert decibels(33.49) == "33.5 dB"
    assert decibels(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"), [(4096, "4,096"), (True, "yes"), (False, "no"), (100.0, "100"), ("tiny", "tiny")]
)
def test_parameter(value: object, text: str) -> None:
    assert parameter(value) == text
