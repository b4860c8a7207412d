"""The machine level against the program level, and its array against the words of docs/machine.md, bit by bit."""

import numpy as np
import pytest

from bcsim.compiler.mapping.mapping import map_program
from bcsim.execution.execute import execute
from bcsim.simulator.array import load_layer
from bcsim.simulator.pauses import Pauses
from bcsim.simulator.schedule import schedule_images
from bcsim.simulator.simulator import run_machine
from bcsim.simulator.utilisation import CAUSES
from tests.programs import random_images, random_machine, random_program

SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_equal_the_program_level(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program, machine = random_program(rng), random_machine(rng)
    q = random_images(rng, program, 5)
    run = run_machine(map_program(program, machine), q)
    expected = execute(program, q)
    np.testing.assert_array_equal(run.scores, expected.scores)
    np.testing.assert_array_equal(run.classes, expected.classes)


@pytest.mark.parametrize("seed", range(12))
def test_array_equals_lane_by_lane_matching(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program, machine = random_program(rng, largest=20, layers=1), random_machine(rng)
    mapping = map_program(program, machine)
    nest = mapping.nests[0]
    loaded = load_layer(mapping, mapping.layers[0])
    words = rng.integers(0, 1 << machine.digit, (1, nest.chunks * nest.digits, machine.lanes)).astype(
        np.uint8
    )
    accumulators = loaded.accumulate(words)[0]
    for tile in range(nest.tiles):
        for element in range(machine.pes):
            literal = _walk(mapping, words[0], tile, element)
            assert accumulators[tile * machine.pes + element] == literal


def _walk(mapping, words, tile, element):  # type: ignore[no-untyped-def]
    """One element's accumulator over one tile, step by step, pair by pair, from the image's bits."""
    machine, nest = mapping.machine, mapping.nests[0]
    ones = (1 << machine.digit) - 1
    accumulator = 0
    for plane in range(nest.planes):
        accumulator <<= (nest.doubles >> plane) & 1
        for chunk in range(nest.chunks):
            address = (tile * nest.planes + plane) * nest.chunks + chunk
            word = int.from_bytes(mapping.image.weights[address].tobytes(), "little")
            bits = word >> (element * machine.lanes)
            total = 0
            for digit in range(nest.digits):
                lanes = [int(v) for v in words[chunk * nest.digits + digit]]
                terms = 0
                for pair in range(machine.lanes // 2):
                    a, b = lanes[2 * pair], lanes[2 * pair + 1]
                    sign, differ = bits >> (2 * pair) & 1, bits >> (2 * pair + 1) & 1
                    x = a + (ones - b) if differ else a + b
                    terms += (2 * ones + 1) - x if sign else x
                total = (total << machine.digit) + terms
            accumulator += total
    return accumulator


@pytest.mark.parametrize("seed", range(30))
def test_causes_sum_to_the_cycles_whatever_the_streams_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program, machine = random_program(rng), random_machine(rng)
    mapping = map_program(program, machine)
    images = 4
    gaps = rng.integers(0, 4, images * mapping.beats).tolist()
    holds = rng.integers(0, 9, images * (program.classes + 1)).tolist()
    run = run_machine(mapping, random_images(rng, program, images), pauses=Pauses(gaps, holds))
    assert set(run.lane_cycles) == set(CAUSES)
    assert all(count >= 0 for count in run.lane_cycles.values())
    assert sum(run.lane_cycles.values()) == run.cycles * machine.slots
    assert sum(layer.cycles for layer in run.layers) == run.cycles
    useful = sum(
        layer.inputs * layer.outputs * len(layer.planes) * -(-layer.source.bits // machine.digit)
        for layer in program.layers
    )
    assert run.lane_cycles["busy"] == useful * images


def test_one_write_a_cycle_and_every_value_written_once() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        program, machine = random_program(rng), random_machine(rng)
        mapping = map_program(program, machine)
        run = run_machine(mapping, random_images(rng, program, 3), record=3)
        assert len(np.unique(run.writes.cycle)) == len(run.writes.cycle)
        hidden = sum(nest.rounds * nest.target_digits for nest in mapping.nests if not nest.scores)
        loads = mapping.nests[0].chunks * mapping.nests[0].digits
        assert len(run.writes.cycle) == 3 * (hidden + loads)
        assert len(run.outputs.cycle) == 3 * (program.classes + 1)
        np.testing.assert_array_equal(run.outputs.data[run.outputs.last], run.classes)


def test_schedules_shift_when_images_follow_each_other() -> None:
    rng = np.random.default_rng(1)
    program, machine = random_program(rng), random_machine(rng)
    mapping = map_program(program, machine)
    run = run_machine(mapping, random_images(rng, program, 8))
    ends = [schedule.end for schedule in run.schedules]
    assert ends[-1] - ends[-2] == run.per_image
    assert run.latency == ends[0] + 1


@pytest.mark.parametrize("seed", range(20))
def test_repeating_schedules_are_what_scheduling_each_image_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mapping = map_program(random_program(rng), random_machine(rng))
    images = 9
    ready = [0] * images * (mapping.beats + mapping.program.classes + 1)
    repeated = schedule_images(mapping, images)
    one_by_one = schedule_images(mapping, images, Pauses(ready, ready))
    for a, b in zip(repeated, one_by_one, strict=True):
        assert a.buffer == b.buffer
        assert a.image_times.repeats(b.image_times, b.delay - a.delay)


def test_wrong_shape_is_named() -> None:
    rng = np.random.default_rng(2)
    program = random_program(rng)
    mapping = map_program(program, random_machine(rng))
    with pytest.raises(ValueError, match=r"^Images must be of shape \(n, \d+\) with n > 0, not \(0, 3\)$"):
        run_machine(mapping, np.zeros((0, 3), np.uint8))
