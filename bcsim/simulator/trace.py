"""A run as a trace that opens in Perfetto (ui.perfetto.dev) or chrome://tracing: every step, write and word.

One cycle is one microsecond on the trace's time axis. The format is the Trace Event Format's JSON array form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.common.files import atomic_write
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.machine.latency import WEIGHTS_TO_STEP
from bcsim.simulator.image_times import ImageSchedule, LayerSchedule
from bcsim.simulator.simulator import MachineRun

__all__ = ["trace_events", "write_trace"]

Event: TypeAlias = dict[str, Any]

TRACKS = ("input stream", "layers", "array", "requantisers", "activation memory writes", "output stream")


def write_trace(run: MachineRun, images: int, path: Path) -> None:
    """Write the trace of the run's first `images` images (recorded by `run_machine(..., record=images)`)."""
    with atomic_write(path) as file:
        file.write(b'{"displayTimeUnit": "ns", "traceEvents": [\n')
        for index, event in enumerate(trace_events(run, images)):
            file.write(b",\n" if index else b"")
            file.write(json.dumps(event).encode())
        file.write(b"\n]}\n")


def trace_events(run: MachineRun, images: int) -> Iterator[Event]:
    """The events of the first `images` images, track by track."""
    for track, name in enumerate(TRACKS):
        yield {"ph": "M", "pid": 0, "tid": track, "name": "thread_name", "args": {"name": name}}
    for index, image in enumerate(run.schedules[:images]):
        yield from _stream_events(index, image)
        for layer, times, writes in zip(run.mapping.layers, image.layers, image.round_writes, strict=True):
            span = int(times.last[-1]) + 1 - times.first
            yield _event("layers", layer.nest.layer.name, times.first, span, image=index)
            yield from _step_events(layer, times, layer.read_bases[image.buffer % len(layer.read_bases)])
            yield from _round_events(layer.nest, writes)
    yield from _write_events(run)
    yield from _output_events(run)


def _event(track: str, name: str, cycle: int, cycles: int = 1, **args: int | str) -> Event:
    return {
        "ph": "X",
        "pid": 0,
        "tid": TRACKS.index(track),
        "name": name,
        "ts": int(cycle),
        "dur": int(cycles),
        "args": args,
    }


def _stream_events(index: int, image: ImageSchedule) -> Iterator[Event]:
    for word, cycle in enumerate(image.beats.tolist()):
        yield _event("input stream", f"word {word}", cycle, image=index)


def _step_events(layer: PlacedLayer, times: LayerSchedule, base: int) -> Iterator[Event]:
    """Every step with its activation and its weight word, of the memory or, where streamed, of an image's stream.

    A tile's last step may come later than its turn.
    """
    nest, start = layer.nest, times.first
    per_plane = nest.chunks * nest.digits
    for index, last in enumerate(times.last.tolist()):
        tile = nest.tile_of(index)
        if index and nest.streamed and index % nest.results == 0:
            start = max(start, times.arrived[tile] + WEIGHTS_TO_STEP)
        for step in range(nest.steps_per_tile):
            cycle = last if step == nest.steps_per_tile - 1 else start + step
            weight = layer.first_weight + tile * nest.tile_words + step // nest.digits
            yield _event("array", f"tile {tile}", cycle, activation=base + step % per_plane, weight=weight)
        start = last + 1


def _round_events(nest: LoopNest, writes: NDArray[np.int64]) -> Iterator[Event]:
    name = nest.layer.name
    for round_, first_write in enumerate(writes.tolist()):
        start = first_write - nest.write_cycles
        yield _event("requantisers", f"round {round_}", start, nest.round_cycles, layer=name)


def _write_events(run: MachineRun) -> Iterator[Event]:
    writes = run.writes
    for cycle, address, mask, data in zip(
        writes.cycle.tolist(), writes.address.tolist(), writes.mask, writes.data, strict=True
    ):
        groups = ",".join(map(str, np.flatnonzero(mask).tolist()))
        yield _event(
            "activation memory writes", f"@{address}", cycle, groups=groups, lanes=data.tobytes().hex(" ")
        )


def _output_events(run: MachineRun) -> Iterator[Event]:
    words = run.outputs
    for cycle, data, last in zip(words.cycle.tolist(), words.data.tolist(), words.last.tolist(), strict=True):
        yield _event("output stream", f"class {data}" if last else "score", cycle, value=data)
