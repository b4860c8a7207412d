"""The machine level: a mapped program run cycle by cycle, vectorised over images.

`bcsim.simulator.schedule` says when, `bcsim.simulator.array` what; here both meet in the memories.
Letters in shapes: n images, N lanes, R requantisers, W writes.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.mapping.mapping import Mapping
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.compiler.program.classes import classes_of_levels
from bcsim.machine.parameters import Machine
from bcsim.simulator.array import LoadedLayer, load_layer
from bcsim.simulator.image_times import ImageSchedule
from bcsim.simulator.pauses import READY, Pauses
from bcsim.simulator.schedule import schedule_images
from bcsim.simulator.utilisation import LayerUtilisation, count_lane_cycles, steady_lane_cycles

__all__ = [
    "MachineRun",
    "MachineSimulator",
    "OutputWords",
    "Writes",
    "run_machine",
    "stream_values",
    "whole_batches",
]

Row = TypeVar("Row", bound=np.integer)

BLOCK_BYTES = 1 << 26
"""Bounds the memory that the images simulated together take."""


@dataclass(frozen=True, slots=True)
class Writes:
    """Every write to the activation memory, in order of cycle.

    cycle : int64 (W,). address : int64 (W,).
    mask : bool (W, N / R), the groups written.
    data : uint8 (W, N), one digit per lane; lanes of groups that are not written are 0.
    """

    cycle: NDArray[np.int64]
    address: NDArray[np.int64]
    mask: NDArray[np.bool_]
    data: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class OutputWords:
    """Every word of the output stream: cycle of acceptance int64 (W,), data int64 (W,), last bool (W,)."""

    cycle: NDArray[np.int64]
    data: NDArray[np.int64]
    last: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MachineRun:
    """What a run of n images on a machine gives.

    Where several images are taken at once, images of zeros fill the last batch: they take cycles and have no result.

    scores : uint16 (n, classes). classes : int64 (n,).
    cycles : of the whole run; latency : of the first image; per_image : between images once they follow each other, of
        a batch an equal share.
    lane_cycles : by cause in the whole run, layers : the same layer by layer; they sum to cycles * lanes * pes
        together with those that belong to no layer.
    steady : lane-cycles by cause in one image's interval once images follow each other.
    schedules : of every batch. writes, outputs : of the batches of the first `record` images.
    """

    mapping: Mapping
    scores: NDArray[np.uint16]
    classes: NDArray[np.int64]
    cycles: int
    latency: int
    per_image: float
    lane_cycles: MappingType[str, int]
    steady: MappingType[str, float]
    layers: tuple[LayerUtilisation, ...]
    schedules: tuple[ImageSchedule, ...]
    writes: Writes
    outputs: OutputWords

    @property
    def utilisation(self) -> float:
        """Useful accumulations per lane and cycle once images follow each other."""
        return self.steady["busy"] / sum(self.steady.values())


class MachineSimulator:
    """A mapped program ready to run: the image decoded once, for any number of runs."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self._loaded = [load_layer(mapping, layer) for layer in mapping.layers]
        self._steady, self._per_image = steady_lane_cycles(mapping)

    def run(
        self,
        q: NDArray[np.integer],
        *,
        record: int = 0,
        pauses: Pauses = READY,
    ) -> MachineRun:
        """Run images q, unsigned integers (n, inputs), as the input stream carries them.

        record : for how many of the first images to keep every write and output word.
        pauses : of the sources and the sink.

        Raises ValueError for an empty or wrongly shaped q.
        """
        mapping = self.mapping
        if q.ndim != 2 or not len(q) or q.shape[1] != mapping.program.inputs:
            raise ValueError(
                f"Images must be of shape (n, {mapping.program.inputs}) with n > 0, not {q.shape}"
            )
        schedules = schedule_images(mapping, mapping.batches(len(q)), pauses)
        recorded = mapping.batches(max(record, 0))
        scores, writes = self._compute(whole_batches(q, mapping.images), schedules, recorded)
        classes = classes_of_levels(mapping.program, scores)
        lane_cycles, layers = count_lane_cycles(mapping, schedules)
        return MachineRun(
            mapping=mapping,
            scores=scores[: len(q)],
            classes=classes[: len(q)],
            cycles=schedules[-1].end + 1,
            latency=int(schedules[0].scores[mapping.program.classes]) + 1,
            per_image=self._per_image,
            lane_cycles=lane_cycles,
            steady=self._steady,
            layers=layers,
            schedules=tuple(schedules),
            writes=writes,
            outputs=_outputs(schedules[:recorded], scores, classes, mapping.images),
        )

    def _compute(
        self, q: NDArray[np.integer], schedules: Sequence[ImageSchedule], record: int
    ) -> tuple[NDArray[np.uint16], Writes]:
        """Scores of all images, of whole batches, and the writes of the first `record` batches, block by block."""
        mapping = self.mapping
        scores = np.empty((len(schedules), mapping.images, mapping.program.classes), dtype=np.uint16)
        values = stream_values(mapping, q)
        values = values.reshape(len(schedules), -1, values.shape[2])
        pieces: list[Writes] = []
        size = max(1, BLOCK_BYTES // max(layer.bytes_per_image for layer in self._loaded))
        for start in range(0, len(schedules), size):
            block = slice(start, start + size)
            scores[block], kept = _run_block(
                mapping, self._loaded, values[block], schedules[block], record - start
            )
            pieces += kept
        return scores.reshape(len(q), -1), _in_order(pieces, mapping)


def run_machine(
    mapping: Mapping,
    q: NDArray[np.integer],
    *,
    record: int = 0,
    pauses: Pauses = READY,
) -> MachineRun:
    """`MachineSimulator(mapping).run(q, ...)`."""
    simulator = MachineSimulator(mapping)
    return simulator.run(q, record=record, pauses=pauses)


def _run_block(
    mapping: Mapping,
    loaded: Sequence[LoadedLayer],
    values: NDArray[np.integer],
    schedules: Sequence[ImageSchedule],
    record: int,
) -> tuple[NDArray[np.uint16], list[Writes]]:
    """Scores (n, images, classes) of a block of n batches whose input words hold `values` (n, positions, channels), and
    the writes of its first `record`."""
    machine, first = mapping.machine, mapping.layers[0]
    images, recorded = np.arange(len(values)), range(min(max(record, 0), len(values)))
    memory = np.zeros((len(values), mapping.activation_words, machine.lanes), dtype=np.uint8)
    buffers = np.array([schedule.buffer for schedule in schedules])
    words = _split_digits(values, first.nest.chunks_in_source, first.nest.digits, machine)
    addresses = np.array(first.read_bases)[buffers][:, None] + np.arange(words.shape[1])
    memory[images[:, None], addresses] = words
    pieces = [_load_writes(schedules[i], addresses[i], words[i], mapping) for i in recorded]
    for index, (step, layer) in enumerate(zip(loaded, mapping.layers, strict=True)):
        nest = layer.nest
        read = step.read(memory, np.array(layer.read_bases)[buffers % len(layer.read_bases)])
        q = step.pool(step.requantise(step.accumulate(read)))
        if nest.scores:
            return q[:, :, : nest.layer.outputs], pieces
        words = _split_digits(q, q.shape[2] // machine.lanes, nest.target_digits, machine)
        memory[:, layer.write_base : layer.write_base + words.shape[1]] = words
        pieces += [
            _drain_writes(schedules[i].round_writes[index], layer, words[i], mapping) for i in recorded
        ]
    raise AssertionError("the last layer of a mapping gives the scores")


def whole_batches(images: NDArray[Row], at_once: int) -> NDArray[Row]:
    """Images, a row each, and behind them as many of zeros as fill the last batch of so many at once."""
    return np.pad(images, ((0, -len(images) % at_once), (0, 0)))


def stream_values(mapping: Mapping, q: NDArray[np.integer]) -> NDArray[np.integer]:
    """What the input stream carries, position by position: (n, positions, channels) of images q (n, inputs).

    Images are in (rows, columns, channels) order. Where the mapping is packed, a position is a whole window
    of the first convolution, its padding filled in.
    """
    geometry = mapping.program.layers[0].geometry
    channels = geometry.channels[0]
    if not mapping.packed:
        return q.reshape(len(q), -1, channels)
    pads = geometry.pads
    image = np.pad(
        q.reshape(len(q), geometry.height, geometry.width, channels),
        ((0, 0), (pads[0], pads[2]), (pads[1], pads[3]), (0, 0)),
        constant_values=geometry.pad_level,
    )
    windows = np.lib.stride_tricks.sliding_window_view(image, geometry.kernel, axis=(1, 2))
    strided = windows[:, :: geometry.stride[0], :: geometry.stride[1]]
    return strided.transpose(0, 1, 2, 4, 5, 3).reshape(len(q), -1, geometry.window_inputs)


def _split_digits(
    values: NDArray[np.integer], chunks: int, digits: int, machine: Machine
) -> NDArray[np.uint8]:
    """Activation words uint8 (n, positions * chunks * digits, N) of values (n, positions, channels), most
    significant digit first."""
    images, positions, channels = values.shape
    padded = np.zeros((images, positions, chunks * machine.lanes), dtype=np.uint16)
    padded[:, :, :channels] = values
    shifts = machine.digit * np.arange(digits - 1, -1, -1, dtype=np.uint16)
    split = padded.reshape(images, positions, chunks, 1, machine.lanes) >> shifts[:, None]
    return (split & ((1 << machine.digit) - 1)).astype(np.uint8).reshape(images, -1, machine.lanes)


def _load_writes(
    schedule: ImageSchedule, addresses: NDArray[np.int64], words: NDArray[np.uint8], mapping: Mapping
) -> Writes:
    mask = np.ones((len(words), mapping.machine.groups), dtype=bool)
    return Writes(schedule.load_writes, addresses, mask, words)


def _drain_writes(
    cycles: NDArray[np.int64], layer: PlacedLayer, words: NDArray[np.uint8], mapping: Mapping
) -> Writes:
    """One layer's writes: round by round, digit by digit, one group of a word each."""
    machine, nest, digits = mapping.machine, layer.nest, layer.nest.target_digits
    round_, digit = np.divmod(np.arange(nest.positions * nest.rounds * digits), digits)
    word = round_ // machine.groups * digits + digit
    mask = (round_ % machine.groups)[:, None] == np.arange(machine.groups)
    lanes = np.repeat(mask, machine.requantisers, axis=1)
    return Writes(
        cycles[round_] + digit,
        layer.write_base + word,
        mask,
        np.where(lanes, words[word], 0).astype(np.uint8),
    )


def _in_order(pieces: Sequence[Writes], mapping: Mapping) -> Writes:
    if not pieces:
        lanes, groups = mapping.machine.lanes, mapping.machine.groups
        nothing = np.zeros(0, dtype=np.int64)
        return Writes(
            nothing, nothing, np.zeros((0, groups), dtype=bool), np.zeros((0, lanes), dtype=np.uint8)
        )
    fields = [np.concatenate([getattr(piece, name) for piece in pieces]) for name in Writes.__slots__]
    order = np.argsort(fields[0], kind="stable")
    return Writes(*(field[order] for field in fields))


def _outputs(
    schedules: Sequence[ImageSchedule],
    scores: NDArray[np.uint16],
    classes: NDArray[np.int64],
    images: int,
) -> OutputWords:
    """The words of these batches of so many images each."""
    cycle = [schedule.scores for schedule in schedules]
    sent = slice(len(schedules) * images)
    scores, classes = scores[sent], classes[sent]
    data = [np.append(row.astype(np.int64), best) for row, best in zip(scores, classes, strict=True)]
    last = [np.arange(len(row)) == len(row) - 1 for row in data]
    if not cycle:
        return OutputWords(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))
    return OutputWords(np.concatenate(cycle), np.concatenate(data), np.concatenate(last))
