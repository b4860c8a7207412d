"""Layouts of the program memories' records, for hardware."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.lib.data import StructLayout

from bcsim.machine.parameters import Machine
from bcsim.machine.records import drain_fields, issue_fields, stream_fields, weight_stream_fields
from bcsim.machine.widths import address_bits

__all__ = ["drain_layout", "issue_layout", "stream_layout", "trip_widths", "weight_stream_layout"]


def issue_layout(machine: Machine) -> StructLayout:
    """The issue record's fields from the least significant bit up, each unsigned."""
    return StructLayout(dict(issue_fields(machine)))


def drain_layout(machine: Machine) -> StructLayout:
    """The drain record's fields, likewise."""
    return StructLayout(dict(drain_fields(machine)))


def stream_layout(machine: Machine) -> StructLayout:
    """The stream record's fields, likewise."""
    return StructLayout(dict(stream_fields(machine)))


def weight_stream_layout(machine: Machine) -> StructLayout:
    """The weight stream record's fields, likewise."""
    return StructLayout(dict(weight_stream_fields(machine)))


def trip_widths(machine: Machine, layout: StructLayout, loops: Sequence[str]) -> dict[str, int]:
    """Bits of the loops' trip counts: the record's, where the machine's memories do not bound them more closely.

    A value has no more digits than the widest activation. A layer's chunks, rows, columns and positions are words of
    the activation memory, its tiles have parameters of their own and, where weights do not stream, weights too.
    """
    words = address_bits(machine.activation_words)
    own = (machine.parameter_words, *(() if machine.weight_stream_bytes else (machine.weight_words,)))
    tiles = address_bits(min(own))
    most = {"tiles": tiles, "streamed_tiles": tiles} | dict.fromkeys(
        ("chunks", "rows", "columns", "positions"), words
    )
    most["digits"] = (-(-machine.activation_bits // machine.digit) - 1).bit_length()
    most["strip"] = max(1, (machine.reuse - 1).bit_length())
    return {name: min(layout[name].width, most.get(name, layout[name].width)) for name in loops}
