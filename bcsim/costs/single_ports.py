"""Memories of one port, as iCE40 UP5K has four: whether a machine's two activation memories can be such."""

from __future__ import annotations

from bcsim.machine.parameters import Machine

__all__ = ["SPRAM_BITS", "SPRAM_ENABLE", "SPRAM_WORDS", "single_port_memories", "spram_cells"]

SPRAM_WORDS, SPRAM_BITS, SPRAM_ENABLE = 1 << 14, 16, 4
"""Words, their bits, and bits of a write enable of SB_SPRAM256KA (Lattice FPGA-TN-02022)."""


def single_port_memories(machine: Machine) -> int:
    """How many of the part's memories the activation banks take; 0 where they cannot be such."""
    groups_fit = machine.requantisers * machine.digit % SPRAM_ENABLE == 0
    if machine.activation_banks == 1 or machine.bank_words > SPRAM_WORDS or not groups_fit:
        return 0
    return machine.activation_banks * spram_cells(machine)


def spram_cells(machine: Machine) -> int:
    """Of one bank, side by side."""
    return -(-machine.lanes * machine.digit // SPRAM_BITS)
