"""Flipped bits: as many as drawn, where they were drawn, and the error that they cause."""

import numpy as np
import pytest

import bcsim
from bcsim.compiler.mapping.mapping import map_program
from bcsim.machine.parameters import PRESETS
from bcsim.models import shipped_path
from bench.bit_flips import flip_offsets, flip_weights, measure
from bench.bit_flips_plot import plot


@pytest.fixture(scope="module")
def mapping():
    program = bcsim.compile(bcsim.load(shipped_path("digits")))
    return map_program(program, PRESETS["small"])


def test_weights_flip_where_they_are_drawn(mapping) -> None:
    image, flips = flip_weights(mapping.image, 0.25, np.random.default_rng(1))
    changed = np.unpackbits(image.weights ^ mapping.image.weights)
    assert changed.sum() == flips
    assert abs(changed.mean() - 0.25) < 0.01
    same, none = flip_weights(mapping.image, 0.0, np.random.default_rng(1))
    assert none == 0
    assert np.array_equal(same.weights, mapping.image.weights)


def test_offsets_stay_words_of_the_parameter_memory(mapping) -> None:
    width = mapping.machine.remainder_bits
    image, flips = flip_offsets(mapping.image, mapping.machine, 0.25, np.random.default_rng(1))
    assert image.offsets.min() >= -(1 << width - 1)
    assert image.offsets.max() < 1 << width - 1
    ones = (image.offsets ^ mapping.image.offsets) & ((1 << width) - 1)
    assert sum(int(word).bit_count() for word in ones.ravel()) == flips
    every, _ = flip_offsets(mapping.image, mapping.machine, 1.0, np.random.default_rng(1))
    assert np.array_equal(every.offsets, ~mapping.image.offsets)


def test_the_error_rises_with_the_flips(mapping) -> None:
    data = bcsim.load_dataset("digits")
    for memory in ("weights", "offsets"):
        none, some, all_ = measure(mapping, data, memory, [0.0, 0.02, 0.3], 1)
        assert none["flips"] == 0
        assert none["error"] < 0.03
        assert none["error"] <= some["error"] < all_["error"]
        assert all_["error"] > 0.5


def test_the_drawing_has_a_point_for_each_rate() -> None:
    rows = [{"rate": rate, "error": 0.1, "flips": 1, "deviation": 0.0} for rate in (0.0, 1e-3, 1e-2)]
    drawn = plot(rows, "title")
    assert drawn.count("<circle") == 2
    assert drawn.count("stroke-dasharray") == 1
    assert "1e-3" in drawn
