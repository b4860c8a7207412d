"""Streamed weights on the machine level: the same scores, arrivals word by word, stalls that simple bounds give."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.mapping.weight_streaming import SLOTS
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import Encoding, InputCoding, Program
from bcsim.costs.counts import count_mapping
from bcsim.costs.energy import energy_of, load_table
from bcsim.execution.execute import execute
from bcsim.machine.latency import WEIGHT_START, WEIGHTS_TO_STEP
from bcsim.machine.parameters import Machine
from bcsim.simulator.image_times import ImageSchedule
from bcsim.simulator.pauses import Pauses
from bcsim.simulator.schedule import schedule_images
from bcsim.simulator.simulator import run_machine
from bcsim.simulator.utilisation import steady_lane_cycles
from bcsim.simulator.weight_stream import memory_gaps, stream_beats
from tests.conv_programs import conv_layer
from tests.programs import random_images
from tests.streaming import random_gaps, streamed_network, weight_words

IMAGES = 4


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_scores_arrivals_and_causes_under_a_throttled_stream(seed: int, spatial: bool) -> None:
    mapping = streamed_network(seed, spatial=spatial)
    rng = np.random.default_rng(seed)
    q = random_images(rng, mapping.program, IMAGES)
    gaps = random_gaps(rng, weight_words(mapping, IMAGES), 12).tolist()
    run = run_machine(mapping, q, record=IMAGES, pauses=Pauses(weight_gaps=gaps))
    np.testing.assert_array_equal(run.scores, execute(mapping.program, q).scores)
    assert sum(run.lane_cycles.values()) == run.cycles * mapping.machine.slots
    assert len(np.unique(run.writes.cycle)) == len(run.writes.cycle)
    _check_arrivals(mapping, run.schedules, gaps)


def _check_arrivals(mapping: Mapping, schedules: Sequence[ImageSchedule], gaps: list[int]) -> None:
    """Word by word: accepted while a slot is free, and no tile's first pass is done before its words were there."""
    waits, released = iter(gaps), list[int]()
    clock = WEIGHT_START
    for schedule in schedules:
        for nest, layer in zip(mapping.nests, schedule.layers, strict=True):
            ends = layer.last.reshape(nest.tiles, nest.results) if nest.streamed else layer.last[:0]
            for tile, passes in enumerate(ends.tolist()):
                ready = released[-SLOTS] + 1 if len(released) >= SLOTS else 0
                # The loader changes records behind a layer's last word.
                ready = max(ready, clock + 1 if tile == 0 and released else 0)
                for _ in range(nest.tile_words * mapping.machine.weight_beats):
                    clock = max(clock + next(waits), ready) + 1
                assert layer.arrived[tile] == clock - 1
                assert passes[0] - nest.steps_per_tile + 1 >= clock - 1 + WEIGHTS_TO_STEP
                released.append(passes[-1])


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_repeating_schedules_are_what_scheduling_each_image_gives(seed: int, spatial: bool) -> None:
    mapping = streamed_network(seed, spatial=spatial)
    images = 12
    repeated = schedule_images(mapping, images)
    memory = Pauses(weight_gaps=memory_gaps(mapping, images).tolist())
    one_by_one = schedule_images(mapping, images, memory)
    for a, b in zip(repeated, one_by_one, strict=True):
        assert a.image_times.repeats(b.image_times, b.delay - a.delay)
    assert repeated[-1].end - repeated[-2].end == steady_lane_cycles(mapping)[1]


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_images_follow_at_the_speed_of_a_stream_slower_than_the_machine(seed: int, spatial: bool) -> None:
    latency, interval = 50_000, 3
    fast = streamed_network(seed, spatial=spatial)
    assert steady_lane_cycles(fast)[1] < latency
    machine = replace(fast.machine, weight_stream_latency=latency, weight_stream_interval=interval)
    tiles = [beats for layer in stream_beats(fast) for beats in layer]
    mapping = map_program(fast.program, machine)
    assert steady_lane_cycles(mapping)[1] == sum(tiles) * interval + len(tiles) * latency


def _two_convolutions() -> Program:
    """One of 36 positions and five tiles of nine words on four lanes and elements, and one that runs for longer."""
    rng, encoding = np.random.default_rng(3), Encoding(8, Fraction(1), Fraction(0))
    first = conv_layer(rng, Geometry(8, 8, (4,), (3, 3)), 20, encoding, 8, "first", ("",))
    second = conv_layer(rng, Geometry(6, 6, (20,), (3, 3)), 20, encoding, 8, "second", ("first",))
    scores = conv_layer(rng, Geometry(4, 4, (20,), (4, 4)), 4, encoding, 16, "scores", ("second",))
    layers = tuple(replace(layer, planes=layer.planes[-1:]) for layer in (first, second, scores))
    return Program("two", InputCoding(encoding, encoding), (4, 8, 8), layers)


TWO = Machine(
    lanes=4,
    pes=4,
    digit=4,
    requantisers=4,
    input_bytes=4,
    accumulator_bits=24,
    spatial=True,
    shift_planes=True,
    weight_stream_bytes=1,
    activation_words=2048,
    parameter_words=4096,
)


@pytest.mark.parametrize("interval", [1, 20, 35, 38, 40, 57])
def test_stalls_are_what_the_tiles_computation_does_not_hide(interval: int) -> None:
    program = _two_convolutions()
    resident = map_program(program, TWO)
    words = sum(nest.weight_words for nest in resident.nests) - 1
    mapping = map_program(program, replace(TWO, weight_words=words, weight_stream_interval=interval))
    first, *others = mapping.nests
    assert [first.streamed, *(nest.streamed for nest in others)] == [True, False, False]
    assert (first.tiles, first.tile_words, first.results) == (5, 9, 36)
    computing = first.results * first.steps_per_tile
    assert computing > first.results * first.drain_full
    beats = first.tile_words * mapping.machine.weight_beats
    # Two tiles are fetched behind the last image's; the third while the first is computed, from its slot's release
    # on; then the stream is behind, and never waits.
    third = max(0, (beats - 1) * interval + WEIGHTS_TO_STEP - computing)
    later = max(0, beats * interval - computing)
    steady, _ = steady_lane_cycles(mapping)
    assert steady["weight_load"] == (third + (first.tiles - 3) * later) * mapping.machine.slots
    assert steady["busy"] == steady_lane_cycles(resident)[0]["busy"]


def test_streamed_bits_are_written_on_the_chip_and_come_from_dram() -> None:
    program = _two_convolutions()
    resident = map_program(program, TWO)
    words = sum(nest.weight_words for nest in resident.nests) - 1
    mapping = map_program(program, replace(TWO, weight_words=words))
    more, less = count_mapping(mapping), count_mapping(resident)
    streamed = 45 * TWO.slots
    assert more.stream_bits - less.stream_bits == streamed
    assert more.memory["weight"].bits_written == streamed
    assert less.memory["weight"].bits_written == 0
    table = load_table("horowitz-45nm")
    difference = energy_of(more, table).io - energy_of(less, table).io
    assert difference == pytest.approx(streamed / 64 * 1300)
