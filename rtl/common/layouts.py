"""Layouts that more than one block reads: parameter words, pooling rounds, digits of a word, a weight memory's unit."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import signed, unsigned
from amaranth.lib.data import StructLayout

from bcsim.machine.parameters import Machine
from bcsim.rtl.common.loaded_memory import SLICE_BITS

__all__ = ["ParameterLayout", "PoolLayout", "digit_words", "tile_rounds", "weight_unit"]


class ParameterLayout(StructLayout):
    """One of the two words that a channel has in a requantiser's parameter memory.

    Members
    -------
    subtrahend : signed(machine.parameter_bits)
        In the even word what is taken off for a round's first bit, the sum of offset and divisor, or a threshold in a
        searched layer; in the odd one the divisor, for all further bits. Divisors are already shifted left by the
        target's bits - 1.
    minimum : unsigned(1)
        The channel takes the minimum in pooling; on a spatial machine, in both words.
    """

    def __init__(self, machine: Machine) -> None:
        pooling = {"minimum": unsigned(1)} if machine.spatial else {}
        super().__init__({"subtrahend": signed(machine.parameter_bits), **pooling})


def tile_rounds(machine: Machine) -> int:
    """Rounds of a full tile, the most that there are."""
    return machine.pes // machine.requantisers


class PoolLayout(StructLayout):
    """What a round is to its pooling window.

    Members
    -------
    first : unsigned(1)
        It belongs to the window's first pass.
    round : range(machine.reuse * tile_rounds(machine))
        Of the pass.
    """

    def __init__(self, machine: Machine) -> None:
        super().__init__({"first": 1, "round": range(machine.reuse * tile_rounds(machine))})


def digit_words(values: Sequence[int], *, digits: int, width: int) -> list[int]:
    """The words that hold the values' digits of `width` bits, the most significant digit first."""
    mask = (1 << width) - 1
    return [
        sum((value >> digit * width & mask) << lane * width for lane, value in enumerate(values))
        for digit in reversed(range(digits))
    ]


def weight_unit(machine: Machine) -> int:
    """Bits that are written at once: a word of the weight stream, or as many as fill a slice of the memory."""
    return max(SLICE_BITS, 8 * machine.weight_stream_bytes)
