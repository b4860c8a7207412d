"""A run as a trace that opens in Perfetto (ui.perfetto.dev) or chrome://tracing: every step, stall, write and word.

One cycle is one microsecond on the trace's time axis. The format is the Trace Event Format's JSON array form, in gzip
where the file's name ends so. Steps of one pass of a tile are one event.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np

from bcsim.common.files import atomic_write
from bcsim.machine.latency import shadow_latency
from bcsim.simulator.image_times import ImageSchedule
from bcsim.simulator.simulator import MachineRun
from bcsim.simulator.trace_events import LayerTrace

__all__ = ["TRACKS", "trace_events", "write_trace"]

Event: TypeAlias = dict[str, Any]

TRACKS = (
    "input stream",
    "layers",
    "array",
    "array stalls",
    "requantisers",
    "activation memory writes",
    "output stream",
)


def write_trace(run: MachineRun, images: int, path: Path) -> None:
    """Write the trace of the run's first `images` images (recorded by `run_machine(..., record=images)`).

    The same run gives the same bytes. Raises BcsimError where the file cannot be written.
    """
    with atomic_write(path) as stored, _packed(stored, path) as file:
        file.write(b'{"displayTimeUnit": "ns", "traceEvents": [\n')
        for index, event in enumerate(trace_events(run, images)):
            file.write(b",\n" if index else b"")
            file.write(json.dumps(event, separators=(",", ":")).encode())
        file.write(b"\n]}\n")


@contextmanager
def _packed(file: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    """The file, through gzip where its name ends in .gz, without a time or a name in its header."""
    if path.suffix != ".gz":
        yield file
        return
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
        yield cast(BinaryIO, packed)


def trace_events(run: MachineRun, images: int) -> Iterator[Event]:
    """The events of the first `images` images, track by track."""
    for track, name in enumerate(TRACKS):
        yield {"ph": "M", "pid": 0, "tid": track, "name": "thread_name", "args": {"name": name}}
    before = -1
    at_once = run.mapping.images
    for index, batch in enumerate(run.schedules[: run.mapping.batches(images)]):
        yield from _stream_events(run, index * at_once, batch)
        yield from _layer_events(run, index * at_once, batch, before)
        before = batch.last_step
    yield from _write_events(run)
    yield from _output_events(run)


def _event(track: str, name: str, cycle: int, cycles: int = 1, **args: int | str | bool) -> Event:
    return {
        "ph": "X",
        "pid": 0,
        "tid": TRACKS.index(track),
        "name": name,
        "ts": int(cycle),
        "dur": int(cycles),
        "args": args,
    }


def _stream_events(run: MachineRun, first: int, batch: ImageSchedule) -> Iterator[Event]:
    for number, cycle in enumerate(batch.beats.tolist()):
        image, word = divmod(number, run.mapping.beats)
        yield _event("input stream", f"word {word}", cycle, image=first + image)


def _layer_events(run: MachineRun, first: int, batch: ImageSchedule, before: int) -> Iterator[Event]:
    latency = shadow_latency(run.mapping.machine)
    images = {"images": run.mapping.images} if run.mapping.images > 1 else {}
    for layer, times in zip(run.mapping.layers, batch.layers, strict=True):
        base = layer.read_bases[batch.buffer % len(layer.read_bases)]
        trace = LayerTrace(layer, times, before=before, base=base, latency=latency)
        before = int(times.last[-1])
        yield _event(
            "layers", layer.nest.layer.name, times.first, before + 1 - times.first, image=first, **images
        )
        yield from _array_events(trace)
        yield from _round_events(trace)


def _array_events(trace: LayerTrace) -> Iterator[Event]:
    digits = trace.nest.digits
    for stall in trace.stalls():
        yield _event("array stalls", stall.cause, stall.start, stall.cycles, layer=trace.nest.layer.name)
    for run in trace.steps():
        row, column = run.position
        yield _event(
            "array",
            f"tile {run.tile}",
            run.start,
            run.cycles,
            position=f"{row},{column}",
            window=run.place,
            activation=run.activation,
            weight=f"{run.weights[0]}-{run.weights[1]}",
            digits=digits,
            **({"positions": run.positions} if trace.nest.reuse > 1 else {}),
        )


def _round_events(trace: LayerTrace) -> Iterator[Event]:
    name, length = trace.nest.layer.name, trace.nest.round_cycles
    for run in trace.rounds():
        yield _event(
            "requantisers",
            f"{run.rounds} rounds",
            run.start,
            run.cycles,
            layer=name,
            tile=run.tile,
            round_cycles=length,
            written=run.written,
        )


def _write_events(run: MachineRun) -> Iterator[Event]:
    writes = run.writes
    for cycle, address, mask, data in zip(
        writes.cycle.tolist(), writes.address.tolist(), writes.mask, writes.data, strict=True
    ):
        groups = ",".join(map(str, np.flatnonzero(mask).tolist()))
        lanes = data.tobytes().hex(" ")
        yield _event("activation memory writes", f"@{address}", cycle, groups=groups, lanes=lanes)


def _output_events(run: MachineRun) -> Iterator[Event]:
    words = run.outputs
    for cycle, data, last in zip(words.cycle.tolist(), words.data.tolist(), words.last.tolist(), strict=True):
        yield _event("output stream", f"class {data}" if last else "score", cycle, value=data)
