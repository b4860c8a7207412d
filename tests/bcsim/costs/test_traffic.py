"""Memory traffic against the machine level's own list of writes."""

from dataclasses import replace

import numpy as np
import pytest

from bcsim.compiler.mapping.mapping import map_program
from bcsim.costs.traffic import memory_traffic
from bcsim.simulator.simulator import run_machine
from tests.conv_programs import random_conv_program
from tests.programs import random_images, random_machine, random_program


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_writes_are_those_of_the_run(seed: int, spatial: bool) -> None:
    rng = np.random.default_rng(seed)
    program = random_conv_program(rng) if spatial else random_program(rng)
    machine = replace(random_machine(rng), spatial=spatial, activation_words=16384)
    mapping = map_program(program, machine)
    run = run_machine(mapping, random_images(rng, program, 1), record=1)
    traffic = memory_traffic(mapping)["activation"]
    assert traffic.words_written == len(run.writes.cycle)
    group_bits = machine.requantisers * machine.digit
    assert traffic.bits_written == int(run.writes.mask.sum()) * group_bits
    if not spatial:
        assert traffic.words_read == sum(nest.tiles * nest.steps_per_tile for nest in mapping.nests)


def test_weights_are_read_once_an_image() -> None:
    rng = np.random.default_rng(3)
    mapping = map_program(random_program(rng), random_machine(rng))
    weight = memory_traffic(mapping)["weight"]
    assert weight.words_read == len(mapping.image.weights)
    assert weight.bits_read == weight.words_read * mapping.machine.slots
