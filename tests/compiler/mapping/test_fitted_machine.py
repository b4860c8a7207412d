"""Fitted machines: no parameter can be smaller, no cycle is lost, and the hardware of narrow fields is the same."""

from dataclasses import replace

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.fitted_machine import map_fitted
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.machine.parameters import Machine, parse_machine
from bcsim.rtl.generate.project import Stimulus
from bcsim.rtl.generate.verify import verify
from bcsim.simulator.pauses import random_pauses
from bcsim.simulator.simulator import run_machine
from bcsim.simulator.utilisation import steady_lane_cycles
from tests.conv_programs import random_conv_program
from tests.programs import random_images
from tests.rtl.networks import fitting_program
from tests.rtl.test_random import MACHINES

SHRUNK = (
    "accumulator_bits",
    "fraction_bits",
    "activation_words",
    "weight_words",
    "parameter_words",
    "layers",
    "outputs",
)


def seeded(seed: int) -> tuple[Mapping, Mapping, np.random.Generator]:
    """A random program on a machine with room to spare and on the one fitted to it."""
    generator = np.random.default_rng(seed)
    roomy = fitting_program(generator, MACHINES[seed % len(MACHINES)])
    return roomy, map_fitted(roomy.program, roomy.machine), generator


def narrower(machine: Machine, field: str) -> Machine:
    """With one bit less in a field of the records."""
    bits = machine.field_bits | {field: machine.field_bits[field] - 1}
    return replace(machine, record_bits=" ".join(f"{name}:{width}" for name, width in bits.items()))


@pytest.mark.parametrize("seed", range(22))
def test_values_and_cycles_are_those_of_a_machine_with_room_to_spare(seed: int) -> None:
    roomy, fitted, generator = seeded(seed)
    q = random_images(generator, roomy.program, 3)
    np.testing.assert_array_equal(run_machine(fitted, q).scores, run_machine(roomy, q).scores)
    assert steady_lane_cycles(fitted)[1] <= steady_lane_cycles(roomy)[1]


@pytest.mark.parametrize("seed", range(11))
def test_no_parameter_can_be_smaller(seed: int) -> None:
    _, fitted, _ = seeded(seed)
    machine = fitted.machine
    for name in SHRUNK:
        least = {"accumulator_bits": 4, "activation_words": 2, "parameter_words": 2, "fraction_bits": 0}.get(
            name, 1
        )
        if getattr(machine, name) > least and not (name == "weight_words" and machine.weight_stream_bytes):
            with pytest.raises(BcsimError):
                map_program(fitted.program, replace(machine, **{name: getattr(machine, name) - 1}))


@pytest.mark.parametrize(
    "field", ["chunks", "tiles", "drain_full", "write_base", "beats", "rows", "origin", "left"]
)
def test_a_program_that_a_field_cannot_hold_is_refused(field: str) -> None:
    rng = np.random.default_rng(3)
    machine = parse_machine("conv,lanes=4,pes=4,requantisers=2,digit=4")
    while True:
        fitted = map_fitted(random_conv_program(rng), machine)
        if fitted.machine.field_bits.get(field, 0) > 1:
            break
    with pytest.raises(BcsimError, match=r"is too large for the machine's records: "):
        map_program(fitted.program, narrower(fitted.machine, field))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "record_bits=chunks",
            "record_bits must be fields and their widths such as 'chunks:3 tiles:2', not 'chunks'",
        ),
        (
            "offset_bits=36",
            "offset_bits must be 0 or more than accumulator_bits and fraction_bits together (36), not 36",
        ),
        ("step_bits=46", "step_bits must be less than the remainder's 46 bits, not 46"),
    ],
)
def test_widths_that_no_machine_has_are_told(text: str, told: str) -> None:
    with pytest.raises(BcsimError) as error:
        parse_machine(f"tiny,{text}")
    assert str(error.value) == f"Machine parameter {told}"


def test_the_presets_keep_their_fingerprints() -> None:
    assert parse_machine("tiny").fingerprint == 0xF830392F


@pytest.mark.parametrize("seed", [9])
def test_hardware_of_narrow_fields_is_equal(seed: int) -> None:
    _hold_equal(seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 160))
def test_hardware_of_many_fitted_machines_is_equal(seed: int) -> None:
    _hold_equal(seed)


def _hold_equal(seed: int) -> None:
    _, fitted, generator = seeded(seed)
    q = random_images(generator, fitted.program, 3)
    pauses = random_pauses(generator, fitted, 3)
    assert verify(fitted, Stimulus("random values", q, pauses), simulator="icarus").difference is None
