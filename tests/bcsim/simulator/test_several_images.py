"""Several images at once: the results of one by one, a share of the weight reads, and what a filled up batch tells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.fitted_machine import map_fitted
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.program.layers import Program
from bcsim.costs.counts import count_mapping
from bcsim.costs.float_counts import INT8, count_macs
from bcsim.execution.execute import execute
from bcsim.machine.parameters import Machine
from bcsim.simulator.cycles import scheduled_cycles
from bcsim.simulator.pauses import random_pauses
from bcsim.simulator.schedule import schedule_images
from bcsim.simulator.simulator import run_machine
from bcsim.simulator.trace import trace_events
from tests.conv_programs import random_conv_program
from tests.programs import random_images, random_machine, random_program
from tests.streaming import squeezed


def random_batch(seed: int) -> tuple[np.random.Generator, Program, Machine]:
    """A dense program, and a machine that takes 2, 4 or 8 images at once; of some machines weights stream."""
    rng = np.random.default_rng(seed)
    program, machine = random_program(rng), random_machine(rng)
    batch = int(rng.choice([2, 4, 8]))
    pes = machine.lanes * int(rng.integers(1, 3))
    machine = replace(machine, spatial=True, activation_words=16384, pes=pes, reuse=8, batch=batch)
    if seed % 3 == 0:
        machine = replace(machine, weight_stream_bytes=2, weight_words=int(rng.integers(40, 200)))
    return rng, program, machine


@pytest.mark.parametrize("seed", range(12))
def test_scores_are_the_programs_whatever_fills_the_last_batch(seed: int) -> None:
    rng, program, machine = random_batch(seed)
    mapping = map_program(program, machine)
    images = int(rng.integers(1, 3 * machine.batch))
    q = random_images(rng, program, images)
    run = run_machine(mapping, q, record=images, pauses=random_pauses(rng, mapping, images))
    expected = execute(program, q)
    np.testing.assert_array_equal(run.scores, expected.scores)
    np.testing.assert_array_equal(run.classes, expected.classes)
    batches = -(-images // machine.batch)
    assert len(run.schedules) == batches
    words = run.outputs.data.reshape(batches * machine.batch, -1)
    np.testing.assert_array_equal(words[:images, :-1], expected.scores)
    np.testing.assert_array_equal(words[:images, -1], expected.classes)
    assert run.outputs.last.sum() == batches * machine.batch
    assert (np.diff(run.outputs.cycle) > 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_reads_weights_once_and_does_everything_else_for_every_image(seed: int) -> None:
    _, program, machine = random_batch(seed)
    machine = replace(machine, weight_stream_bytes=0, weight_words=65536)
    batch, single = (map_program(program, replace(machine, batch=b)) for b in (machine.batch, 1))
    together, alone = count_mapping(batch), count_mapping(single)
    assert together.operations == alone.operations
    assert together.stream_bits == alone.stream_bits
    assert together.memory["weight"].words_read * machine.batch == alone.memory["weight"].words_read
    for name in ("activation", "parameter", "output", "accumulator"):
        assert together.memory[name].bits_read == alone.memory[name].bits_read
        assert together.memory[name].bits_written == alone.memory[name].bits_written
    reads = [count_macs(mapping, INT8).memory["weight"].words_read for mapping in (batch, single)]
    assert reads[0] * machine.batch == reads[1]


def test_streamed_weights_are_shared_too() -> None:
    rng, program, machine = random_batch(6)
    squeeze = squeezed(rng, program, machine)
    assert squeeze is not None
    machine = squeeze.machine
    mappings = [map_program(program, replace(machine, batch=b)) for b in (machine.batch, 1)]
    words = sum(nest.streamed_words for nest in mappings[0].nests)
    assert words == sum(nest.streamed_words for nest in mappings[1].nests) > 0
    together, alone = (count_mapping(mapping).stream_bits for mapping in mappings)
    saved = words * machine.weight_beats * machine.weight_stream_bytes * 8
    assert alone - together == saved - saved / machine.batch


@pytest.mark.parametrize("seed", [1, 2, 4, 5])
def test_cycles_are_shares_of_a_batch_and_latency_is_the_first_images(seed: int) -> None:
    rng, program, machine = random_batch(seed)
    mapping = map_fitted(program, machine)
    run = run_machine(mapping, random_images(rng, program, 1))
    schedules = schedule_images(mapping, 8)
    assert run.per_image * machine.batch == schedules[-1].end - schedules[-2].end
    assert sum(run.steady.values()) == run.per_image * machine.slots
    assert run.latency == schedules[0].scores[program.classes] + 1
    assert run.cycles == schedules[0].end + 1
    found = scheduled_cycles(program, machine)
    assert (found.per_image, found.latency) == (run.per_image, run.latency)


def test_a_trace_numbers_the_images_of_a_batch() -> None:
    rng, program, machine = random_batch(4)
    mapping = map_program(program, machine)
    run = run_machine(mapping, random_images(rng, program, machine.batch + 1), record=machine.batch + 1)
    words = [event for event in trace_events(run, machine.batch + 1) if event["name"].startswith("word ")]
    images = 2 * machine.batch
    assert [event["args"]["image"] for event in words] == [
        n for n in range(images) for _ in range(mapping.beats)
    ]


def mapped_conv(seed: int, batch: int) -> Mapping:
    rng = np.random.default_rng(seed)
    program, machine = random_conv_program(rng), random_machine(rng)
    machine = replace(machine, spatial=True, activation_words=16384, pes=machine.lanes, reuse=4, batch=batch)
    return map_program(program, machine)


def test_a_network_with_windows_goes_image_by_image() -> None:
    several, one = mapped_conv(7, 4), mapped_conv(7, 1)
    assert several.images == 1
    q = random_images(np.random.default_rng(0), several.program, 3)
    runs = [run_machine(mapping, q) for mapping in (several, one)]
    np.testing.assert_array_equal(runs[0].scores, runs[1].scores)
    assert (runs[0].cycles, runs[0].per_image) == (runs[1].cycles, runs[1].per_image)
    assert count_mapping(several).memory["weight"] == count_mapping(one).memory["weight"]


def test_the_activation_memory_must_hold_every_image() -> None:
    _, program, machine = random_batch(1)
    one = map_program(program, replace(machine, batch=1))
    needed = machine.batch * one.activation_words
    assert map_program(program, machine).activation_words == needed
    with pytest.raises(BcsimError, match=f"activation_words of at least {needed}, not {needed - 1}"):
        map_program(program, replace(machine, activation_words=needed - 1))
