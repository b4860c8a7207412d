"""How a machine's large memories fill an FPGA family's blocks: how many, and how much of them is used.

Records and scores are left out: they are so shallow that synthesis chooses between blocks, LUTs and registers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bcsim.costs.structure import machine_memories
from bcsim.costs.units import MemoryShape
from bcsim.machine.parameters import Machine

__all__ = ["BLOCKS", "MemoryBlocks", "memory_blocks"]

BLOCKS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "ecp5": ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)),
    "ice40": ((16, 256), (8, 512), (4, 1024), (2, 2048)),
}
"""Bits of a word and words that one block can have: ECP5's PDPW16KD and DP16KD (Lattice FPGA-TN-02204), iCE40's
SB_RAM40_4K (Lattice FPGA-TN-02002)."""

SLICE_BITS = 32
"""What the bus writes at once, with a write enable of its own: no block has bits of two."""


@dataclass(frozen=True, slots=True)
class MemoryBlocks:
    """Memories alike, in blocks of a family.

    shape : the memories. blocks : of all of them. used : part of the blocks' bits that hold words' bits.
    """

    name: str
    shape: MemoryShape
    blocks: int
    used: float


def memory_blocks(machine: Machine, family: str) -> tuple[MemoryBlocks, ...]:
    """The activation, weight and parameter memories in blocks of a family of BLOCKS."""
    shapes = BLOCKS[family]
    found = []
    for name in ("activation", "weight", "parameter"):
        shape = machine_memories(machine)[name]
        loaded = machine.loading and name != "activation"
        blocks = shape.memories * sum(
            _fewest(bits, shape.words, shapes) for bits in _parts(shape.word_bits, loaded)
        )
        room = blocks * max(bits * words for bits, words in shapes)
        found.append(MemoryBlocks(name, shape, blocks, shape.memories * shape.words * shape.word_bits / room))
    return tuple(found)


def _parts(bits: int, loaded: bool) -> list[int]:
    """The widths that are written apart."""
    if not loaded:
        return [bits]
    return [min(SLICE_BITS, bits - first) for first in range(0, bits, SLICE_BITS)]


def _fewest(bits: int, words: int, shapes: tuple[tuple[int, int], ...]) -> int:
    """Blocks of one shape that hold so many words."""
    return min(-(-bits // width) * -(-words // depth) for width, depth in shapes)
