"""Loop nests: how one layer runs on one machine, before it has addresses.

Letters in shapes: M processing elements, N lanes, O outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.geometry import Geometry
from bcsim.compiler.program.layers import DenseLayer, Search
from bcsim.machine.latency import round_cycles, write_cycles
from bcsim.machine.parameters import Machine

__all__ = ["LayerMapping", "ceil_div", "make_nest"]

Count = TypeVar("Count", int, NDArray[np.int64])


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True, slots=True)
class LayerMapping:
    """One layer's loop nest, its drain and its addresses.

    Outermost first, the loops are output position, tile, window of the pooling, plane, source, kernel row, kernel
    column, chunk, digit; where weights are streamed, tile comes before position. One round of the innermost six is a
    *pass*: it leaves one accumulator in every processing element. A dense layer has one position, one window and one
    tap.

    chunks, digits, planes, tiles : trip counts; `taps` is that of source, kernel row and kernel column together.
    tile_chunks : chunks by which a tile's first chunk lies behind that of the tile before; 0 where all tiles read
        all channels.
    factor : what the planes multiply every accumulator by: 2 where groups need weights of 0.
    rounds, rounds_full : rounds of requantisation for one position, and for every tile but the last.
    round_cycles : V of docs/machine.md.
    write_cycles : from a round's first cycle to its first write.
    target_digits : digits of an output value in the activation memory; 1 for scores, which are written whole.
    chunks_in_source : chunks of one position of a source; more than `chunks` where a tile reads a part of them, or
        another layer reads the source together with one of more channels.
    source_fills, fill : what the lanes beyond the channels hold, in each source and in the output: the level that
        means 0 where a reader pads with it, so that they hold the same at every position.
    output_pixel_words : words of one position of the output; 0 for scores.
    doubles : bit b set where the accumulators double before plane b.
    read_bases : where the layer's first source lies; one for each input buffer where that is the input.
    source_stride : words from one source to the next.
    write_base : where its output goes (0 for the scores, which are not stored there).
    wait : least cycles from the previous layer's last step to this layer's first.
    streamed : its weights come over the weight stream, a tile at a time (`compiler/mapping/weight_streaming.py`).
    first_weight, first_parameter : the layer's first words in the weight memory (where streamed, of an image's
        weight stream) and in the parameter memories.
    parameter_words : words of each parameter memory in one round.
    """

    layer: DenseLayer
    geometry: Geometry
    chunks: int
    digits: int
    planes: int
    tiles: int
    tile_chunks: int
    factor: int
    rounds: int
    rounds_full: int
    round_cycles: int
    write_cycles: int
    target_digits: int
    doubles: int
    scores: bool
    chunks_in_source: int
    output_pixel_words: int
    source_fills: tuple[int, ...] = ()
    fill: int = 0
    read_bases: tuple[int, ...] = ()
    source_stride: int = 0
    write_base: int = 0
    wait: int = 0
    streamed: bool = False
    first_weight: int = 0
    first_parameter: int = 0
    parameter_words: int = 1

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
    def passes(self) -> int:
        return self.results * self.tiles

    @property
    def results(self) -> int:
        """How often each output channel is accumulated and requantised: once a window."""
        return self.positions * self.window

    @property
    def steps_per_tile(self) -> int:
        """Steps of one pass."""
        return self.planes * self.taps * self.chunks * self.digits

    @property
    def steps(self) -> int:
        return self.passes * self.steps_per_tile

    @property
    def source_words(self) -> int:
        """Words of one source tensor in the activation memory."""
        return self.geometry.height * self.geometry.width * self.chunks_in_source * self.digits

    @property
    def output_words(self) -> int:
        """Words of the output tensor in the activation memory."""
        return self.positions * self.output_pixel_words

    def first_pass(self, position: Count, tile: Count) -> Count:
        """The number, in order of issue, of a tile's first pass at a position."""
        if self.streamed:
            return (tile * self.positions + position) * self.window
        return (position * self.tiles + tile) * self.window

    def tile_of(self, number: int) -> int:
        """The tile of a pass, by its number in order of issue."""
        return number // self.results if self.streamed else number // self.window % self.tiles

    @property
    def tile_words(self) -> int:
        """Weight words of one tile."""
        return self.planes * self.taps * self.chunks

    def idle_lanes(self, lanes: int) -> list[int]:
        """For each source, the lanes beyond its channels that a tap adds to an accumulator; 0 where planes cancel."""
        read = 0 if self.factor == 2 else self.chunks * lanes
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
        """Cycles a pass of a full tile occupies the requantisers: K * V."""
        return self.rounds_full * self.round_cycles

    @property
    def drain_last(self) -> int:
        return self.rounds_last * self.round_cycles


def make_nest(
    layer: DenseLayer,
    machine: Machine,
    *,
    scores: bool,
    packed: bool,
    source_chunks: int = 0,
    output_chunks: int = 0,
) -> LayerMapping:
    """The layer's loop nest; addresses follow.

    packed : the host sends one position for each window, with the whole window as its channels.
    source_chunks, output_chunks : the least chunks that a position has in its sources and in its output.
    """
    geometry = _packed(layer.geometry) if packed else layer.geometry
    _check(layer, geometry, scores)
    search = isinstance(layer.requantiser, Search)
    unit = machine.requantisers if scores else machine.lanes
    drained = ceil_div(layer.outputs, unit) * unit
    if not scores:
        drained = max(drained, output_chunks * machine.lanes)
    tiles, in_source = ceil_div(drained, machine.pes), ceil_div(max(geometry.channels), machine.lanes)
    in_source = max(source_chunks, in_source)
    chunks, tile_chunks = _tile_chunks(layer, geometry, machine, tiles, in_source)
    factor = 2 if geometry.groups > 1 else 1
    digits = 1 if scores else ceil_div(layer.target.bits, machine.digit)
    return LayerMapping(
        layer=layer,
        geometry=geometry,
        chunks=chunks,
        digits=ceil_div(layer.source.bits, machine.digit),
        planes=len(layer.planes) * factor,
        tiles=tiles,
        tile_chunks=tile_chunks,
        factor=factor,
        rounds=drained // machine.requantisers,
        rounds_full=machine.pes // machine.requantisers,
        round_cycles=round_cycles(layer.target.bits, search),
        write_cycles=write_cycles(layer.target.bits, search),
        target_digits=digits,
        doubles=_doubles(layer, machine, factor),
        scores=scores,
        chunks_in_source=in_source,
        output_pixel_words=0 if scores else drained // machine.lanes * digits,
        parameter_words=1 << layer.target.bits if search else 1,
    )


def _packed(geometry: Geometry) -> Geometry:
    rows, columns = geometry.windows
    return Geometry(rows, columns, (geometry.window_inputs,), pool=geometry.pool)


def _check(layer: DenseLayer, geometry: Geometry, scores: bool) -> None:
    if scores and geometry.output != (1, 1):
        raise BcsimError(
            f"Layer {layer.name!r} gives scores at {geometry.output[0]} x {geometry.output[1]} positions; "
            "the machine takes networks that end in one position"
        )


def _tile_chunks(
    layer: DenseLayer, geometry: Geometry, machine: Machine, tiles: int, in_source: int
) -> tuple[int, int]:
    """(chunks of a tap, chunks from one tile to the next): a tile of whole groups reads only their channels.

    Not where the last tile would read beyond its source: words there may be written between the two planes that
    should cancel them.
    """
    whole = ceil_div(max(geometry.channels), machine.lanes)
    if geometry.groups == 1 or len(set(geometry.channels)) > 1:
        return whole, 0
    per_group = layer.outputs // geometry.groups
    groups, left = divmod(machine.pes, per_group)
    channels = groups * (geometry.channels[0] // geometry.groups)
    step = channels // machine.lanes
    chunks = min(step, whole)
    if left or channels % machine.lanes or (tiles - 1) * step + chunks > in_source:
        return whole, 0
    return chunks, step


def _doubles(layer: DenseLayer, machine: Machine, factor: int) -> int:
    shifts = [plane.shift for plane in layer.planes]
    gaps = [high - low for high, low in pairwise(shifts)]
    if shifts[-1] != 0 or any(gap not in (0, 1) for gap in gaps):
        raise BcsimError(
            f"Layer {layer.name!r} has weight planes of shifts {shifts}; the array takes shifts that fall to 0 "
            "in steps of 0 or 1"
        )
    if any(gaps) and not machine.shift_planes:
        raise BcsimError(
            f"Layer {layer.name!r} has weights of {len(layer.planes)} planes that are powers of two: "
            "it needs a machine with shift_planes=true"
        )
    return sum(gap << ((index + 1) * factor) for index, gap in enumerate(gaps))
