"""Bits within a budget of errors: the fewest that a layer-by-layer search finds, measured once, and kept."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bcsim.common.errors import BcsimError
from bcsim.search.budget import Errors, fewest_bits

COSTS = [1.0, 5.0, 9.0]


def error_of(bits: Sequence[int]) -> float:
    """A hundredth for every halving of the second layer, a fifth of that for the third's."""
    halved = {8: 0, 4: 1, 2: 2, 1: 3}
    return 0.05 + 0.01 * halved[bits[1]] + 0.002 * halved[bits[2]]


@pytest.mark.parametrize(
    ("budget", "bits"),
    [(0.0, [8, 8, 8]), (0.004, [8, 8, 2]), (0.016001, [8, 4, 1]), (1.0, [8, 1, 1])],
)
def test_the_dearest_layer_is_halved_first_and_the_image_stays(budget: float, bits: list[int]) -> None:
    assert fewest_bits(Errors(error_of), [8, 8, 8], COSTS, budget) == bits


def test_an_interrupted_run_measures_nothing_twice(tmp_path: Path) -> None:
    measured: list[tuple[int, ...]] = []

    def counted(bits: Sequence[int]) -> float:
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(tuple(bits))
        return error_of(bits)

    path = tmp_path / "errors.json"
    with pytest.raises(KeyboardInterrupt):
        fewest_bits(Errors(counted, {"model": "a"}, path), [8, 8, 8], COSTS, 1.0)
    assert len(json.loads(path.read_text())["errors"]) == 2
    again: list[tuple[int, ...]] = []

    def more(bits: Sequence[int]) -> float:
        again.append(tuple(bits))
        return error_of(bits)

    assert fewest_bits(Errors(more, {"model": "a"}, path), [8, 8, 8], COSTS, 1.0) == [8, 1, 1]
    assert not set(measured) & set(again)


def test_bits_that_the_network_cannot_have_are_left_out() -> None:
    def own_quantisers(bits: Sequence[int]) -> float:
        if bits[2] != 8:
            raise BcsimError("Layer has 8 bits")
        return error_of(bits)

    assert fewest_bits(Errors(own_quantisers), [8, 8, 8], COSTS, 1.0) == [8, 1, 8]


@pytest.mark.parametrize("content", ["{", "[]", '{"model": "b", "errors": {}}', '{"model": "a"}'])
def test_a_file_of_something_else_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "errors.json"
    path.write_text(content)
    with pytest.raises(BcsimError, match=r"errors.json has "):
        Errors(error_of, {"model": "a"}, path)
