"""What a machine does with one layer of one image, as runs of cycles: steps, rounds of requantisation, stalls.

Every run is exact: expanded, it is the schedule's cycles and the array's addresses one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.machine.latency import LAYER_GAP, WEIGHTS_TO_STEP
from bcsim.simulator.array import window_addresses
from bcsim.simulator.image_times import LayerSchedule

__all__ = ["LayerTrace", "Rounds", "Stall", "StepRun"]


@dataclass(frozen=True, slots=True)
class StepRun:
    """Steps of one pass in cycles that follow each other.

    number, tile, position, place : the pass, its tile, the first output position of its strip and its place in the
        pooling window.
    start, cycles : the cycles.
    activation : words of the activation memory, step by step: "12-14,pad 2,20".
    weights : words of the weight memory, or of the image's weight stream, first and last, each read for `digits`
        steps of every position.
    positions : of the strip.
    """

    number: int
    tile: int
    position: tuple[int, int]
    place: int
    start: int
    cycles: int
    activation: str
    weights: tuple[int, int]
    positions: int


@dataclass(frozen=True, slots=True)
class Rounds:
    """The rounds of requantisation of one pass, which follow each other.

    written : whether they are: the last ones of a pooling window are, those before it stay in the requantisers.
    """

    number: int
    tile: int
    start: int
    rounds: int
    cycles: int
    written: bool


@dataclass(frozen=True, slots=True)
class Stall:
    """Cycles in which the array takes no step, and why: a name of docs/machine.md's causes."""

    cause: str
    start: int
    cycles: int


class LayerTrace:
    """The runs of one layer in one image.

    before : the last step of the layer before, -1 at the run's very beginning.
    base : where the layer's first source lies. latency : from a pass's last step to its first round.
    """

    def __init__(
        self, layer: PlacedLayer, times: LayerSchedule, *, before: int, base: int, latency: int
    ) -> None:
        self.layer, self.times, self.before, self.latency = layer, times, before, latency
        addresses, padding = window_addresses(layer)
        words = layer.nest.chunks_in_source * layer.nest.digits
        self._positions: list[int] = layer.nest.pass_positions.tolist()
        self._starts, self._outside = addresses[:, ::words] + base, padding[:, ::words]

    @property
    def nest(self) -> LoopNest:
        return self.layer.nest

    def steps(self) -> Iterator[StepRun]:
        """Every step, one run a pass, two where its last step waits."""
        for number, (start, last) in enumerate(self._spans()):
            count = self._steps(number)
            early = count if start + count - 1 == last else count - 1
            if early:
                yield self._run(number, start, 0, early)
            if early < count:
                yield self._run(number, last, count - 1, 1)

    def rounds(self) -> Iterator[Rounds]:
        """Every round of requantisation."""
        nest = self.nest
        for number, last in enumerate(self.times.last.tolist()):
            tile, (_, place) = nest.tile_of(number), self._window(number)
            rounds = nest.rounds_full
            if tile == nest.tiles - 1:
                rounds = nest.rounds_last
            rounds *= nest.turns(self._positions[number])
            start, written = last + self.latency, place == nest.window - 1
            yield Rounds(number, tile, start, rounds, rounds * nest.round_cycles, written)

    def stalls(self) -> Iterator[Stall]:
        """Every cycle without a step between the layer before and this one's last step."""
        stalls, start = self.times.stalls, self.before + 1
        fill = stalls.fill
        held = max(0, self.layer.wait - LAYER_GAP) if fill else 0
        for cause, cycles in (
            ("fill", fill),
            ("drain", held),
            ("input", stalls.input),
            ("output", stalls.output),
        ):
            yield from _stall(cause, start, cycles)
            start += cycles
        for number, (first, last) in enumerate(self._spans()):
            yield from _stall("weight load", start, first - start)
            final = first + self._steps(number) - 1
            yield from _stall("drain", final, last - final)
            start = last + 1

    def _spans(self) -> Iterator[tuple[int, int]]:
        """First and last step of every pass."""
        nest, start = self.nest, self.times.first
        for number, last in enumerate(self.times.last.tolist()):
            if number and nest.streamed and number % nest.passes_of_tile == 0:
                start = max(start, self.times.arrived[nest.tile_of(number)] + WEIGHTS_TO_STEP)
            yield start, last
            start = last + 1

    def _steps(self, number: int) -> int:
        """Of a pass."""
        return self._positions[number] * self.nest.steps_per_tile

    def _window(self, number: int) -> tuple[int, int]:
        """First output position of the strip and place in the pooling window of a pass."""
        nest = self.nest
        if nest.streamed:
            strip, place = divmod(number % nest.passes_of_tile, nest.window)
        else:
            strip, place = number // (nest.window * nest.tiles), number % nest.window
        row, along = divmod(strip, nest.strips_in_row)
        return row * nest.geometry.output[1] + along * nest.reuse, place

    def _run(self, number: int, start: int, first: int, count: int) -> StepRun:
        """Steps `first` to `first + count - 1` of a pass, from cycle `start` on."""
        nest, tile = self.nest, self.nest.tile_of(number)
        position, place = self._window(number)
        read = np.resize(self._read(tile, number), self._steps(number))[first : first + count]
        weight = self.layer.first_weight + tile * nest.tile_words
        of_word = nest.digits * self._positions[number]
        return StepRun(
            number=number,
            tile=tile,
            position=divmod(position, nest.geometry.output[1]),
            place=place,
            start=start,
            cycles=count,
            activation=",".join(_words(read)),
            weights=(weight + first // of_word, weight + (first + count - 1) // of_word),
            positions=self._positions[number],
        )

    def _read(self, tile: int, number: int) -> NDArray[np.int64]:
        """int64 (taps * chunks * positions * digits,): the words of one plane of a pass, in order, -1 for padding."""
        nest, positions = self.nest, self._positions[number]
        position, place = self._window(number)
        windows = (position + np.arange(positions)) * nest.window + place
        offsets = np.arange(nest.chunks * nest.digits).reshape(-1, nest.digits)
        starts, outside = (
            self._starts[windows].T[:, None, :, None],
            self._outside[windows].T[:, None, :, None],
        )
        words = starts + offsets[None, :, None, :] + tile * nest.tile_chunks * nest.digits
        return np.where(outside, -1, words).ravel()


def _stall(cause: str, start: int, cycles: int) -> Iterator[Stall]:
    if cycles:
        yield Stall(cause, start, cycles)


def _words(read: NDArray[np.int64]) -> Sequence[str]:
    """The words read, in order, those that follow each other as first-last; -1 is padding."""
    steps = np.where(read[1:] < 0, read[:-1] < 0, (read[1:] == read[:-1] + 1) & (read[:-1] >= 0))
    pieces = np.split(read, np.flatnonzero(~steps) + 1)
    return [
        f"pad {len(piece)}"
        if piece[0] < 0
        else f"{piece[0]}-{piece[-1]}"
        if len(piece) > 1
        else str(piece[0])
        for piece in pieces
    ]
