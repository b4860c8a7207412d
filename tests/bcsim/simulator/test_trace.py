"""The trace against the run it shows, event by event, and against the records that the hardware walks."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bcsim.compiler.mapping.hazards import writing_passes
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.machine.latency import WEIGHTS_TO_STEP, shadow_latency
from bcsim.machine.records import issue_fields, unpack
from bcsim.rtl.sequencer.window_walk import window_reads
from bcsim.simulator.pauses import Pauses
from bcsim.simulator.simulator import MachineRun, run_machine
from bcsim.simulator.trace import TRACKS, trace_events, write_trace
from tests.conv_programs import random_conv_program
from tests.programs import random_images, random_machine, random_program, random_spatial_machine
from tests.streaming import random_gaps, streamed_network, weight_words

Event = dict[str, Any]


def run_of(seed: int, *, spatial: bool, images: int = 2) -> MachineRun:
    rng = np.random.default_rng(seed)
    program = random_conv_program(rng, layers=3, largest=6) if spatial else random_program(rng)
    machine = replace(random_machine(rng), spatial=spatial)
    return run_machine(map_program(program, machine), random_images(rng, program, images), record=images)


def reusing_run(seed: int) -> MachineRun:
    """A convolutional network on a machine that takes every weight word for up to 2, 4 or 8 positions."""
    rng = np.random.default_rng(seed)
    while (machine := random_spatial_machine(rng)).reuse == 1:
        pass
    program = random_conv_program(rng, layers=3, largest=6)
    return run_machine(map_program(program, machine), random_images(rng, program, 2), record=2)


def streamed_run(seed: int, *, spatial: bool) -> MachineRun:
    mapping = streamed_network(seed, spatial=spatial)
    rng = np.random.default_rng(seed)
    gaps = random_gaps(rng, weight_words(mapping, 2), 20).tolist()
    return run_machine(
        mapping, random_images(rng, mapping.program, 2), record=2, pauses=Pauses(weight_gaps=gaps)
    )


RUNS = [
    *(pytest.param(lambda seed=seed: run_of(seed, spatial=False), id=f"dense{seed}") for seed in range(5, 9)),
    *(
        pytest.param(lambda seed=seed: run_of(seed, spatial=True), id=f"conv{seed}")
        for seed in (*range(20, 30), 149, 210)
    ),
    *(pytest.param(lambda seed=seed: reusing_run(seed), id=f"reuse{seed}") for seed in range(8)),
    pytest.param(lambda: streamed_run(4, spatial=False), id="streamed"),
    pytest.param(lambda: streamed_run(4, spatial=True), id="streamed-conv"),
]


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> MachineRun:
    made: MachineRun = request.param()
    return made


def on_track(run: MachineRun, name: str) -> list[Event]:
    events = trace_events(run, len(run.classes))
    return [event for event in events if event["ph"] == "X" and event["tid"] == TRACKS.index(name)]


def activations(text: str) -> Iterator[int | None]:
    """The words of a run of steps one by one, None for padding."""
    for part in text.split(","):
        if part.startswith("pad "):
            yield from [None] * int(part[4:])
        else:
            first, _, last = part.partition("-")
            yield from range(int(first), int(last or first) + 1)


def steps_of(run: MachineRun) -> list[tuple[int, int | None, int]]:
    """(cycle, activation word or None for padding, weight word) of every step in the trace."""
    steps = []
    for event in on_track(run, "array"):
        read = list(activations(event["args"]["activation"]))
        assert len(read) == event["dur"]
        first, last = map(int, event["args"]["weight"].split("-"))
        of_word = event["args"]["digits"] * event["args"].get("positions", 1)
        words = [first + step // of_word for step in range(len(read))]
        assert words[-1] == last
        steps += [(event["ts"] + step, *pair) for step, pair in enumerate(zip(read, words, strict=True))]
    return steps


def walked(mapping: Mapping, image: int, buffer: int) -> Iterator[tuple[int | None, int]]:
    """What the issue walker reads for an image, from the records in its memory."""
    for layer, word in zip(mapping.layers, mapping.image.issue, strict=True):
        nest = layer.nest
        record = unpack(issue_fields(mapping.machine), word)
        base = record["read_base_odd"] if layer.first and buffer else record["read_base"]
        if mapping.machine.spatial:
            reads = [None if outside else at for at, outside, _ in window_reads(record, base)]
        else:
            words = nest.chunks * nest.digits
            reads = [base + step % words for step in range(nest.steps)]
        assert len(reads) == nest.steps
        steps = iter(reads)
        for number, positions in enumerate(nest.pass_positions.tolist()):
            first = layer.first_weight + nest.tile_of(number) * nest.tile_words
            for word in range(first, first + nest.tile_words):
                yield from ((next(steps), word) for _ in range(positions * nest.digits))


def test_every_step_reads_what_the_walker_reads(run: MachineRun) -> None:
    steps = steps_of(run)
    wanted = [
        read for index, image in enumerate(run.schedules) for read in walked(run.mapping, index, image.buffer)
    ]
    assert [step[1:] for step in steps] == wanted
    cycles = [step[0] for step in steps]
    assert all(earlier < later for earlier, later in pairwise(cycles))
    lasts = {cycle for image in run.schedules for layer in image.layers for cycle in layer.last.tolist()}
    assert lasts <= set(cycles)


def test_every_cycle_is_a_step_or_a_stall_with_its_cause(run: MachineRun) -> None:
    steps = {step[0] for step in steps_of(run)}
    stalls = on_track(run, "array stalls")
    idle = [cycle for event in stalls for cycle in range(event["ts"], event["ts"] + event["dur"])]
    assert len(idle) == len(set(idle))
    assert steps.isdisjoint(idle)
    assert steps | set(idle) == set(range(run.schedules[-1].last_step + 1))
    causes: Counter[str] = Counter()
    for event in stalls:
        causes[event["name"].replace(" ", "_")] += event["dur"]
    told = [layer.stalls for image in run.schedules for layer in image.image_times.layers]
    for cause in ("fill", "drain", "input", "output", "weight_load"):
        assert causes[cause] == sum(getattr(stalls, cause) for stalls in told)


def test_every_round_is_there_and_the_written_ones_are_the_simulators(run: MachineRun) -> None:
    events = on_track(run, "requantisers")
    for event in events:
        rounds = int(event["name"].split()[0])
        assert event["dur"] == rounds * event["args"]["round_cycles"]
    assert all(a["ts"] + a["dur"] <= b["ts"] for a, b in pairwise(events))
    told = sum(layer.nest.round_count for layer in run.mapping.layers)
    assert sum(int(event["name"].split()[0]) for event in events) == told * len(run.classes)
    place = 0
    for image in run.schedules:
        for layer, writes in zip(run.mapping.layers, image.round_writes, strict=True):
            nest, own = layer.nest, events[place : place + layer.nest.passes]
            place += nest.passes
            written = [n for n, event in enumerate(own) if event["args"]["written"]]
            assert written == np.unique(writing_passes(nest)).tolist()
            starts = [
                own[number]["ts"]
                + round_ * nest.round_cycles
                + nest.write_cycles
                + written_behind(nest, position)
                for position, passes in enumerate(writing_passes(nest).tolist())
                for number in passes
                for round_ in rounds_of_position(nest, position, number)
            ]
            assert starts == writes.tolist()
    latency = shadow_latency(run.mapping.machine)
    lasts = [int(c) for image in run.schedules for layer in image.layers for c in layer.last]
    assert [event["ts"] for event in events] == [cycle + latency for cycle in lasts]


def written_behind(nest: LoopNest, position: int) -> int:
    """Cycles by which a position's digits follow those of one that drains at once."""
    return position % nest.geometry.output[1] % nest.reuse % nest.drains * nest.target_digits


def rounds_of_position(nest: LoopNest, position: int, number: int) -> range:
    """Which of a pass' rounds are those of one output position: its strip's go through them in turns."""
    count = nest.rounds_last if nest.tile_of(number) == nest.tiles - 1 else nest.rounds_full
    turn = position % nest.geometry.output[1] % nest.reuse // nest.drains
    return range(turn * count, (turn + 1) * count)


def test_words_and_writes_are_the_simulators(run: MachineRun) -> None:
    assert [e["ts"] for e in on_track(run, "activation memory writes")] == run.writes.cycle.tolist()
    addresses = [int(e["name"][1:]) for e in on_track(run, "activation memory writes")]
    assert addresses == run.writes.address.tolist()
    assert [e["ts"] for e in on_track(run, "output stream")] == run.outputs.cycle.tolist()
    beats = [cycle for image in run.schedules for cycle in image.beats.tolist()]
    assert [e["ts"] for e in on_track(run, "input stream")] == beats
    layers = on_track(run, "layers")
    assert [e["ts"] for e in layers] == [layer.first for image in run.schedules for layer in image.layers]


@pytest.mark.parametrize("spatial", [False, True])
def test_steps_of_a_streamed_network_wait_for_their_tiles(spatial: bool) -> None:
    run = streamed_run(4, spatial=spatial)
    assert run.lane_cycles["weight_load"] > 0
    steps = iter(steps_of(run))
    for image in run.schedules:
        for layer, times in zip(run.mapping.layers, image.layers, strict=True):
            for _ in range(layer.nest.steps):
                cycle, _, word = next(steps)
                if layer.nest.streamed:
                    arrived = times.arrived[(word - layer.first_weight) // layer.nest.tile_words]
                    assert cycle >= arrived + WEIGHTS_TO_STEP


def test_a_trace_is_gzip_where_its_name_says_so(tmp_path: Path) -> None:
    run = run_of(21, spatial=True)
    write_trace(run, 2, tmp_path / "trace.json")
    write_trace(run, 2, tmp_path / "trace.json.gz")
    plain, packed = (tmp_path / "trace.json").read_bytes(), (tmp_path / "trace.json.gz").read_bytes()
    assert gzip.decompress(packed) == plain
    assert json.loads(plain)["traceEvents"] == list(trace_events(run, 2))
    write_trace(run, 2, tmp_path / "again.json.gz")
    assert (tmp_path / "again.json.gz").read_bytes() == packed
