"""What to do where a design does not fit its board."""

from __future__ import annotations

from bcsim.costs.memory_blocks import block_bits
from bcsim.costs.structure import machine_memories
from bcsim.machine.parameters import Machine
from bcsim.rtl.boards.board import Board
from bcsim.rtl.boards.catalogue import BOARDS
from bcsim.rtl.flow.place import CELLS, DoesNotFitError
from bcsim.rtl.flow.single_port import single_port_memories

__all__ = ["advised", "require_memories"]

LUT_BITS = 16
"""What a LUT holds at most where synthesis keeps a memory in LUTs."""


def require_memories(board: Board, machine: Machine) -> None:
    """Raise DoesNotFitError where the part has not even the bits of the machine's memories: before minutes of work.

    It names boards that have; those bits are the network's, so that no smaller machine would do.
    """
    shapes = machine_memories(machine)
    if 0 < single_port_memories(machine) <= board.single_port_memories:
        del shapes["activation"]
    bits = sum(shape.memories * shape.words * shape.word_bits for shape in shapes.values())
    if bits <= _room(board):
        return
    others = [other.name for other in BOARDS.values() if bits <= _room(other)]
    raise DoesNotFitError(
        f"The design does not fit {board.name}: its memories hold {bits:,} bits, block memories and LUTs of the board "
        f"{_room(board):,} at most; "
        + (f"--board {' or '.join(others)} has room" if others else "no board has room"),
        {},
    )


def _room(board: Board) -> int:
    return board.memories * block_bits(board.family) + board.luts * LUT_BITS


def advised(error: DoesNotFitError, board: Board, machine: Machine) -> DoesNotFitError:
    """The error with boards of the family that would hold the design, and with smaller machines."""
    cells, memory = CELLS[board.family]
    logic = sum(error.needed.get(cell, (0, 0))[0] for cell in cells)
    memories = error.needed.get(memory, (0, 0))[0]
    larger = [
        other.name
        for other in BOARDS.values()
        if other.family == board.family
        and other.luts >= logic
        and other.memories >= memories
        and other != board
    ]
    advice = [f"--board {' or '.join(larger)} has room"] if larger else []
    if smaller := _smaller(machine):
        advice.append(f"a smaller machine may fit: --machine {smaller}")
    return DoesNotFitError(f"{error}; {', or '.join(advice)}" if advice else str(error), error.needed)


def _smaller(machine: Machine) -> str:
    """Half the requantisers or, where there is one, half the processing elements."""
    size = f"lanes={machine.lanes},digit={machine.digit},input_bytes={machine.input_bytes}"
    if machine.requantisers > 1:
        return f"{size},pes={machine.pes},requantisers={machine.requantisers // 2}"
    return f"{size},pes={machine.pes // 2},requantisers=1" if machine.pes > 1 else ""
