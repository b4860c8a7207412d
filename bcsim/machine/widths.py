"""Widths in bits that compiler, simulator and hardware share whatever the machine's parameters are."""

from __future__ import annotations

__all__ = [
    "ADDRESS_BITS",
    "COORDINATE_BITS",
    "QUOTIENT_BITS",
    "SCORE_BITS",
    "SLICE_BITS",
    "WEIGHT_ADDRESS_BITS",
    "address_bits",
]

QUOTIENT_BITS = 16
"""Of the widest result of a requantiser: an encoding has 1 to 16 bits."""

SCORE_BITS = QUOTIENT_BITS
"""Of a class score: all that a requantiser gives, so that classes as close as possible still compare."""

ADDRESS_BITS = 20
"""Of addresses and strides in the activation and parameter memories, at most 2**20 words each.

A stride or an origin may be negative: addresses wrap around at 2**20, and so do all their lower bits.
"""

SLICE_BITS = 32
"""Of the program memories' words: what the bus writes at once, and what shares a bit of parity."""

WEIGHT_ADDRESS_BITS = 24
"""Of addresses in the weight memory, at most 2**24 words, and of the words of a streamed tile."""

COORDINATE_BITS = 16
"""Of rows and columns of a tensor, of windows and of strides; in two's complement where padding makes them negative."""


def address_bits(depth: int) -> int:
    """Width of an address of `depth` words; at least 1, so that every memory has an address."""
    return max(1, (depth - 1).bit_length())
