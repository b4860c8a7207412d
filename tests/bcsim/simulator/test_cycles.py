"""Cycles from the schedule alone, held to the simulator's count on random programs and machines."""

from dataclasses import replace

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.fitted_machine import map_fitted
from bcsim.compiler.program.layers import Program
from bcsim.machine.parameters import Machine
from bcsim.simulator.cycles import scheduled_cycles
from bcsim.simulator.simulator import run_machine
from tests.conv_programs import random_conv_program
from tests.programs import random_images, random_program

PAIRS, SOAKED = 200, 10_000


def random_pair(seed: int) -> tuple[Program, Machine, np.random.Generator]:
    """A random program, and a random machine of those that `map_fitted` fits to it; some stream their weights."""
    rng = np.random.default_rng(seed)
    program = (random_program if rng.random() < 0.3 else random_conv_program)(rng)
    requantisers = int(rng.choice([1, 2, 3, 4]))
    lanes = 2 * requantisers * int(rng.integers(1, 5))
    machine = Machine(
        lanes=lanes,
        pes=lanes * int(rng.integers(1, 3)) if rng.random() < 0.5 else requantisers * int(rng.integers(1, 9)),
        digit=int(rng.choice([1, 2, 4, 8])),
        requantisers=requantisers,
        input_buffers=int(rng.integers(1, 3)),
        input_bytes=int(rng.choice([1, 2])),
    )
    if rng.random() < 0.3 and machine.pes % machine.lanes == 0:
        memory = {
            "weight_stream_latency": int(rng.integers(0, 20)),
            "weight_stream_interval": int(rng.integers(1, 4)),
        }
        machine = replace(machine, weight_words=int(rng.integers(20, 300)), weight_stream_bytes=2, **memory)
    if rng.random() < 0.4 and machine.pes % machine.lanes == 0:
        machine = replace(machine, spatial=True, reuse=int(rng.choice([2, 4, 8])))
    return program, machine, rng


def difference(seed: int) -> bool:
    """Whether the simulator counts other cycles."""
    program, machine, rng = random_pair(seed)
    try:
        mapping = map_fitted(program, machine)
    except BcsimError:
        return False
    run = run_machine(mapping, random_images(rng, program, 2))
    found = scheduled_cycles(program, machine)
    return (found.per_image, found.latency) != (run.per_image, run.latency)


def test_cycles_are_the_simulators() -> None:
    assert [seed for seed in range(PAIRS) if difference(seed)] == []


@pytest.mark.soak
def test_cycles_of_many_pairs_are_the_simulators() -> None:
    assert [seed for seed in range(SOAKED) if difference(seed)] == []
