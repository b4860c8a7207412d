"""Widths of addresses."""

from __future__ import annotations

from amaranth.utils import ceil_log2

__all__ = ["address_bits"]


def address_bits(depth: int) -> int:
    """Width of an address of `depth` words; at least 1, so that every memory has an address."""
    return max(1, int(ceil_log2(depth)))
