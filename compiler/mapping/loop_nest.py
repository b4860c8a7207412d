"""Loop nests: how one layer runs on one machine, before it has addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import DenseLayer

__all__ = ["LoopNest"]

Count = TypeVar("Count", int, NDArray[np.int64])


@dataclass(frozen=True, slots=True)
class LoopNest:
    """One layer's loops and the drain of their sums, before they have a place in the memories.

    Outermost first, the loops are strip of output positions, tile, window of the pooling, plane, source, kernel row,
    kernel column, chunk, position of the strip, digit; where weights are streamed, tile comes before strip. A *strip*
    is `reuse` positions side by side in a row of the output, or what is left of the row. One round of the innermost
    seven loops is a *pass*: it leaves an accumulator for every position of the strip in every processing element. A
    dense layer has one position, one window and one tap.

    chunks, digits, planes, tiles : trip counts; `taps` is that of source, kernel row and kernel column together.
    tile_chunks : chunks by which a tile's first chunk lies behind that of the tile before; 0 where all tiles read
        all channels.
    factor : what the planes multiply every accumulator by: 2 where lanes must add nothing and the layer's planes have
        no 0.
    cancels : whether lanes of other groups and beyond the channels add nothing.
    rounds, rounds_full : rounds of requantisation for one position, and for every tile but the last.
    round_cycles : V of docs/machine.md.
    write_cycles : from a round's first cycle to its first write.
    target_digits : digits of an output value in the activation memory; 1 for scores, which are written whole.
    doubles : bit b set where the accumulators double before plane b.
    scores : its output is the network's.
    chunks_in_source : chunks of one position of a source; more than `chunks` where a tile reads a part of them, or
        another layer reads the source together with one of more channels.
    output_pixel_words : words of one position of the output; 0 for scores.
    source_fills, fill : what the lanes beyond the channels hold, in each source and in the output (StoredTensor).
    parameter_words : words of each parameter memory in one round.
    reuse : positions of a strip, at most.
    drains : positions of a strip whose sums are requantised at once; their values are written one after the other.
    streamed : its weights come over the weight stream, a tile at a time (`compiler/mapping/weight_streaming.py`).
    """

    layer: DenseLayer
    geometry: Geometry
    chunks: int
    digits: int
    planes: int
    tiles: int
    tile_chunks: int
    factor: int
    cancels: bool
    rounds: int
    rounds_full: int
    round_cycles: int
    write_cycles: int
    target_digits: int
    doubles: int
    scores: bool
    chunks_in_source: int
    output_pixel_words: int
    source_fills: tuple[int, ...]
    fill: int
    parameter_words: int
    streamed: bool
    reuse: int = 1
    drains: int = 1

    @property
    def taps(self) -> int:
        return len(self.geometry.channels) * self.geometry.kernel[0] * self.geometry.kernel[1]

    @property
    def positions(self) -> int:
        rows, columns = self.geometry.output
        return rows * columns

    @property
    def window(self) -> int:
        """Passes of one tile at one position: the pooling's window."""
        pool = self.geometry.pool
        return pool.kernel[0] * pool.kernel[1] if pool else 1

    @property
    def strips_in_row(self) -> int:
        return -(-self.geometry.output[1] // self.reuse)

    @property
    def strips(self) -> int:
        return self.geometry.output[0] * self.strips_in_row

    @property
    def strip_full(self) -> int:
        """Positions of every strip but a row's last one."""
        return min(self.reuse, self.geometry.output[1])

    @property
    def strip_last(self) -> int:
        """Positions of a row's last strip."""
        return self.geometry.output[1] - (self.strips_in_row - 1) * self.reuse

    @property
    def strip_sizes(self) -> NDArray[np.int64]:
        """int64 (strips,): positions of each."""
        row = np.full(self.strips_in_row, self.strip_full, dtype=np.int64)
        row[-1] = self.strip_last
        return np.tile(row, self.geometry.output[0])

    def turns(self, positions: Count) -> Count:
        """How often the rounds of a tile come for so many positions of a strip."""
        return -(-positions // self.drains)

    @property
    def round_count(self) -> int:
        """Rounds of the layer for one image."""
        return self.window * int(self.turns(self.strip_sizes).sum()) * self.rounds

    def strip_of(self, position: Count) -> Count:
        """The strip that a position lies in."""
        columns = self.geometry.output[1]
        return position // columns * self.strips_in_row + position % columns // self.reuse

    def place_in_strip(self, position: Count) -> Count:
        """A position's place in its strip, from 0."""
        return position % self.geometry.output[1] % self.reuse

    @property
    def passes_of_tile(self) -> int:
        return self.strips * self.window

    @property
    def passes(self) -> int:
        return self.passes_of_tile * self.tiles

    @property
    def results(self) -> int:
        """How often each output channel is accumulated and requantised: once a window."""
        return self.positions * self.window

    @property
    def steps_per_tile(self) -> int:
        """Steps of one pass for each of its positions."""
        return self.planes * self.taps * self.chunks * self.digits

    @property
    def steps(self) -> int:
        return self.results * self.tiles * self.steps_per_tile

    @property
    def pass_positions(self) -> NDArray[np.int64]:
        """int64 (passes,): positions of every pass, in order of issue."""
        if self.streamed:
            return np.tile(np.repeat(self.strip_sizes, self.window), self.tiles)
        return np.repeat(self.strip_sizes, self.tiles * self.window)

    @property
    def weight_reads(self) -> int:
        """Words read from the weight memory for one image: each word of a tile once a pass."""
        return self.passes * self.tile_words

    @property
    def source_words(self) -> int:
        """Words of one source tensor in the activation memory."""
        return self.geometry.height * self.geometry.width * self.chunks_in_source * self.digits

    @property
    def output_words(self) -> int:
        """Words of the output tensor in the activation memory."""
        return self.positions * self.output_pixel_words

    def first_pass(self, position: Count, tile: Count) -> Count:
        """The number, in order of issue, of a tile's first pass for the strip of a position."""
        strip = self.strip_of(position)
        if self.streamed:
            # Tiles outermost: a tile's weights come once an image, not once a position, 1,024 times for 32 x 32.
            return (tile * self.strips + strip) * self.window
        return (strip * self.tiles + tile) * self.window

    def tile_of(self, number: int) -> int:
        """The tile of a pass, by its number in order of issue."""
        return number // self.passes_of_tile if self.streamed else number // self.window % self.tiles

    @property
    def tile_words(self) -> int:
        """Weight words of one tile."""
        return self.planes * self.taps * self.chunks

    def idle_lanes(self, lanes: int) -> list[int]:
        """For each source, the lanes beyond its channels that a tap adds to an accumulator; 0 where planes cancel."""
        # Two planes of +1 and -1 add nothing, whatever the lanes hold; one plane of +1 adds what they are filled with.
        read = 0 if self.cancels else self.chunks * lanes
        return [max(0, read - channels) for channels in self.geometry.channels]

    @property
    def weight_words(self) -> int:
        return self.tiles * self.tile_words

    @property
    def streamed_words(self) -> int:
        """Weight words that an image brings for this layer."""
        return self.weight_words if self.streamed else 0

    @property
    def parameter_span(self) -> int:
        """Words that the layer takes in each parameter memory."""
        return self.rounds * self.parameter_words

    @property
    def rounds_last(self) -> int:
        return self.rounds - (self.tiles - 1) * self.rounds_full

    @property
    def drain_full(self) -> int:
        """Cycles that one turn of a full tile occupies the requantisers: K * V."""
        return self.rounds_full * self.round_cycles

    @property
    def drain_last(self) -> int:
        return self.rounds_last * self.round_cycles
