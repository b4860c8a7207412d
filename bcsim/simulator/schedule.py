"""When everything happens: the cycles of a run of images on a mapped program (docs/machine.md).

No data here, only times: the machine never decides anything by a value.
Letters in shapes: Q passes of a layer, K rounds that a layer writes, B stream words of an image, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from bcsim.compiler.mapping.hazards import first_reads, pass_intervals, pass_steps
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.mapping import Placement
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.machine.latency import LAYER_GAP, RECORD_CHANGE, SCORES_TO_VALID, WEIGHTS_TO_STEP, shadow_latency
from bcsim.simulator.image_times import Cycles, ImageSchedule, ImageTimes, LayerSchedule, Stalls
from bcsim.simulator.pauses import READY, Pauses
from bcsim.simulator.weight_stream import WeightArrivals

__all__ = ["schedule_images"]


def schedule_images(
    mapping: Placement,
    batches: int,
    pauses: Pauses = READY,
) -> list[ImageSchedule]:
    """The cycles of so many batches one after another; cycle 0 accepts the first word of the first.

    A batch is the images that are taken at once: one, on most machines.
    """
    arrivals = WeightArrivals(mapping, pauses.weight_gaps)
    beats, sends = mapping.images * mapping.beats, mapping.images * (mapping.program.classes + 1)
    reads = [first_reads(nest) for nest in mapping.nests]
    done: list[ImageSchedule] = []
    period = 0
    for index in range(batches):
        if pauses.none and (period := period or _period(done)):
            before = done[-1]
            done.append(
                ImageSchedule(
                    index % mapping.machine.input_buffers, before.image_times, before.delay + period
                )
            )
            continue
        gap, hold = pauses.before_words(index, beats), pauses.behind_words(index, sends)
        done.append(_schedule_image(mapping, done, gap, hold, arrivals, reads))
    return done


def _period(done: Sequence[ImageSchedule]) -> int:
    """Cycles between images once they repeat, 0 before.

    An image's schedule depends only on those of the two images before it, so three alike repeat for ever. That holds
    for streamed tiles, too, each of which waits for the tile before it and the release of the one before that.
    """
    if len(done) < 3:
        return 0
    period = done[-1].end - done[-2].end
    for earlier, later in pairwise(done[-3:]):
        if not later.image_times.repeats(earlier.image_times, period):
            return 0
    return period


def _schedule_image(
    mapping: Placement,
    done: list[ImageSchedule],
    gap: Cycles,
    hold: Cycles,
    arrivals: WeightArrivals,
    reads: Sequence[Cycles],
) -> ImageSchedule:
    latency = shadow_latency(mapping.machine)
    beats, load_writes = _load(mapping, done, gap)
    loaded = int(load_writes[-1]) + 1
    free = done[-1].end + 1 if done else 0
    layers: list[LayerSchedule] = []
    before = (done[-1].last_step, mapping.nests[-1]) if done else None
    for layer in mapping.layers:
        scheduled = _schedule_layer(
            layer, before, loaded if layer.first else None, free if layer.nest.scores else None, arrivals
        )
        layers.append(scheduled)
        before = (int(scheduled.last[-1]), layer.nest)
    writes = tuple(s.round_writes(n, latency) for s, n in zip(layers, mapping.nests, strict=True))
    _check_reads(mapping, reads, layers, writes, loaded)
    image_times = ImageTimes(
        beats=beats,
        load_writes=load_writes,
        layers=tuple(layers),
        round_writes=writes,
        scores=_send(int(writes[-1][-1]) + SCORES_TO_VALID, hold),
    )
    return ImageSchedule(len(done) % mapping.machine.input_buffers, image_times)


def _schedule_layer(
    layer: PlacedLayer,
    before: tuple[int, LoopNest] | None,
    loaded: int | None,
    free: int | None,
    arrivals: WeightArrivals,
) -> LayerSchedule:
    """One layer behind the step in cycle before[0], the last of layer before[1]; None for the very first layer.

    loaded, free : the cycle from which the image counts as loaded and the output buffer as free, where they matter.
    """
    nest, ready, fill, drain = layer.nest, 0, 0, 0
    if before is not None:
        ready = before[0] + max(LAYER_GAP, layer.wait)
        fill, drain = LAYER_GAP - 1, max(0, layer.wait - LAYER_GAP)
    with_input = max(ready, loaded + 1) if loaded is not None else ready
    with_output = max(with_input, free + 1) if free is not None else with_input
    drained = (
        before[0] + before[1].turns(before[1].strip_last) * before[1].drain_last + RECORD_CHANGE
        if before
        else 0
    )
    last, arrived, waited = _walk_passes(nest, with_output, drained, arrivals)
    first = max(with_output, arrived[0] + WEIGHTS_TO_STEP) if arrived else with_output
    return LayerSchedule(
        first=first,
        last=last,
        stalls=Stalls(
            fill=fill,
            drain=drain + int(last[-1]) - (with_output + waited + nest.steps - 1),
            input=with_input - ready,
            output=with_output - with_input,
            weight_load=waited,
        ),
        arrived=tuple(arrived),
    )


def _walk_passes(
    nest: LoopNest, first: int, drained: int, arrivals: WeightArrivals
) -> tuple[Cycles, list[int], int]:
    """Every pass's last step, int64 (Q,), when streamed tiles have arrived, and the cycles waited for them.

    first : the cycle from which steps may be issued. drained : the earliest one for the first pass's last step.
    Passes are walked in runs that wait for weights together: a streamed tile's, or all of the layer's.
    """
    run = nest.passes_of_tile if nest.streamed else nest.passes
    first_steps, drain = int(pass_steps(nest)[0]), nest.turns(nest.strip_last) * nest.drain_full
    # A pass's last step from that of the layer's first one, were there nothing to wait for.
    places = np.concatenate([[0], np.cumsum(pass_intervals(nest))])
    ends: list[Cycles] = []
    arrived: list[int] = []
    waited = 0
    for start in range(0, nest.passes, run):
        begin = first
        if nest.streamed:
            arrived.append(arrivals.arrive())
            begin = max(first, arrived[-1] + WEIGHTS_TO_STEP)
        waited += begin - first
        last = places[start : start + run] + (max(begin + first_steps - 1, drained) - int(places[start]))
        end = int(last[-1])
        if nest.streamed:
            arrivals.release(end)
        ends.append(last)
        first, drained = end + 1, end + drain
    return np.concatenate(ends), arrived, waited


def _load(mapping: Placement, done: list[ImageSchedule], gap: Cycles) -> tuple[Cycles, Cycles]:
    """Cycles in which the next image's words are accepted and its activation words written."""
    nest, machine = mapping.nests[0], mapping.machine
    free = 0
    if len(done) >= machine.input_buffers:
        free = int(done[-machine.input_buffers].layers[0].last[-1]) + 1
    per_word = machine.lanes // machine.input_bytes
    accepted, ready = -1 - int(gap[0]), 0
    if done:
        accepted, ready = int(done[-1].beats[-1]), max(free, int(done[-1].load_writes[-1]) + 1)
    taken = TakenCycles(
        _write_cycles(mapping, done[-2:], accepted + 1),
        4 * len(gap) * nest.digits,
        _reading_times(mapping, done[-2:]),
    )
    beats, writes = [], []
    for wait, word_ends in zip(gap.tolist(), _word_ends(mapping, per_word), strict=True):
        accepted = max(accepted + 1 + wait, ready)
        beats.append(accepted)
        if word_ends:
            cycle = accepted
            for _ in range(nest.digits):
                cycle = taken.free_from(cycle + 1)
                writes.append(cycle)
            ready = cycle + 1
    return np.array(beats, dtype=np.int64), np.array(writes, dtype=np.int64)


def _word_ends(mapping: Placement, per_word: int) -> list[bool]:
    """Of every stream word of a batch whether it is the last of an activation word."""
    in_position = np.arange(mapping.images * mapping.beats) % mapping.position_beats + 1
    ends: list[bool] = ((in_position % per_word == 0) | (in_position == mapping.position_beats)).tolist()
    return ends


def _write_cycles(mapping: Placement, done: list[ImageSchedule], start: int) -> Cycles:
    """Cycles from `start` on in which drained values are written, int64."""
    taken = [np.zeros(0, dtype=np.int64)]
    for image in done:
        for nest, layer_writes in zip(mapping.nests, image.round_writes, strict=True):
            writes = layer_writes[layer_writes >= start - nest.target_digits]
            if not nest.scores:
                taken.append((writes[:, None] + np.arange(nest.target_digits)).ravel())
    return np.concatenate(taken)


def _reading_times(mapping: Placement, done: Sequence[ImageSchedule]) -> list[tuple[int, int]]:
    """First and last cycles of the times in which the input's memory has no port for a write."""
    if mapping.machine.activation_banks == 1:
        return []
    return [
        (times.first, int(times.last[-1]))
        for image in done
        for layer, times in zip(mapping.layers, image.layers, strict=True)
        if layer.bank == mapping.layers[0].bank
    ]


class TakenCycles:
    """Cycles in which the loader cannot write, looked up some at a time: it meets few of an image's.

    cycles : int64, in which something else is written. window : for how many cycles to prepare at once.
    times : first and last of more such cycles, in order.
    """

    def __init__(self, cycles: Cycles, window: int, times: Sequence[tuple[int, int]] = ()) -> None:
        self._cycles, self._window, self._times = cycles, window, times
        self._known: set[int] = set()
        self._known_to = 0

    def free_from(self, cycle: int) -> int:
        """The first cycle from this one on that is not taken; no later call asks for an earlier one."""
        while True:
            for first, last in self._times:
                if first <= cycle <= last:
                    cycle = last + 1
            if cycle >= self._known_to:
                self._known_to = cycle + self._window
                near = (self._cycles >= cycle) & (self._cycles < self._known_to)
                self._known = set(self._cycles[near].tolist())
            if cycle not in self._known:
                return cycle
            cycle += 1


def _send(valid: int, hold: Cycles) -> Cycles:
    """Cycles in which the words behind the first, offered in cycle `valid`, are accepted."""
    return np.asarray(valid + np.arange(len(hold)) + np.cumsum(hold), dtype=np.int64)


def _check_reads(
    mapping: Placement,
    reads: Sequence[Cycles],
    layers: Sequence[LayerSchedule],
    writes: Sequence[Cycles],
    loaded: int,
) -> None:
    """No word may be read before the cycle after its write: the mapping's `wait` promises it.

    reads : of every layer, see `first_reads`.
    """
    if layers[0].first < loaded + 1:
        raise AssertionError("the first layer reads an image that is not loaded")
    groups = mapping.machine.groups
    written = [cycles.reshape(-1, groups)[:, -1] for cycles in writes[:-1]]
    for number, (nest, sources) in enumerate(zip(mapping.nests, mapping.sources, strict=True)):
        for source, offsets in zip(sources, reads[number], strict=True):
            if source >= 0 and (layers[number].first + offsets <= written[source]).any():
                raise AssertionError(f"layer {nest.layer.name!r} reads a word that is not yet written")
