"""The program memories' words: the parts that records have on a machine, and packing to and from plain integers."""

from __future__ import annotations

from dataclasses import asdict

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
    fields_of,
)

__all__ = [
    "drain_fields",
    "issue_fields",
    "on_machine",
    "pack",
    "pack_parts",
    "record_bits",
    "stream_fields",
    "unpack",
    "values_of",
    "weight_stream_fields",
]


def values_of(*parts: Record) -> dict[str, int]:
    """The values of these parts' fields by name."""
    return {name: value for part in parts for name, value in asdict(part).items()}


def on_machine(machine: Machine, *parts: type[Record]) -> Fields:
    """The names and widths of these parts' fields on this machine."""
    given = machine.field_bits
    return tuple((name, given.get(name, width)) for name, width in fields_of(*parts))


def weight_stream_fields(machine: Machine) -> Fields:
    """The weight stream record's on this machine."""
    return on_machine(machine, WeightStreamFields)


def issue_fields(machine: Machine) -> Fields:
    """The issue record's on this machine."""
    parts: list[type[Record]] = [IssueFields]
    if machine.spatial:
        parts.append(WalkFields)
    if machine.weight_stream_bytes:
        parts += [WeightFields, StreamedWalkFields] if machine.spatial else [WeightFields]
    if machine.reuse > 1:
        parts.append(StripFields)
    return on_machine(machine, *parts)


def drain_fields(machine: Machine) -> Fields:
    """The drain record's on this machine."""
    if not machine.spatial:
        return on_machine(machine, DrainFields)
    parts: list[type[Record]] = [DrainFields, PositionFields]
    if machine.weight_stream_bytes:
        parts.append(StreamedDrainFields)
    if machine.reuse > 1:
        parts += [StripDrainFields] if machine.weight_stream_bytes else [PlaceFields, StripDrainFields]
    return on_machine(machine, *parts)


def stream_fields(machine: Machine) -> Fields:
    """The stream record's on this machine."""
    load = (LoadFields,) if machine.spatial else ()
    slots = (SlotFields,) if machine.weight_stream_bytes else ()
    batch = (BatchFields,) if machine.batch > 1 else ()
    return on_machine(machine, StreamFields, *load, *slots, *batch)


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


def pack_parts(fields: Fields, *parts: Record) -> int:
    """The word of a record in these parts. Raises ValueError as `pack` does."""
    return pack(fields, **values_of(*parts))


def unpack(fields: Fields, word: int) -> dict[str, int]:
    """The record's fields by name. Raises ValueError where `word` is wider than the record."""
    if not 0 <= word < 1 << record_bits(fields):
        raise ValueError(f"Record must be an unsigned integer of {record_bits(fields)} bits, not {word!r}")
    values = {}
    for name, width in fields:
        values[name] = word & ((1 << width) - 1)
        word >>= width
    return values
