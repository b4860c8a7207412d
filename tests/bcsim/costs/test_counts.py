"""Counts of random networks against their weights, the machine level and sums in another order."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.costs.at_work import times_at_work
from bcsim.costs.counts import count_mapping
from bcsim.costs.float_counts import FLOAT32, INT8, Arithmetic, count_macs
from bcsim.costs.structure import machine_units
from bcsim.costs.traffic import memory_traffic
from bcsim.costs.units import When
from bcsim.machine.parameters import Machine
from bcsim.simulator.array import load_layer
from tests.conv_programs import random_conv_program
from tests.programs import random_machine, random_program

SEEDS = range(12)


def spatial_machine(rng: np.random.Generator) -> Machine:
    return replace(random_machine(rng), spatial=True, activation_words=16384)


def random_mapping(seed: int) -> Mapping:
    rng = np.random.default_rng(seed)
    return map_program(random_program(rng), random_machine(rng))


@pytest.mark.parametrize("seed", SEEDS)
def test_accumulations_are_the_weights(seed: int) -> None:
    mapping = random_mapping(seed)
    operations = count_mapping(mapping).operations
    weights = sum(plane.signs(n.layer.inputs).size for n in mapping.nests for plane in n.layer.planes)
    assert operations["accumulate"] == weights
    assert operations["multiply"] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_actions_are_the_structure_at_work(seed: int) -> None:
    """Bits at work by kind, added up unit by unit and layer by layer in another order."""
    mapping = random_mapping(seed)
    bits: Counter[str] = Counter()
    for unit in machine_units(mapping.machine):
        times = sum(times_at_work(nest)[unit.when] for nest in mapping.nests)
        bits[unit.kind] += unit.bits * unit.number * times
    assert count_mapping(mapping).bits == +bits


@pytest.mark.parametrize("seed", SEEDS)
def test_reading_steps_are_those_inside(seed: int) -> None:
    """Against the machine level's own list of words that lie outside of their tensor."""
    rng = np.random.default_rng(seed)
    mapping = map_program(random_conv_program(rng), spatial_machine(rng))
    for placed in mapping.layers:
        nest, padding = placed.nest, load_layer(mapping, placed).padding
        inside = ~padding.reshape(len(padding), nest.taps, -1)[:, :, 0]
        steps_of_tap = nest.tiles * nest.planes * nest.chunks * nest.digits
        assert times_at_work(nest)[When.READ] == inside.sum() * steps_of_tap


@pytest.mark.parametrize("seed", SEEDS)
def test_memory_of_the_layers_is_that_of_the_mapping(seed: int) -> None:
    mapping = random_mapping(seed)
    assert count_mapping(mapping).memory == memory_traffic(mapping)


@pytest.mark.parametrize("arithmetic", [FLOAT32, INT8])
@pytest.mark.parametrize("seed", SEEDS)
def test_reference_multiplies_once_a_weight_and_an_output(seed: int, arithmetic: Arithmetic) -> None:
    mapping = random_mapping(seed)
    operations = count_macs(mapping, arithmetic).operations
    layers = [nest.layer for nest in mapping.nests]
    assert operations["mac"] == sum(layer.inputs * layer.outputs for layer in layers)
    assert operations["multiply"] == operations["mac"] + sum(layer.outputs for layer in layers)


@pytest.mark.parametrize("seed", SEEDS)
def test_reference_memories_are_wider_by_the_width_of_a_value(seed: int) -> None:
    mapping = random_mapping(seed)
    wide, narrow = (count_macs(mapping, arithmetic).memory for arithmetic in (FLOAT32, INT8))
    for memory in ("activation", "weight", "parameter"):
        assert wide[memory].bits_read == 4 * narrow[memory].bits_read
        assert wide[memory].size_bits == 4 * narrow[memory].size_bits
    single = sum(nest.weight_words // nest.planes for nest in mapping.nests)
    assert narrow["weight"].bits_read == 8 * single * mapping.machine.slots
