"""How a machine's large memories fill an FPGA family's blocks: how many, and how much of them is used.

Records and scores are left out: they are so shallow that synthesis chooses between blocks, LUTs and registers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bcsim.costs.structure import machine_memories
from bcsim.costs.units import MemoryShape
from bcsim.machine.parameters import Machine

__all__ = [
    "BLOCKS",
    "PLANNED",
    "MemoryBlocks",
    "block_bits",
    "fewest_blocks",
    "memory_blocks",
    "written_parts",
]

BLOCK_18K = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
BLOCKS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "ecp5": BLOCK_18K,
    "gowin": BLOCK_18K,
    "7-series": BLOCK_18K,
    "ice40": ((256, 16), (512, 8), (1024, 4), (2048, 2)),
}
"""Words and bits of a word that one block can have: ECP5's PDPW16KD and DP16KD (Lattice FPGA-TN-02204), iCE40's
SB_RAM40_4K (Lattice FPGA-TN-02002); the blocks of the others have the shapes of ECP5's."""

PLANNED = ("ecp5", "ice40")
"""Families whose counts of whole machines are held to synthesis."""

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
    """The activation, weight and parameter memories in blocks of a family of PLANNED."""
    found = []
    for name in ("activation", "weight", "parameter"):
        shape = machine_memories(machine)[name]
        written = SLICE_BITS if machine.loading and name != "activation" else shape.word_bits
        parts = written_parts(shape.word_bits, written)
        blocks = shape.memories * sum(fewest_blocks(bits, shape.words, family) for bits in parts)
        room = blocks * block_bits(family)
        found.append(MemoryBlocks(name, shape, blocks, shape.memories * shape.words * shape.word_bits / room))
    return tuple(found)


def block_bits(family: str) -> int:
    """What one block holds."""
    return max(words * bits for words, bits in BLOCKS[family])


def written_parts(bits: int, written: int) -> list[int]:
    """The widths of a word's parts of which each is written alone, `written` bits and what is left."""
    return [min(written, bits - first) for first in range(0, bits, written)]


def fewest_blocks(bits: int, words: int, family: str) -> int:
    """Blocks of one shape that hold so many words."""
    return min(-(-words // depth) * -(-bits // width) for depth, width in BLOCKS[family])
