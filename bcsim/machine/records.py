"""The program memories' words: field tuples, and packing to and from plain integers.

A record's fields go from the least significant bit up, each unsigned; docs/machine.md says what they mean.
A field named after a count (`chunks`, `digits`, `planes`, `tiles`, `words`, `rounds_*`, `bits`, `beats`, `classes`)
holds that count minus one.
"""

from __future__ import annotations

from typing import TypeAlias

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import ADDRESS_BITS, COORDINATE_BITS, WEIGHT_ADDRESS_BITS

__all__ = [
    "DRAIN_FIELDS",
    "ISSUE_FIELDS",
    "LOAD_FIELDS",
    "POSITION_FIELDS",
    "SLOT_FIELDS",
    "STREAMED_DRAIN_FIELDS",
    "STREAMED_WALK_FIELDS",
    "STREAM_FIELDS",
    "WALK_FIELDS",
    "WEIGHT_FIELDS",
    "WEIGHT_STREAM_FIELDS",
    "Fields",
    "drain_fields",
    "issue_fields",
    "pack",
    "record_bits",
    "stream_fields",
    "unpack",
]

Fields: TypeAlias = tuple[tuple[str, int], ...]

ISSUE_FIELDS: Fields = (
    ("chunks", 16),
    ("digits", 3),
    ("planes", 4),
    ("tiles", 16),
    ("read_base", ADDRESS_BITS),
    ("wait", 16),
    ("drain_full", 16),
    ("drain_last", 16),
    ("doubles", 16),
    ("first", 1),
    ("scores", 1),
    ("last", 1),
    ("read_base_odd", ADDRESS_BITS),
)
"""A layer as the issue walker reads it."""

DRAIN_FIELDS: Fields = (
    ("tiles", 16),
    ("rounds_full", 16),
    ("rounds_last", 16),
    ("search", 1),
    ("bits", 4),
    ("digits", 3),
    ("write_base", ADDRESS_BITS),
    ("scores", 1),
    ("last", 1),
)
"""A layer as the drain walker reads it."""

WALK_FIELDS: Fields = (
    ("sources", 4),
    ("kernel_rows", 5),
    ("kernel_columns", 5),
    ("window_rows", 4),
    ("window_columns", 4),
    ("rows", COORDINATE_BITS),
    ("columns", COORDINATE_BITS),
    ("source_stride", ADDRESS_BITS),
    ("kernel_row_stride", ADDRESS_BITS),
    ("kernel_column_stride", ADDRESS_BITS),
    ("window_row_stride", ADDRESS_BITS),
    ("window_column_stride", ADDRESS_BITS),
    ("row_stride", ADDRESS_BITS),
    ("column_stride", ADDRESS_BITS),
    ("tile_stride", ADDRESS_BITS),
    ("origin", ADDRESS_BITS),
    ("top", COORDINATE_BITS),
    ("left", COORDINATE_BITS),
    ("height", COORDINATE_BITS),
    ("width", COORDINATE_BITS),
    ("down", 4),
    ("right", 4),
    ("pool_down", 8),
    ("pool_right", 8),
    ("pad_level", 8),
)
"""What a spatial machine's issue records hold behind ISSUE_FIELDS: the loops around a pass, strides in words."""

LOAD_FIELDS: Fields = (("position_beats", ADDRESS_BITS),)
"""What a spatial machine's stream record holds behind STREAM_FIELDS."""

POSITION_FIELDS: Fields = (
    ("positions", 24),
    ("window", 8),
)
"""What a spatial machine's drain records hold behind DRAIN_FIELDS."""

STREAM_FIELDS: Fields = (
    ("beats", ADDRESS_BITS),
    ("digits", 3),
    ("base", ADDRESS_BITS),
    ("base_odd", ADDRESS_BITS),
    ("classes", 16),
    ("fingerprint", 32),
)
"""What the loader and the output know of the program; one word."""


WEIGHT_FIELDS: Fields = (
    ("streamed", 1),
    ("weight_base", WEIGHT_ADDRESS_BITS),
    ("weight_base_odd", WEIGHT_ADDRESS_BITS),
)
"""What issue records hold behind these where weights can stream."""

STREAMED_WALK_FIELDS: Fields = (("streamed_tiles", 16),)
"""What a spatial machine's issue records hold behind WEIGHT_FIELDS: the loop around the positions."""

STREAMED_DRAIN_FIELDS: Fields = (
    ("streamed_tiles", 16),
    ("position_stride", ADDRESS_BITS),
    ("tile_stride", ADDRESS_BITS),
)
"""What a spatial machine's drain records hold behind POSITION_FIELDS where weights can stream; strides in words."""

SLOT_FIELDS: Fields = (
    ("streams", 1),
    ("slot_base", WEIGHT_ADDRESS_BITS),
    ("slot_base_odd", WEIGHT_ADDRESS_BITS),
)
"""What the stream record holds last where weights can stream."""

WEIGHT_STREAM_FIELDS: Fields = (
    ("tiles", 16),
    ("words", WEIGHT_ADDRESS_BITS),
    ("last", 1),
)
"""A layer whose weights stream as the weight loader reads it: tiles and the words of each."""


def _present(*parts: tuple[object, Fields]) -> Fields:
    """The fields of the parts whose condition holds, one after the other."""
    return tuple(field for condition, fields in parts if condition for field in fields)


def issue_fields(machine: Machine) -> Fields:
    """The issue record's on this machine."""
    streams = machine.weight_stream_bytes
    return ISSUE_FIELDS + _present(
        (machine.spatial, WALK_FIELDS),
        (streams, WEIGHT_FIELDS),
        (streams and machine.spatial, STREAMED_WALK_FIELDS),
    )


def drain_fields(machine: Machine) -> Fields:
    """The drain record's on this machine."""
    streams = machine.weight_stream_bytes and machine.spatial
    return DRAIN_FIELDS + _present((machine.spatial, POSITION_FIELDS), (streams, STREAMED_DRAIN_FIELDS))


def stream_fields(machine: Machine) -> Fields:
    """The stream record's on this machine."""
    return STREAM_FIELDS + _present(
        (machine.spatial, LOAD_FIELDS), (machine.weight_stream_bytes, SLOT_FIELDS)
    )


def record_bits(fields: Fields) -> int:
    """Width of a record's word."""
    return sum(width for _, width in fields)


def pack(fields: Fields, **values: int) -> int:
    """The record's word. Raises ValueError for a missing or unknown field or a value that does not fit."""
    if values.keys() != dict(fields).keys():
        wrong = sorted(values.keys() ^ dict(fields).keys())
        raise ValueError(f"Record needs each of its fields once; missing or unknown: {', '.join(wrong)}")
    word, shift = 0, 0
    for name, width in fields:
        if not 0 <= values[name] < 1 << width:
            raise ValueError(f"Field {name} must be from 0 to {(1 << width) - 1}, not {values[name]!r}")
        word |= int(values[name]) << shift
        shift += width
    return word


def unpack(fields: Fields, word: int) -> dict[str, int]:
    """The record's fields by name. Raises ValueError where `word` is wider than the record."""
    if not 0 <= word < 1 << record_bits(fields):
        raise ValueError(f"Record must be an unsigned integer of {record_bits(fields)} bits, not {word!r}")
    values = {}
    for name, width in fields:
        values[name] = word & ((1 << width) - 1)
        word >>= width
    return values
