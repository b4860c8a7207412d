"""The parts that the program memories' records consist of, field by field.

A part's fields go from the least significant bit up, each unsigned; docs/machine.md says what they mean.
A field named after a count (`chunks`, `digits`, `planes`, `tiles`, `words`, `rounds_*`, `bits`, `beats`, `classes`,
`images`) holds that count minus one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias, get_args, get_type_hints

from bcsim.machine.widths import ADDRESS_BITS, COORDINATE_BITS, SCORE_BITS, WEIGHT_ADDRESS_BITS

__all__ = [
    "FIELDS",
    "RECORDS",
    "BatchFields",
    "DrainFields",
    "Fields",
    "IssueFields",
    "LoadFields",
    "PlaceFields",
    "PositionFields",
    "Record",
    "SlotFields",
    "StreamFields",
    "StreamedDrainFields",
    "StreamedWalkFields",
    "StripDrainFields",
    "StripFields",
    "WalkFields",
    "WeightFields",
    "WeightStreamFields",
    "fields_of",
]

Address: TypeAlias = Annotated[int, ADDRESS_BITS]
WeightAddress: TypeAlias = Annotated[int, WEIGHT_ADDRESS_BITS]
Coordinate: TypeAlias = Annotated[int, COORDINATE_BITS]
StripCount: TypeAlias = Annotated[int, 4]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueFields:
    """A layer as the issue walker reads it."""

    chunks: Annotated[int, 16]
    digits: Annotated[int, 3]
    planes: Annotated[int, 4]
    tiles: Annotated[int, 16]
    read_base: Address
    wait: Annotated[int, 16]
    drain_full: Annotated[int, 16]
    drain_last: Annotated[int, 16]
    doubles: Annotated[int, 16]
    first: Annotated[int, 1]
    scores: Annotated[int, 1]
    last: Annotated[int, 1]
    read_base_odd: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkFields:
    """What a spatial machine's issue records hold behind IssueFields: the loops around a pass, strides in words.

    Strides, the origin, top and left are in two's complement.
    """

    sources: Annotated[int, 4]
    kernel_rows: Coordinate
    kernel_columns: Coordinate
    window_rows: Coordinate
    window_columns: Coordinate
    rows: Coordinate
    columns: Coordinate
    source_stride: Address
    kernel_row_stride: Address
    kernel_column_stride: Address
    window_row_stride: Address
    window_column_stride: Address
    row_stride: Address
    column_stride: Address
    tile_stride: Address
    origin: Address
    top: Coordinate
    left: Coordinate
    height: Coordinate
    width: Coordinate
    down: Coordinate
    right: Coordinate
    pool_down: Coordinate
    pool_right: Coordinate
    pad_level: Annotated[int, 8]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFields:
    """What issue records hold behind those where weights can stream."""

    streamed: Annotated[int, 1]
    weight_base: WeightAddress
    weight_base_odd: WeightAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedWalkFields:
    """What a spatial machine's issue records hold behind WeightFields: the loop around the positions."""

    streamed_tiles: Annotated[int, 16]


@dataclass(frozen=True, slots=True, kw_only=True)
class StripFields:
    """What issue records hold last where weights are used again: the positions of a strip, and of a row's last one.

    short_drain_* : as drain_full and drain_last, behind a row's last strip.
    """

    strip: StripCount
    short_strip: StripCount
    strip_stride: Address
    strip_right: Coordinate
    short_drain_full: Annotated[int, 16]
    short_drain_last: Annotated[int, 16]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainFields:
    """A layer as the drain walker reads it."""

    tiles: Annotated[int, 16]
    rounds_full: Annotated[int, 16]
    rounds_last: Annotated[int, 16]
    search: Annotated[int, 1]
    bits: Annotated[int, 4]
    digits: Annotated[int, 3]
    write_base: Address
    scores: Annotated[int, 1]
    last: Annotated[int, 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionFields:
    """What a spatial machine's drain records hold behind DrainFields."""

    positions: Annotated[int, 24]
    window: Annotated[int, 16]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedDrainFields:
    """What a spatial machine's drain records hold behind PositionFields where weights can stream; strides in words."""

    streamed_tiles: Annotated[int, 16]
    position_stride: Address
    tile_stride: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceFields:
    """What drain records hold behind PositionFields where weights are used again and none stream."""

    position_stride: Address
    tile_stride: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class StripDrainFields:
    """What drain records hold last where weights are used again: from a strip's last words to the next strip's first,
    in two's complement."""

    next_stride: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFields:
    """What the loader and the output know of the program; one word."""

    beats: Address
    digits: Annotated[int, 3]
    base: Address
    base_odd: Address
    classes: Annotated[int, 16]
    positive: Annotated[int, SCORE_BITS + 1]
    fingerprint: Annotated[int, 32]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFields:
    """What a spatial machine's stream record holds behind StreamFields."""

    position_beats: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFields:
    """What the stream record holds behind LoadFields where weights can stream."""

    streams: Annotated[int, 1]
    slot_base: WeightAddress
    slot_base_odd: WeightAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFields:
    """What the stream record holds last on a machine that can take several images at once: how many it does."""

    images: Annotated[int, 4]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightStreamFields:
    """A layer whose weights stream as the weight loader reads it: tiles and the words of each."""

    tiles: Annotated[int, 16]
    words: WeightAddress
    last: Annotated[int, 1]


Record: TypeAlias = (
    IssueFields
    | WalkFields
    | WeightFields
    | StreamedWalkFields
    | StripFields
    | DrainFields
    | PositionFields
    | StreamedDrainFields
    | PlaceFields
    | StripDrainFields
    | StreamFields
    | LoadFields
    | SlotFields
    | BatchFields
    | WeightStreamFields
)
"""A part of a record."""

Fields: TypeAlias = tuple[tuple[str, int], ...]


RECORDS: tuple[type[Record], ...] = get_args(Record)

# Once: annotations are text, and to evaluate those of one part takes 0.2 ms.
FIELDS: Mapping[type[Record], Fields] = {
    part: tuple(
        (name, hint.__metadata__[0]) for name, hint in get_type_hints(part, include_extras=True).items()
    )
    for part in RECORDS
}


def fields_of(*parts: type[Record]) -> Fields:
    """The names and widths of these parts' fields, from the least significant bit up."""
    return tuple((name, width) for part in parts for name, width in FIELDS[part])
