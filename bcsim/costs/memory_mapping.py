"""How Yosys maps a memory: to which of a family's cells, how many, and in how many rows behind each other.

Its pass memory_libmap gives every shape of every kind of cell a cost and takes the least: of the cells, of selecting
among rows, and of what the cells cannot do themselves. The rules are of Yosys 0.70, its source and its description of
each family's cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["BLOCK", "CELLS", "LOGIC", "LUTS", "Cell", "Mapped", "Memory", "map_memory"]

BLOCK, LUTS, LOGIC = "block", "luts", "logic"
"""What holds a memory: block memories, LUTs that are memories, or LUTs and flip-flops."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of memory cell.

    bits : words of its narrowest shape, as bits of an address. widths : bits of a word that each shape has.
    byte : bits that are written alone; 0 where only whole words are. cost : in Yosys' units.
    scaled : whether the cost is of the bits that are used. holds : BLOCK or LUTS.
    size : block memories, or LUT sites, that it is.
    """

    bits: int
    widths: tuple[int, ...]
    byte: int
    cost: int
    holds: str = BLOCK
    scaled: bool = False
    size: int = 1


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory as synthesis sees it.

    width, words : its words' bits and their number. part : bits that are written at once; 0 where nothing writes it.
    used : of the width, the lower bits that are read; 0 for all. Cells of no such bit go once all are mapped.
    block : it must be block memories.
    at_once : reads in the cycle of their address, of which block memories have none; 0 for one that comes later.
    """

    width: int
    words: int
    part: int
    used: int = 0
    block: bool = False
    at_once: int = 0


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a memory is mapped to.

    size : block memories, or LUT sites. rows : cells behind each other, among which an address chooses.
    """

    holds: str
    size: int = 0
    rows: int = 1


TWO_PORTS = Cell(14, (1, 2, 4, 9, 18), 9, 128)
CELLS: Mapping[str, tuple[Cell, ...]] = {
    # PDPW16KD writes 36 bits, of which each 9 alone.
    "ecp5": (Cell(4, (4,), 0, 4, LUTS, size=4), TWO_PORTS, Cell(11, (9, 18, 36), 9, 128)),
    "gowin": (
        Cell(4, (4,), 0, 4, LUTS, scaled=True, size=4),
        TWO_PORTS,
        Cell(14, (1, 2, 4, 9, 18, 36), 9, 128),
    ),
    "ice40": (Cell(11, (2, 4, 8, 16), 1, 64),),
    # RAMB36E1 counts as two.
    "7-series": (
        Cell(5, (6,), 0, 8, LUTS, scaled=True, size=4),
        Cell(6, (3,), 0, 8, LUTS, scaled=True, size=4),
        Cell(14, (1, 2, 4, 9, 18), 9, 129),
        Cell(15, (1, 2, 4, 9, 18, 36), 9, 257, size=2),
        Cell(14, (1, 2, 4, 9, 18, 36), 9, 129),
        Cell(15, (1, 2, 4, 9, 18, 36, 72), 9, 257, size=2),
    ),
}
"""By family, in the order in which Yosys tries them."""

RAM_BIT, ROM_BIT = 1.0, 1 / 16
"""What a bit costs that is logic, where something writes it and where nothing does."""
HALF = 0.5
"""Of a bit that is selected among rows, a row, and of a write enable, a row."""
READ_PORT = 2
"""Of a port that reads."""


def map_memory(memory: Memory, family: str) -> Mapped:
    """What the memory becomes on a family of CELLS."""
    bit = RAM_BIT if memory.part else ROM_BIT
    best, least = Mapped(LOGIC), int(memory.width * memory.words * bit)
    for number, (cost, mapped) in enumerate(_cheapest(memory, family)):
        # Costs are compared with the whole part of the least so far.
        if cost < least or (memory.block and not number):
            best, least = mapped, int(cost)
    return best


def _cheapest(memory: Memory, family: str) -> Iterator[tuple[float, Mapped]]:
    """The cheapest LUTs, where the memory can be such, and the cheapest block memories; of equal ones the first."""
    for holds in (LUTS, BLOCK):
        cells = [cell for cell in CELLS[family] if cell.holds == holds]
        shapes = [_shape(memory, cell) for cell in cells if _can_be(memory, cell)]
        if shapes:
            yield min(shapes, key=lambda shape: shape[0])


def _can_be(memory: Memory, cell: Cell) -> bool:
    if cell.holds == LUTS:
        return memory.part > 0 and not memory.block
    return not memory.at_once


def _shape(memory: Memory, cell: Cell) -> tuple[float, Mapped]:
    """The cheapest shape of a kind of cell."""
    best = None
    for index, width in enumerate(cell.widths):
        cost, mapped = _as_wide(memory, cell, width, 1 << cell.bits - index)
        if best is None or cost < int(best[0]):
            best = cost, mapped
    assert best, "a cell has a shape"
    return best


def _as_wide(memory: Memory, cell: Cell, width: int, depth: int) -> tuple[float, Mapped]:
    """The memory in cells of so many words of a width."""
    rows, reads, byte = -(-memory.words // depth), max(1, memory.at_once), min(cell.byte or width, width)
    row = _padded(memory.width, memory.part, byte)
    cells = -(-rows * row // width)
    cost = cell.cost * rows * memory.width / width if cell.scaled else float(cell.cost * cells)
    cost += HALF * (rows - 1) * memory.width + READ_PORT
    if rows > 1 and memory.part:
        cost += HALF * rows * -(-memory.width // memory.part)
    if memory.used:
        cells = _touched(row, _padded(memory.used, memory.part, byte), rows, width)
    return reads * cost, Mapped(cell.holds, reads * cells * cell.size, rows)


def _padded(bits: int, part: int, byte: int) -> int:
    """Bits of a word of which each part that is written alone begins with a byte."""
    if not part:
        return bits
    whole, rest = divmod(bits, part)
    return byte * (whole * -(-part // byte) + -(-rest // byte))


def _touched(row: int, used: int, rows: int, width: int) -> int:
    """Cells of a width that hold the first `used` bits of a row.

    Rows lie behind each other bit by bit: a cell can hold the end of one and the beginning of the next.
    """
    found, last = 0, -1
    for begin in range(0, rows * row, row):
        first, end = begin // width, (begin + used - 1) // width
        found += end - max(first, last + 1) + 1
        last = end
    return found
