"""The program memories' records of a mapped layer (bcsim.machine.records, docs/machine.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.compiler.program.classes import NEVER, least_positive
from bcsim.compiler.program.geometry import window_corners
from bcsim.compiler.program.layers import Search
from bcsim.machine.parameters import Machine
from bcsim.machine.record_parts import (
    BatchFields,
    DrainFields,
    Fields,
    IssueFields,
    LoadFields,
    PlaceFields,
    PositionFields,
    Record,
    SlotFields,
    StreamedDrainFields,
    StreamedWalkFields,
    StreamFields,
    StripDrainFields,
    StripFields,
    WalkFields,
    WeightFields,
    WeightStreamFields,
)
from bcsim.machine.records import (
    drain_fields,
    issue_fields,
    pack,
    pack_parts,
    stream_fields,
    values_of,
    weight_stream_fields,
)
from bcsim.machine.widths import ADDRESS_BITS, COORDINATE_BITS

__all__ = [
    "coordinate_bits",
    "drain_record",
    "issue_record",
    "narrowed",
    "stream_record",
    "weight_stream_records",
]


def issue_record(layer: PlacedLayer, machine: Machine, slots: Sequence[int]) -> int:
    """The layer as the issue walker reads it."""
    parts: list[Record] = [_issue(layer, machine)]
    if machine.spatial:
        parts.append(_walk(layer))
    if machine.weight_stream_bytes:
        parts.append(_weights(layer, slots))
        if machine.spatial:
            parts.append(StreamedWalkFields(streamed_tiles=_outer_tiles(layer.nest) - 1))
    if machine.reuse > 1:
        parts.append(_strips(layer.nest))
    return _pack_layer(layer, machine, issue_fields(machine), parts)


def _issue(layer: PlacedLayer, machine: Machine) -> IssueFields:
    nest = layer.nest
    return IssueFields(
        chunks=nest.chunks - 1,
        digits=nest.digits - 1,
        planes=nest.planes - 1,
        tiles=_inner_tiles(nest, machine) - 1,
        read_base=layer.read_bases[0],
        wait=layer.wait,
        drain_full=nest.turns(nest.strip_full) * nest.drain_full,
        drain_last=nest.turns(nest.strip_full) * nest.drain_last,
        doubles=nest.doubles,
        first=int(layer.first),
        scores=int(nest.scores),
        last=int(nest.scores),
        read_base_odd=layer.read_bases[-1],
    )


def _weights(layer: PlacedLayer, slots: Sequence[int]) -> WeightFields:
    bases = slots if layer.nest.streamed else [layer.first_weight]
    return WeightFields(streamed=int(layer.nest.streamed), weight_base=bases[0], weight_base_odd=bases[-1])


def _pack_layer(layer: PlacedLayer, machine: Machine, fields: Fields, parts: Sequence[Record]) -> int:
    """The record's word; BcsimError for a layer whose loops or windows are beyond the record's fields."""
    values = values_of(*parts)
    if machine.record_bits:
        values |= narrowed(layer, machine, values)
    return _pack(f"Layer {layer.nest.layer.name!r}", fields, values)


def _pack(noun: str, fields: Fields, values: Mapping[str, int]) -> int:
    for name, width in fields:
        if values[name] >= 1 << width:
            raise BcsimError(
                f"{noun} is too large for the machine's records: {name} would be "
                f"{values[name]}; accepted are values up to {(1 << width) - 1}"
            )
    return pack(fields, **values)


def narrowed(layer: PlacedLayer, machine: Machine, values: Mapping[str, int]) -> dict[str, int]:
    """Fields in two's complement as they are on a machine of narrower ones.

    Addresses are as wide as the activation memory needs and wrap around there; positions wrap around at the width of
    `top` and `left`, where none of them may meet another one that is inside of the tensor.
    """
    narrow = {
        name: _wrap(value, (machine.activation_words - 1).bit_length())
        for name, value in values.items()
        if name.endswith("stride") or name == "origin"
    }
    widths = machine.field_bits
    for name, least in (coordinate_bits(layer) if "top" in values else {}).items():
        if widths.get(name, COORDINATE_BITS) >= least:
            narrow[name] = _wrap(values[name], widths.get(name, COORDINATE_BITS))
    return narrow


def coordinate_bits(layer: PlacedLayer) -> dict[str, int]:
    """Bits in which no position of a window meets another: those beyond the tensor's start count from 2**bits down."""
    geometry = layer.nest.geometry
    corners = window_corners(geometry)
    ends = (corner.max() + kernel for corner, kernel in zip(corners, geometry.kernel, strict=True))
    sizes = (max(int(end), size) for end, size in zip(ends, (geometry.height, geometry.width), strict=True))
    return {
        name: max(1, (size + pad - 1).bit_length())
        for name, size, pad in zip(("top", "left"), sizes, geometry.pads[:2], strict=True)
    }


def _inner_tiles(nest: LoopNest, machine: Machine) -> int:
    """Trips of the loop of tiles at one position; a spatial machine walks streamed tiles in a loop around it."""
    return 1 if nest.streamed and machine.spatial else nest.tiles


def _outer_tiles(nest: LoopNest) -> int:
    return nest.tiles if nest.streamed else 1


def _wrap(value: int, bits: int) -> int:
    """Two's complement of `bits` bits, as an unsigned field."""
    return value & ((1 << bits) - 1)


def _step(trips: int, stride: int) -> int:
    return stride if trips > 1 else 0


def _walk(layer: PlacedLayer) -> WalkFields:
    """Trip counts, strides in words and positions of the loops around a pass."""
    nest = layer.nest
    geometry, pool = nest.geometry, nest.geometry.pool
    column = nest.chunks_in_source * nest.digits
    row = geometry.width * column
    pool_rows, pool_columns = pool.kernel if pool else (1, 1)
    rows, columns = geometry.output[0], nest.strips_in_row
    # A loop of one trip takes no step, however far it would lead.
    down, right = (
        _step(trips, by) for trips, by in zip((pool_rows, pool_columns), geometry.stride, strict=True)
    )
    strides = pool.stride if pool else (1, 1)
    pool_down = _step(rows, geometry.stride[0] * strides[0])
    pool_right = _step(nest.strips_in_row, nest.reuse * geometry.stride[1] * strides[1])
    return WalkFields(
        sources=len(geometry.channels) - 1,
        kernel_rows=geometry.kernel[0] - 1,
        kernel_columns=geometry.kernel[1] - 1,
        window_rows=pool_rows - 1,
        window_columns=pool_columns - 1,
        rows=rows - 1,
        columns=columns - 1,
        source_stride=_wrap(layer.source_stride, ADDRESS_BITS),
        kernel_row_stride=row,
        kernel_column_stride=column,
        window_row_stride=row * down,
        window_column_stride=column * right,
        row_stride=row * pool_down,
        column_stride=column * pool_right,
        tile_stride=nest.tile_chunks * nest.digits,
        origin=_wrap(-geometry.pads[0] * row - geometry.pads[1] * column, ADDRESS_BITS),
        top=_wrap(-geometry.pads[0], COORDINATE_BITS),
        left=_wrap(-geometry.pads[1], COORDINATE_BITS),
        height=geometry.height,
        width=geometry.width,
        down=down,
        right=right,
        pool_down=pool_down,
        pool_right=pool_right,
        pad_level=geometry.pad_level,
    )


def _strips(nest: LoopNest) -> StripFields:
    geometry, pool = nest.geometry, nest.geometry.pool
    right = _step(nest.strip_full, geometry.stride[1] * (pool.stride[1] if pool else 1))
    return StripFields(
        strip=nest.strip_full - 1,
        short_strip=nest.strip_last - 1,
        strip_stride=right * nest.chunks_in_source * nest.digits,
        strip_right=right,
        short_drain_full=nest.turns(nest.strip_last) * nest.drain_full,
        short_drain_last=nest.turns(nest.strip_last) * nest.drain_last,
    )


def drain_record(layer: PlacedLayer, machine: Machine) -> int:
    """The layer as the drain walker reads it."""
    nest = layer.nest
    parts: list[Record] = [_drain(layer, machine)]
    if machine.spatial:
        parts.append(PositionFields(positions=nest.strips - 1, window=nest.window - 1))
        if machine.weight_stream_bytes:
            parts.append(_streamed_places(nest, machine))
        if machine.reuse > 1:
            parts += _strip_places(nest, machine)
    return _pack_layer(layer, machine, drain_fields(machine), parts)


def _drain(layer: PlacedLayer, machine: Machine) -> DrainFields:
    nest = layer.nest
    return DrainFields(
        tiles=_inner_tiles(nest, machine) - 1,
        rounds_full=nest.rounds_full - 1,
        rounds_last=nest.rounds_last - 1,
        search=int(isinstance(nest.layer.requantiser, Search)),
        bits=nest.layer.target.bits - 1,
        digits=nest.target_digits - 1,
        write_base=layer.write_base,
        scores=int(nest.scores),
        last=int(nest.scores),
    )


def _tile_stride(nest: LoopNest, machine: Machine) -> int:
    """A tile's values lie in pes / lanes words of every position, times the digits."""
    return machine.pes // machine.lanes * nest.target_digits


def _streamed_places(nest: LoopNest, machine: Machine) -> StreamedDrainFields:
    return StreamedDrainFields(
        streamed_tiles=_outer_tiles(nest) - 1,
        position_stride=nest.output_pixel_words,
        tile_stride=_tile_stride(nest, machine),
    )


def _strip_places(nest: LoopNest, machine: Machine) -> list[Record]:
    """Behind the last tile of a strip's last position comes the first one of the position behind it."""
    back = (_inner_tiles(nest, machine) - 1) * _tile_stride(nest, machine)
    onward = StripDrainFields(next_stride=_wrap(nest.output_pixel_words - back, ADDRESS_BITS))
    if machine.weight_stream_bytes:
        return [onward]
    return [
        PlaceFields(position_stride=nest.output_pixel_words, tile_stride=_tile_stride(nest, machine)),
        onward,
    ]


def stream_record(
    layers: Sequence[PlacedLayer],
    machine: Machine,
    slots: Sequence[int],
    beats: int,
    position_beats: int,
    images: int = 1,
) -> int:
    """What the loaders and the output know of the program.

    beats, position_beats : input stream words of an image and of a position. images : taken at once.
    """
    first, scores = layers[0], layers[-1].nest.layer
    stream = StreamFields(
        beats=beats - 1,
        digits=first.nest.digits - 1,
        base=first.read_bases[0],
        base_odd=first.read_bases[-1],
        classes=scores.outputs - 1,
        positive=least_positive(scores.target) if scores.outputs == 1 else NEVER,
        fingerprint=machine.fingerprint,
    )
    parts: list[Record] = [stream]
    if machine.spatial:
        parts.append(LoadFields(position_beats=position_beats - 1))
    if machine.weight_stream_bytes:
        even, odd = slots or (0, 0)
        parts.append(SlotFields(streams=int(bool(slots)), slot_base=even, slot_base_odd=odd))
    if machine.batch > 1:
        parts.append(BatchFields(images=images - 1))
    return _pack("Network", stream_fields(machine), values_of(*parts))


def weight_stream_records(nests: Sequence[LoopNest], machine: Machine) -> tuple[int, ...]:
    """The layers whose weights stream as the weight loader reads them."""
    streamed = [nest for nest in nests if nest.streamed]
    return tuple(
        pack_parts(
            weight_stream_fields(machine),
            WeightStreamFields(
                tiles=nest.tiles - 1, words=nest.tile_words - 1, last=int(nest is streamed[-1])
            ),
        )
        for nest in streamed
    )
