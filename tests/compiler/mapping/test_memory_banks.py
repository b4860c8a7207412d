"""Two activation memories of one port: never read and written in one cycle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.hazards import hazard_cycles
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.machine.parameters import Machine
from bcsim.simulator.schedule import schedule_images
from bcsim.simulator.simulator import run_machine
from tests.conv_programs import random_conv_program
from tests.programs import random_images, random_program

MACHINE = Machine(
    lanes=4,
    pes=4,
    digit=2,
    requantisers=1,
    input_bytes=2,
    shift_planes=True,
    spatial=True,
    activation_words=4096,
    weight_words=32768,
    parameter_words=4096,
    activation_banks=2,
)
SEEDS = range(30)


def mapped(seed: int, machine: Machine = MACHINE) -> Mapping | None:
    """A random program on the machine; None where it reads both memories in one layer."""
    rng = np.random.default_rng(seed)
    program = random_conv_program(rng) if seed % 3 else random_program(rng)
    try:
        return map_program(program, machine)
    except BcsimError as error:
        if "both activation memories" not in str(error):
            raise
        return None


def collisions(mapping: Mapping, images: int = 3) -> int:
    """Cycles in which a memory is written while a layer that reads it is walked."""
    words, found, reads, writes = mapping.machine.bank_words, 0, [], []
    for image in schedule_images(mapping, images):
        writes += [(0, image.load_writes)]
        for layer, times, rounds in zip(mapping.layers, image.layers, image.round_writes, strict=True):
            reads.append((layer.read_bases[0] // words, times.first, int(times.last[-1])))
            if not layer.nest.scores:
                cycles = (rounds[..., None] + np.arange(layer.nest.target_digits)).ravel()
                writes.append((layer.write_base // words, cycles))
    for bank, first, last in reads:
        for written, cycles in writes:
            found += int(((cycles >= first) & (cycles <= last)).sum()) if bank == written else 0
    return found


def test_no_memory_is_written_while_it_is_read() -> None:
    mappings = [mapping for seed in SEEDS if (mapping := mapped(seed))]
    assert len(mappings) > 15
    assert not any(collisions(mapping) for mapping in mappings)


def test_with_the_waits_of_one_memory_some_would_be() -> None:
    one = replace(MACHINE, activation_banks=1)
    found = 0
    for mapping in filter(None, map(mapped, SEEDS)):
        layers = tuple(
            replace(layer, wait=hazard_cycles(layer.nest, sources, mapping.nests[:number], one))
            for number, (layer, sources) in enumerate(zip(mapping.layers, mapping.sources, strict=True))
        )
        found += collisions(replace(mapping, layers=layers)) > 0
    assert found > 5


def test_the_scores_are_those_of_one_memory() -> None:
    for seed in SEEDS[:9]:
        if mapping := mapped(seed):
            q = random_images(np.random.default_rng(seed), mapping.program, 2)
            one = map_program(mapping.program, replace(MACHINE, activation_banks=1))
            assert np.array_equal(run_machine(mapping, q).scores, run_machine(one, q).scores)


def test_words_are_a_power_of_two() -> None:
    with pytest.raises(BcsimError, match="activation_words must be a power of two"):
        replace(MACHINE, activation_words=96)


def test_a_memory_too_small_is_told_with_the_power_of_two_that_would_do() -> None:
    program = random_conv_program(np.random.default_rng(1))
    with pytest.raises(BcsimError, match=r"activation_words of at least (64|128|256|512|1024|2048), not 2"):
        map_program(program, replace(MACHINE, activation_words=2))
