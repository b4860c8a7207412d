"""Cycles from the schedule alone, held to the simulator's count on random programs and machines."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.fitted_machine import map_fitted
from bcsim.compiler.program.layers import Program
from bcsim.machine.parameters import Machine
from bcsim.simulator.cycles import least_cycles, scheduled_cycles
from bcsim.simulator.simulator import run_machine
from tests.conv_programs import random_conv_program
from tests.programs import random_images, random_program

PAIRS = 200
SOAKED = int(os.environ.get("BCSIM_SOAK", "10000"))
FIRST = int(os.environ.get("BCSIM_SEED", "0"))


def random_pair(seed: int) -> tuple[Program, Machine, np.random.Generator]:
    """A random program, and a random machine of those that `map_fitted` fits to it.

    Some stream their weights, use them again or for several images, drain two sums at once, have two activation
    memories or pipeline registers, or divide in two cycles a bit.
    """
    rng = np.random.default_rng(seed)
    program = (random_program if rng.random() < 0.4 else random_conv_program)(rng)
    requantisers = int(rng.choice([1, 2, 3, 4]))
    lanes = 2 * requantisers * int(rng.integers(1, 5))
    machine = Machine(
        lanes=lanes,
        pes=lanes * int(rng.integers(1, 3)) if rng.random() < 0.5 else requantisers * int(rng.integers(1, 9)),
        digit=int(rng.choice([1, 2, 4, 8])),
        requantisers=requantisers,
        input_buffers=int(rng.integers(1, 3)),
        input_bytes=int(rng.choice([1, 2])),
        divide_cycles=int(rng.choice([1, 2])),
        activation_banks=int(rng.choice([1, 1, 2])),
    )
    if rng.random() < 0.3 and machine.pes % machine.lanes == 0:
        memory = {
            "weight_stream_latency": int(rng.integers(0, 20)),
            "weight_stream_interval": int(rng.integers(1, 4)),
        }
        machine = replace(machine, weight_words=int(rng.integers(20, 300)), weight_stream_bytes=2, **memory)
    if rng.random() < 0.4 and machine.pes % machine.lanes == 0:
        machine = replace(machine, spatial=True, reuse=int(rng.choice([2, 4, 8])))
        machine = replace(machine, **shared_weights(rng, machine.reuse))
    if rng.random() < 0.4:
        machine = replace(machine, pipeline_registers=int(rng.integers(1, 5)))
    return program, machine, rng


def shared_weights(rng: np.random.Generator, reuse: int) -> dict[str, int]:
    """Several images at once, two drains, both or neither."""
    batch = 1 << int(rng.integers(1, reuse.bit_length()))
    return [{"batch": batch}, {"batch": batch, "drains": 2}, {"drains": 2}, {}][int(rng.integers(4))]


KINDS = (
    *("reuse", "drains", "batch", "activation_banks", "divide_cycles", "pipeline_registers"),
    "weight_stream_bytes",
)
"""Parameters whose pairs are counted: those in which one is more than its least value."""


def compared(start: int) -> Iterator[tuple[int, Machine, bool]]:
    """Seeds from `start` on whose machine takes the network, that machine, and whether the simulator counts others."""
    for seed in count(start):
        program, machine, rng = random_pair(seed)
        try:
            mapping = map_fitted(program, machine)
        except BcsimError:
            continue
        run = run_machine(mapping, random_images(rng, program, 2 * mapping.images))
        found = scheduled_cycles(program, machine)
        assert 0 < least_cycles(found.placement) <= found.per_image
        different = (found.per_image, found.latency) != (run.per_image, run.latency)
        yield seed, replace(mapping.machine, batch=mapping.images), different


def compare(pairs: int, start: int) -> Counter[str]:
    """How many of so many pairs have each of KINDS; fails with the seeds of those that differ."""
    kinds, wrong = Counter[str](), []
    for (seed, machine, different), _ in zip(compared(start), range(pairs), strict=False):
        kinds.update(kind for kind in KINDS if getattr(machine, kind) > getattr(Machine(), kind))
        wrong += [seed] * different
    assert wrong == []
    return kinds


def test_cycles_are_the_simulators() -> None:
    kinds = compare(PAIRS, FIRST)
    assert all(kinds[kind] > 5 for kind in KINDS)


def test_a_fitted_machine_streams_no_other_layers() -> None:
    """Of 57 weight words this network uses 49; with 49 other layers would stream, in 903 cycles for 640."""
    compare(1, 500145)


@pytest.mark.soak
def test_cycles_of_many_pairs_are_the_simulators() -> None:
    """BCSIM_SOAK pairs from the seed BCSIM_SEED on; -s prints how many had what."""
    print(dict(compare(SOAKED, FIRST)))
