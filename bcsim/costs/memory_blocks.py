"""How a machine's large memories fill an FPGA family's blocks: how many, and how much of them is used.

Records and scores are left out: they are so shallow that synthesis chooses between blocks, LUTs and registers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bcsim.costs.memory_mapping import BLOCK, map_memory
from bcsim.costs.memory_use import machine_block_memories
from bcsim.costs.structure import machine_memories
from bcsim.costs.units import MemoryShape
from bcsim.machine.parameters import Machine

__all__ = ["PLANNED", "MemoryBlocks", "block_bits", "memory_blocks"]

BLOCK_BITS: Mapping[str, int] = {"ecp5": 18 << 10, "gowin": 18 << 10, "7-series": 18 << 10, "ice40": 4 << 10}
"""What one block holds: ECP5's DP16KD (Lattice FPGA-TN-02204), half a RAMB36E1, and iCE40's SB_RAM40_4K (Lattice
FPGA-TN-02002)."""

PLANNED = ("ecp5", "ice40")
"""Families whose counts of whole machines are held to synthesis."""


@dataclass(frozen=True, slots=True)
class MemoryBlocks:
    """Memories alike, in blocks of a family.

    shape : the memories. blocks : of all of them; 0 where they are LUTs. used : part of the blocks' bits that hold
        words' bits.
    """

    name: str
    shape: MemoryShape
    blocks: int
    used: float


def memory_blocks(machine: Machine, family: str) -> tuple[MemoryBlocks, ...]:
    """The activation, weight and parameter memories in blocks of a family of PLANNED."""
    shapes, found = machine_memories(machine), []
    for name, memory, number in machine_block_memories(machine):
        if name in ("activation", "weight", "parameter"):
            mapped, shape = map_memory(memory, family), shapes[name]
            blocks = number * mapped.size if mapped.holds == BLOCK else 0
            bits = shape.memories * shape.words * shape.word_bits
            used = bits / (blocks * block_bits(family)) if blocks else 0.0
            found.append(MemoryBlocks(name, shape, blocks, used))
    return tuple(found)


def block_bits(family: str) -> int:
    """What one block holds."""
    return BLOCK_BITS[family]
