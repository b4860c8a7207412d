"""The program memories' records of a mapped layer (bcsim.records, docs/machine.md)."""

from __future__ import annotations

from bcsim import records
from bcsim.compiler.nest import LayerMapping
from bcsim.compiler.program import Search
from bcsim.errors import BcsimError
from bcsim.machine import Machine

__all__ = ["drain_record", "issue_record", "stream_record"]


def issue_record(nest: LayerMapping, machine: Machine, *, first: bool) -> int:
    """The layer as the issue walker reads it."""
    dense = {
        "chunks": nest.chunks - 1,
        "digits": nest.digits - 1,
        "planes": nest.planes - 1,
        "tiles": nest.tiles - 1,
        "read_base": nest.read_bases[0],
        "wait": nest.wait,
        "drain_full": nest.drain_full,
        "drain_last": nest.drain_last,
        "doubles": nest.doubles,
        "first": int(first),
        "scores": int(nest.scores),
        "last": int(nest.scores),
        "read_base_odd": nest.read_bases[-1],
    }
    walk = _walk_fields(nest) if machine.spatial else {}
    return _pack_layer(nest, records.issue_fields(machine), dense | walk)


def _pack_layer(nest: LayerMapping, fields: records.Fields, values: dict[str, int]) -> int:
    """The record's word; BcsimError for a layer whose loops or windows are beyond the record's fields."""
    for name, width in fields:
        if values[name] >= 1 << width:
            raise BcsimError(
                f"Layer {nest.layer.name!r} is too large for the machine's records: {name} would be {values[name]}; "
                f"accepted are values up to {(1 << width) - 1}"
            )
    return records.pack(fields, **values)


def _wrap(value: int, bits: int) -> int:
    """Two's complement of `bits` bits, as an unsigned field."""
    return value & ((1 << bits) - 1)


def _walk_fields(nest: LayerMapping) -> dict[str, int]:
    """Trip counts, strides in words and positions of the loops around a pass."""
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
        "source_stride": _wrap(nest.source_stride, 20),
        "kernel_row_stride": row,
        "kernel_column_stride": column,
        "window_row_stride": row * down,
        "window_column_stride": column * right,
        "row_stride": row * down * pool_down,
        "column_stride": column * right * pool_right,
        "tile_stride": nest.tile_chunks * nest.digits,
        "origin": _wrap(-geometry.pads[0] * row - geometry.pads[1] * column, 20),
        "top": _wrap(-geometry.pads[0], 12),
        "left": _wrap(-geometry.pads[1], 12),
        "height": geometry.height,
        "width": geometry.width,
        "down": down,
        "right": right,
        "pool_down": down * pool_down,
        "pool_right": right * pool_right,
        "pad_level": geometry.pad_level,
    }


def drain_record(nest: LayerMapping, machine: Machine) -> int:
    """The layer as the drain walker reads it."""
    dense = {
        "tiles": nest.tiles - 1,
        "rounds_full": nest.rounds_full - 1,
        "rounds_last": nest.rounds_last - 1,
        "search": int(isinstance(nest.layer.requantiser, Search)),
        "bits": nest.layer.target.bits - 1,
        "digits": nest.target_digits - 1,
        "write_base": nest.write_base,
        "scores": int(nest.scores),
        "last": int(nest.scores),
    }
    positions = {"positions": nest.positions - 1, "window": nest.window - 1} if machine.spatial else {}
    return _pack_layer(nest, records.drain_fields(machine), dense | positions)


def stream_record(
    first: LayerMapping, machine: Machine, beats: int, position_beats: int, classes: int
) -> int:
    """What the loader and the output know of the program; `first` is the layer that reads the input."""
    fields = {
        "beats": beats - 1,
        "digits": first.digits - 1,
        "base": first.read_bases[0],
        "base_odd": first.read_bases[-1],
        "classes": classes - 1,
        "fingerprint": machine.fingerprint,
    }
    load = {"position_beats": position_beats - 1} if machine.spatial else {}
    return records.pack(records.stream_fields(machine), **fields, **load)
