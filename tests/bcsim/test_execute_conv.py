"""Convolutional programs: every backend against the program's definition."""

import numpy as np
import pytest

from bcsim.execute import BACKENDS, execute
from tests.programs import random_conv_program, random_images
from tests.reference import run_reference

SEEDS = range(0, 120, 20)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("first", SEEDS)
def test_random_programs_equal_the_definition(backend: str, first: int) -> None:
    for seed in range(first, first + SEEDS.step):
        rng = np.random.default_rng(seed)
        program = random_conv_program(rng)
        q = random_images(rng, program, int(rng.integers(1, 70)))
        expected = run_reference(program, q)
        found = execute(program, q, keep=True, backend=backend)
        for layer, values in zip(program.layers, found.hidden, strict=True):
            np.testing.assert_array_equal(values, expected[layer.name], f"seed {seed}, layer {layer.name}")
        np.testing.assert_array_equal(found.scores, expected[program.layers[-1].name][:, 0, 0])
