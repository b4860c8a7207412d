"""Counts against the sum of what a machine does, step by step, and against small cases done by hand."""

import numpy as np
import pytest

from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.costs.counts import Action, NetworkCounts, count_mapping
from bcsim.costs.float_counts import FLOAT32, INT8, Arithmetic, count_macs
from bcsim.costs.traffic import memory_traffic
from bcsim.machine.parameters import Machine
from tests.programs import random_machine, random_program

SEEDS = range(12)


def random_mapping(seed: int) -> Mapping:
    rng = np.random.default_rng(seed)
    return map_program(random_program(rng), random_machine(rng))


def count_of(counts: NetworkCounts, part: str, bits: int) -> int:
    return sum(a.count for a in counts.actions if a.part == part and a.bits == bits)


def tree_by_simulation(pairs: int, digit: int) -> dict[int, int]:
    """Adders by width of one element's tree, by pairing up its operands until one is left."""
    widths, adders = [digit + 1] * pairs, {}
    while len(widths) > 1:
        paired = [max(pair) for pair in zip(widths[::2], widths[1::2], strict=False)]
        for width in paired:
            adders[width] = adders.get(width, 0) + 1
        widths = [max(widths) + 1] * (len(widths) - len(paired))
    return adders


@pytest.mark.parametrize("seed", SEEDS)
def test_accumulations_are_the_weights(seed: int) -> None:
    mapping = random_mapping(seed)
    operations = count_mapping(mapping).operations
    weights = sum(plane.signs(n.layer.inputs).size for n in mapping.nests for plane in n.layer.planes)
    assert operations["accumulate"] == weights
    assert operations["multiply"] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_tree_adders_are_those_of_every_step(seed: int) -> None:
    mapping = random_mapping(seed)
    machine, counts = mapping.machine, count_mapping(mapping)
    steps = sum(nest.tiles * nest.steps_per_tile for nest in mapping.nests)
    for width, adders in tree_by_simulation(machine.lanes // 2, machine.digit).items():
        found = sum(
            a.count
            for layer in counts.layers
            for a in layer.actions
            if (a.part, a.kind, a.bits) == ("adders", "adder", width)
        )
        others = _other_adders(mapping, width)
        assert found == adders * machine.pes * steps + others


def _other_adders(mapping: Mapping, width: int) -> int:
    """Adders of Horner's stage and of the accumulators that happen to be `width` wide."""
    machine = mapping.machine
    horner = machine.activation_bits + 1 + (machine.lanes // 2 - 1).bit_length()
    found = 0
    for nest in mapping.nests:
        if machine.activation_bits > machine.digit and width == horner:
            found += machine.pes * nest.tiles * nest.steps_per_tile
        if width == machine.accumulator_bits:
            found += machine.pes * nest.weight_words
    return found


def test_one_step_by_hand() -> None:
    """4 lanes x 2 elements, 8-bit digits, one step: 2 pairs, one tree level, no Horner stage."""
    machine = Machine(
        lanes=4, pes=2, digit=8, requantisers=2, input_bytes=4, accumulator_bits=12, fraction_bits=8
    )
    rng = np.random.default_rng(0)
    program = random_program(rng, largest=4, layers=1)
    while program.inputs != 4 or program.classes != 2 or len(program.layers[0].planes) != 1:
        program = random_program(rng, largest=4, layers=1)
    counts = count_mapping(map_program(program, machine))
    adders = [a for a in counts.actions if a.part == "adders"]
    assert adders == [
        Action("adders", "adder", 8, 4),
        Action("adders", "adder", 9, 2),
        Action("adders", "adder", 12, 2),
    ]
    assert [a for a in counts.actions if a.part == "select"] == [Action("select", "bitwise", 9, 8)]
    assert counts.operations["accumulate"] == counts.operations["lane_match"] == 8
    assert counts.stream_bits == 4 * 8 + 3 * 32


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
