"""Memories as Yosys maps them: its counts of a LoadedMemory, of random machines' memories, and by hand."""

from dataclasses import replace

import pytest

from bcsim.costs.memory_mapping import BLOCK, LOGIC, LUTS, Mapped, Memory, map_memory
from bcsim.costs.memory_use import _beside, distinct_bits, machine_block_memories, memory_use
from bcsim.machine.parameters import parse_machine
from bcsim.rtl.common.loaded_memory import LoadedMemory
from bcsim.rtl.generate.resources import component_resources
from bcsim.rtl.tools.synthesis import FAMILIES

SHAPES = ((32, 16), (32, 40), (70, 600), (70, 40), (27, 8))
FOUND = {
    "ecp5": ((LUTS, 32), (BLOCK, 1), (BLOCK, 5), (BLOCK, 3), (LUTS, 28)),
    "gowin": ((LUTS, 32), (BLOCK, 1), (BLOCK, 5), (BLOCK, 3), (LUTS, 28)),
    "ice40": ((BLOCK, 2), (BLOCK, 2), (BLOCK, 15), (BLOCK, 5), (BLOCK, 2)),
    "7-series": ((LUTS, 24), (LUTS, 44), (BLOCK, 2 * 3), (LUTS, 96), (LUTS, 20)),
}
"""What Yosys 0.70 makes of a LoadedMemory of so many bits and words: LUT sites or block memories, RAMB36E1 twice."""


def loaded(width: int, words: int) -> Memory:
    """A LoadedMemory that the bus writes."""
    part = min(width, 32)
    return Memory(-(-width // part) * part, words, part, used=width)


DEPTHS = (16, 40, 512, 600, 1024, 1500, 4096)
BLOCKS = {
    "ecp5": (0, 1, 1, 2, 2, 3, 8),
    "gowin": (0, 1, 1, 2, 2, 3, 8),
    "ice40": (2, 2, 4, 6, 8, 12, 32),
}
"""What Yosys 0.70 makes of a LoadedMemory of 32 bits and so many words: block memories."""


def blocks(memory: Memory, family: str) -> int:
    mapped = map_memory(memory, family)
    return mapped.size if mapped.holds == BLOCK else 0


@pytest.mark.parametrize("family", BLOCKS)
def test_blocks_by_depth_are_those_of_yosys(family: str) -> None:
    assert tuple(blocks(Memory(32, words, 32), family) for words in DEPTHS) == BLOCKS[family]


def test_narrow_parts_share_a_block_that_writes_nine_bits_alone() -> None:
    # Yosys 0.70: eight groups of 8 bits, four of 16, four of 4, and one that is too small for a block.
    shapes = ((64, 40, 8), (64, 73, 16), (16, 141, 4), (32, 694, 8), (8, 64, 2))
    assert [blocks(Memory(*shape), "ecp5") for shape in shapes] == [2, 2, 1, 2, 0]


@pytest.mark.parametrize("family", FOUND)
def test_memories_are_mapped_as_yosys_maps_them(family: str) -> None:
    mapped = [map_memory(loaded(*shape), family) for shape in SHAPES]
    assert tuple((found.holds, found.size) for found in mapped) == FOUND[family]


def test_a_memory_is_synthesised_as_mapped() -> None:
    found, _ = component_resources(LoadedMemory(width=38, depth=48), FAMILIES["ecp5"])
    # In LUTs 38 bits would be cheaper. While memories are mapped it has 64.
    assert map_memory(loaded(38, 48), "ecp5") == Mapped(BLOCK, found.memories) == Mapped(BLOCK, 2)
    assert map_memory(Memory(38, 48, 32), "ecp5").holds == LUTS


def test_the_end_of_a_row_and_the_beginning_of_the_next_share_a_block() -> None:
    # 84 bits in three rows of 1,024 words: 14 blocks of 18 bits, not three times five.
    assert map_memory(Memory(84, 2776, 0, block=True), "ecp5") == Mapped(BLOCK, 14, rows=3)


def test_cells_whose_bits_nothing_reads_are_none() -> None:
    whole, partly = (map_memory(Memory(160, 2849, 32, used=used), "ecp5").size for used in (0, 144))
    assert (whole, partly) == (30, 27)


def test_what_is_shallow_and_constant_is_logic_and_what_is_read_at_once_no_block() -> None:
    assert map_memory(Memory(562, 8, 0), "ecp5") == Mapped(LOGIC)
    assert map_memory(Memory(562, 8, 0, block=True), "ecp5").holds == BLOCK
    # An accumulator of 20 bits with two reads: five cells of 16 words for each.
    assert map_memory(Memory(20, 16, 20, at_once=2), "ecp5") == Mapped(LUTS, 2 * 5 * 4)
    assert map_memory(Memory(20, 16, 20, at_once=2), "ice40") == Mapped(LOGIC)


def test_what_nothing_writes_is_logic_where_it_is_shallow() -> None:
    # Yosys 0.70 on random words: words, bits of each, LUTs.
    measured = (
        ("ice40", 16, 120, 120),
        ("ice40", 32, 60, 224),
        ("ecp5", 16, 120, 121),
        ("ecp5", 32, 60, 120),
        ("ecp5", 8, 58 + 187, 48 + 105),
        ("ice40", 8, 58 + 187, 47 + 103),
    )
    for family, words, bits, luts in measured:
        found, _ = _beside(Memory(bits, words, 0), bits, Mapped(LOGIC), family)
        assert abs(found / luts - 1) < (0.15 if words == 8 else 0.05)
    deep = parse_machine("tiny,spatial=true,layers=8")
    for machine, held in ((deep, True), (replace(deep, loading=False), False)):
        records = [use for use in memory_use(machine, "ice40") if use.name == "record"]
        assert [use.blocks > 0 for use in records] == [held, held]
        assert [use.blocks for use in memory_use(machine, "ice40") if use.name == "weight"] == [16]


def test_columns_of_few_words_are_alike() -> None:
    # Two words have two columns that are no constants, however many bits there are.
    assert distinct_bits(562, 2) == 2
    assert distinct_bits(562, 3) == 6
    assert 200 < distinct_bits(562, 8) < 254
    assert distinct_bits(60, 32) == 60


def test_records_are_held_as_far_as_walkers_take_them() -> None:
    """A machine with shifts takes 16 bits more of a record: four cells, and no more where nothing else differs."""
    with_shifts, without = (
        next(use for use in memory_use(parse_machine(text), "ecp5") if use.name == "record")
        for text in ("tiny,spatial=true,shift_planes=true", "tiny,spatial=true")
    )
    assert (with_shifts.sites - without.sites) // 4 in (4, 5)
    assert with_shifts.flip_flops - without.flip_flops == 2 * 16


def test_registers_and_records_of_a_dense_machine_are_blocks() -> None:
    machine = parse_machine("tiny")
    assert [use.blocks > 0 for use in memory_use(machine, "ecp5") if use.name == "record"] == [True, True]
    assert [use.blocks for use in memory_use(machine, "ecp5") if use.name == "counters"] == [1]
    names = {name for name, _, _ in machine_block_memories(parse_machine("tiny,counters=false,spatial=true"))}
    assert names == {"activation", "weight", "parameter", "output", "record", "pool"}
