"""The trace against the run it shows."""

import json
from pathlib import Path

import numpy as np

from bcsim.compiler.mapping.mapping import map_program
from bcsim.machine.latency import WEIGHTS_TO_STEP
from bcsim.simulator.simulator import MachineRun, run_machine
from bcsim.simulator.trace import TRACKS, write_trace
from tests.programs import random_images, random_machine, random_program
from tests.streaming import random_gaps, streamed_network, weight_words


def _run(seed: int, images: int) -> MachineRun:
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    return run_machine(
        map_program(program, random_machine(rng)), random_images(rng, program, 3), record=images
    )


def test_every_step_write_and_word_is_an_event(tmp_path: Path) -> None:
    run = _run(5, 2)
    write_trace(run, 2, tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    by_track = {
        name: [e for e in events if e["tid"] == tid and e["ph"] == "X"] for tid, name in enumerate(TRACKS)
    }
    steps = sum(nest.tiles * nest.steps_per_tile for nest in run.mapping.nests)
    assert len(by_track["array"]) == 2 * steps
    assert len({event["ts"] for event in by_track["array"]}) == 2 * steps
    assert [e["ts"] for e in by_track["activation memory writes"]] == run.writes.cycle.tolist()
    assert [e["ts"] for e in by_track["output stream"]] == run.outputs.cycle.tolist()
    assert len(by_track["requantisers"]) == 2 * sum(nest.rounds for nest in run.mapping.nests)


def test_steps_of_a_streamed_network_wait_for_their_tiles(tmp_path: Path) -> None:
    """No two steps in a cycle, each word of the stream read, and none before its tile has arrived."""
    mapping = streamed_network(4, spatial=False)
    rng = np.random.default_rng(4)
    gaps = random_gaps(rng, weight_words(mapping, 2), 20).tolist()
    run = run_machine(mapping, random_images(rng, mapping.program, 2), record=2, weight_gaps=gaps)
    assert run.lane_cycles["weight_load"] > 0
    write_trace(run, 2, tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    steps = [event for event in events if event["tid"] == TRACKS.index("array") and event["ph"] == "X"]
    assert len({event["ts"] for event in steps}) == len(steps) == 2 * sum(n.steps for n in mapping.nests)
    place = 0
    for image in run.schedules:
        for layer, times in zip(mapping.layers, image.layers, strict=True):
            nest, first = layer.nest, layer.first_weight
            own = steps[place : place + nest.steps]
            place += nest.steps
            words = [event["args"]["weight"] for event in own]
            assert sorted(set(words)) == list(range(first, first + nest.weight_words))
            for event, word in zip(own, words, strict=True) if nest.streamed else ():
                arrived = times.arrived[(word - first) // nest.tile_words]
                assert event["ts"] >= arrived + WEIGHTS_TO_STEP


def test_steps_read_what_the_mapping_says(tmp_path: Path) -> None:
    run = _run(6, 1)
    write_trace(run, 1, tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    steps = [event for event in events if event["tid"] == TRACKS.index("array") and event["ph"] == "X"]
    weights = [event["args"]["weight"] for event in steps]
    assert sorted(set(weights)) == list(range(len(run.mapping.image.weights)))
    first = run.mapping.nests[0]
    reads = [event["args"]["activation"] for event in steps[: first.chunks * first.digits]]
    assert reads == list(range(first.chunks * first.digits))
