"""Layouts of the program memories' records, for hardware."""

from __future__ import annotations

from amaranth.lib.data import StructLayout

from bcsim.records import DRAIN_FIELDS, ISSUE_FIELDS, STREAM_FIELDS, Fields

__all__ = ["DRAIN_LAYOUT", "ISSUE_LAYOUT", "STREAM_LAYOUT"]


def layout(fields: Fields) -> StructLayout:
    """The fields from the least significant bit up, each unsigned."""
    return StructLayout(dict(fields))


ISSUE_LAYOUT = layout(ISSUE_FIELDS)
DRAIN_LAYOUT = layout(DRAIN_FIELDS)
STREAM_LAYOUT = layout(STREAM_FIELDS)
