"""Layouts of the program memories' records, for hardware."""

from __future__ import annotations

from amaranth.lib.data import StructLayout

from bcsim.machine import Machine
from bcsim.records import drain_fields, issue_fields, stream_fields

__all__ = ["drain_layout", "issue_layout", "stream_layout"]


def issue_layout(machine: Machine) -> StructLayout:
    """The issue record's fields from the least significant bit up, each unsigned."""
    return StructLayout(dict(issue_fields(machine)))


def drain_layout(machine: Machine) -> StructLayout:
    """The drain record's fields, likewise."""
    return StructLayout(dict(drain_fields(machine)))


def stream_layout(machine: Machine) -> StructLayout:
    """The stream record's fields, likewise."""
    return StructLayout(dict(stream_fields(machine)))
