"""The program memories' records of a mapped layer (bcsim.machine.records, docs/machine.md)."""

from __future__ import annotations

from collections.abc import Sequence

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.compiler.program.layers import Search
from bcsim.machine import records
from bcsim.machine.parameters import Machine
from bcsim.machine.widths import ADDRESS_BITS, COORDINATE_BITS

__all__ = ["drain_record", "issue_record", "stream_record", "weight_stream_records"]


def issue_record(layer: PlacedLayer, machine: Machine, slots: Sequence[int]) -> int:
    """The layer as the issue walker reads it."""
    nest = layer.nest
    dense = {
        "chunks": nest.chunks - 1,
        "digits": nest.digits - 1,
        "planes": nest.planes - 1,
        "tiles": _inner_tiles(nest, machine) - 1,
        "read_base": layer.read_bases[0],
        "wait": layer.wait,
        "drain_full": nest.drain_full,
        "drain_last": nest.drain_last,
        "doubles": nest.doubles,
        "first": int(layer.first),
        "scores": int(nest.scores),
        "last": int(nest.scores),
        "read_base_odd": layer.read_bases[-1],
    }
    walk = _walk_fields(layer) if machine.spatial else {}
    weights = _weight_fields(layer, machine, slots) if machine.weight_stream_bytes else {}
    return _pack_layer(nest, records.issue_fields(machine), dense | walk | weights)


def _pack_layer(nest: LoopNest, fields: records.Fields, values: dict[str, int]) -> int:
    """The record's word; BcsimError for a layer whose loops or windows are beyond the record's fields."""
    for name, width in fields:
        if values[name] >= 1 << width:
            raise BcsimError(
                f"Layer {nest.layer.name!r} is too large for the machine's records: {name} would be {values[name]}; "
                f"accepted are values up to {(1 << width) - 1}"
            )
    return records.pack(fields, **values)


def _inner_tiles(nest: LoopNest, machine: Machine) -> int:
    """Trips of the loop of tiles at one position; a spatial machine walks streamed tiles in a loop around it."""
    return 1 if nest.streamed and machine.spatial else nest.tiles


def _weight_fields(layer: PlacedLayer, machine: Machine, slots: Sequence[int]) -> dict[str, int]:
    nest = layer.nest
    bases = slots if nest.streamed else [layer.first_weight]
    fields = {"streamed": int(nest.streamed), "weight_base": bases[0], "weight_base_odd": bases[-1]}
    return fields | ({"streamed_tiles": _outer_tiles(nest) - 1} if machine.spatial else {})


def _outer_tiles(nest: LoopNest) -> int:
    return nest.tiles if nest.streamed else 1


def _wrap(value: int, bits: int) -> int:
    """Two's complement of `bits` bits, as an unsigned field."""
    return value & ((1 << bits) - 1)


def _walk_fields(layer: PlacedLayer) -> dict[str, int]:
    """Trip counts, strides in words and positions of the loops around a pass."""
    nest = layer.nest
    geometry, pool = nest.geometry, nest.geometry.pool
    column = nest.chunks_in_source * nest.digits
    row = geometry.width * column
    down, right = geometry.stride
    pool_down, pool_right = pool.stride if pool else (1, 1)
    pool_rows, pool_columns = pool.kernel if pool else (1, 1)
    rows, columns = geometry.output
    return {
        "sources": len(geometry.channels) - 1,
        "kernel_rows": geometry.kernel[0] - 1,
        "kernel_columns": geometry.kernel[1] - 1,
        "window_rows": pool_rows - 1,
        "window_columns": pool_columns - 1,
        "rows": rows - 1,
        "columns": columns - 1,
        "source_stride": _wrap(layer.source_stride, ADDRESS_BITS),
        "kernel_row_stride": row,
        "kernel_column_stride": column,
        "window_row_stride": row * down,
        "window_column_stride": column * right,
        "row_stride": row * down * pool_down,
        "column_stride": column * right * pool_right,
        "tile_stride": nest.tile_chunks * nest.digits,
        "origin": _wrap(-geometry.pads[0] * row - geometry.pads[1] * column, ADDRESS_BITS),
        "top": _wrap(-geometry.pads[0], COORDINATE_BITS),
        "left": _wrap(-geometry.pads[1], COORDINATE_BITS),
        "height": geometry.height,
        "width": geometry.width,
        "down": down,
        "right": right,
        "pool_down": down * pool_down,
        "pool_right": right * pool_right,
        "pad_level": geometry.pad_level,
    }


def drain_record(layer: PlacedLayer, machine: Machine) -> int:
    """The layer as the drain walker reads it."""
    nest = layer.nest
    dense = {
        "tiles": _inner_tiles(nest, machine) - 1,
        "rounds_full": nest.rounds_full - 1,
        "rounds_last": nest.rounds_last - 1,
        "search": int(isinstance(nest.layer.requantiser, Search)),
        "bits": nest.layer.target.bits - 1,
        "digits": nest.target_digits - 1,
        "write_base": layer.write_base,
        "scores": int(nest.scores),
        "last": int(nest.scores),
    }
    positions = {"positions": nest.positions - 1, "window": nest.window - 1} if machine.spatial else {}
    streamed = _streamed_places(nest, machine) if machine.spatial and machine.weight_stream_bytes else {}
    return _pack_layer(nest, records.drain_fields(machine), dense | positions | streamed)


def _streamed_places(nest: LoopNest, machine: Machine) -> dict[str, int]:
    """A tile's values lie in pes / lanes words of every position, times the digits."""
    return {
        "streamed_tiles": _outer_tiles(nest) - 1,
        "position_stride": nest.output_pixel_words,
        "tile_stride": machine.pes // machine.lanes * nest.target_digits,
    }


def stream_record(
    first: PlacedLayer,
    machine: Machine,
    slots: Sequence[int],
    beats: int,
    position_beats: int,
    classes: int,
) -> int:
    """What the loaders and the output know of the program; `first` is the layer that reads the input."""
    fields = {
        "beats": beats - 1,
        "digits": first.nest.digits - 1,
        "base": first.read_bases[0],
        "base_odd": first.read_bases[-1],
        "classes": classes - 1,
        "fingerprint": machine.fingerprint,
    }
    load = {"position_beats": position_beats - 1} if machine.spatial else {}
    bases = slots or (0, 0)
    weights = {"streams": int(bool(slots)), "slot_base": bases[0], "slot_base_odd": bases[1]}
    streams = weights if machine.weight_stream_bytes else {}
    return records.pack(records.stream_fields(machine), **fields, **load, **streams)


def weight_stream_records(nests: Sequence[LoopNest]) -> tuple[int, ...]:
    """The layers whose weights stream as the weight loader reads them."""
    streamed = [nest for nest in nests if nest.streamed]
    return tuple(
        records.pack(
            records.WEIGHT_STREAM_FIELDS,
            tiles=nest.tiles - 1,
            words=nest.tile_words - 1,
            last=int(nest is streamed[-1]),
        )
        for nest in streamed
    )
