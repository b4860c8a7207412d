"""Memories in blocks, against those that Yosys found (docs/synthesis.md) and by hand."""

from dataclasses import replace

import pytest

from bcsim.costs.memory_blocks import memory_blocks
from bcsim.machine.parameters import PRESETS, parse_machine


@pytest.mark.parametrize(
    ("family", "digit", "found"),
    [
        ("ecp5", 8, 356),
        ("ecp5", 4, 354),
        ("ecp5", 2, 353),
        ("ecp5", 1, 353),
        # 22 of iCE40's are records and scores: ECP5 has them in LUTs.
        ("ice40", 8, 1446 - 22),
        ("ice40", 4, 1438 - 22),
        ("ice40", 2, 1434 - 22),
        ("ice40", 1, 1432 - 22),
    ],
)
def test_as_many_blocks_as_yosys_found(family: str, digit: int, found: int) -> None:
    machine = replace(PRESETS["small"], digit=digit, activation_bits=digit)
    assert sum(memory.blocks for memory in memory_blocks(machine, family)) == found


def test_blocks_and_what_is_used_of_them_by_hand() -> None:
    activation, weight, parameter = memory_blocks(PRESETS["tiny"], "ecp5")
    assert (activation.blocks, weight.blocks, parameter.blocks) == (1, 4, 8)
    assert weight.used == 1024 * 64 / (4 * 1024 * 18)
    assert parameter.used == 4 * 512 * 47 / (8 * 512 * 36)


def test_words_that_nothing_writes_need_no_slices() -> None:
    loaded, constant = (
        memory_blocks(parse_machine(f"tiny,loading={loading}"), "ecp5")[2] for loading in ("true", "false")
    )
    assert (loaded.blocks, constant.blocks) == (8, 8)
    wide = parse_machine("tiny,lanes=12,pes=12,requantisers=4,weight_words=512")
    assert memory_blocks(wide, "ecp5")[1].blocks == 5
    assert memory_blocks(replace(wide, loading=False), "ecp5")[1].blocks == 4
