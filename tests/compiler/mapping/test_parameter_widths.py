"""A requantiser's fields are computed without overflow: a program runs equal at every level, or is refused by name."""

import re
from dataclasses import replace

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import map_program
from bcsim.compiler.program.check import check_program
from bcsim.compiler.program.layers import Divide, Program, WeightPlane
from bcsim.execution.execute import execute
from bcsim.machine.parameters import Machine
from bcsim.simulator.simulator import run_machine
from tests.programs import random_images, random_program

ROOMY = Machine(
    name="roomy", lanes=8, pes=8, requantisers=4, accumulator_bits=30, fraction_bits=20, parameter_words=4096,
    activation_words=1024, weight_words=4096, input_bytes=1, shift_planes=True,
)  # fmt: skip


def with_fields(program: Program, offset: int, divisor: int, fraction_bits: int = 0) -> Program:
    """The program with these fields in the requantiser of every output of its last layer."""
    last = program.layers[-1]
    every = np.ones(last.outputs, np.int64)
    divide = Divide(last.target.bits, fraction_bits, every * offset, every * divisor)
    return replace(program, layers=(*program.layers[:-1], replace(last, requantiser=divide)))


def refused(program: Program, rng: np.random.Generator) -> bool:
    """Whether the machine refuses the program, naming the field. Otherwise both levels give the same scores."""
    check_program(program)
    try:
        mapping = map_program(program, ROOMY)
    except BcsimError as error:
        return bool(re.search("the (divisor|offset) of output", str(error)))
    q = random_images(rng, program, 5)
    np.testing.assert_array_equal(run_machine(mapping, q).scores, execute(program, q).scores)
    return False


@pytest.mark.parametrize("exponent", [0, 10, 20, 23, 24, 28, 29, 30, 34, 38, 40, 43, 44, 45, 48, 52, 60, 61])
def test_divisors_of_any_size_are_right_or_refused(exponent: int) -> None:
    rng = np.random.default_rng(exponent)
    program = random_program(rng, largest=12, layers=2)
    assert refused(with_fields(program, -100, 1 << exponent), rng) == (exponent >= 24)


@pytest.mark.parametrize("offset", [-(1 << 61), -(1 << 45), -(1 << 30), 0, 1 << 30, 1 << 61])
@pytest.mark.parametrize("divisor", [1, 1 << 20, 1 << 61])
def test_offsets_of_any_size_are_right_or_refused(offset: int, divisor: int) -> None:
    rng = np.random.default_rng(7)
    program = random_program(rng, largest=12, layers=2)
    assert refused(with_fields(program, offset, divisor, 3), rng) == (divisor == 1 << 61)


def test_planes_of_every_shift_are_summed_without_overflow() -> None:
    rng = np.random.default_rng(11)
    program = random_program(rng, largest=4, layers=1, widest=2)
    (layer,) = program.layers
    shape = layer.outputs, layer.inputs
    planes = tuple(WeightPlane.pack(rng.choice([-1, 1], shape), shift) for shift in range(15, -1, -1))
    wide = replace(layer, planes=planes)
    weights = wide.weights().astype(np.int64)
    top = wide.source.levels - 1
    low = int(np.minimum(weights, 0).sum(axis=1).min() * top)
    high = int(np.maximum(weights, 0).sum(axis=1).max() * top)
    every = np.ones(wide.outputs, np.int64)
    wide = replace(wide, low=low, high=high, requantiser=Divide(16, 0, every * low, every * 5))
    assert not refused(replace(program, layers=(wide,)), rng)
