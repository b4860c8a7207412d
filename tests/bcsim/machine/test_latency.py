"""Latencies by hand, as docs/machine.md states them."""

from dataclasses import replace

import pytest

from bcsim.machine.latency import (
    array_latency,
    pipeline_stages,
    round_cycles,
    shadow_latency,
    tree_levels,
    write_cycles,
)
from bcsim.machine.parameters import Machine


@pytest.mark.parametrize(
    ("lanes", "levels"), [(2, 0), (4, 1), (6, 2), (8, 2), (10, 3), (32, 4), (34, 5), (1024, 9)]
)
def test_a_tree_halves_the_pairs_of_lanes(lanes: int, levels: int) -> None:
    machine = Machine(lanes=lanes, pes=4, requantisers=2, input_bytes=2)
    assert tree_levels(machine) == levels


def test_two_cycles_a_bit_double_a_division_and_no_search() -> None:
    assert (round_cycles(5, False, 2), write_cycles(5, False, 2)) == (10, 12)
    assert (round_cycles(2, True, 2), write_cycles(2, True, 2)) == (8, 8)


def test_values_wider_than_a_digit_pass_one_more_stage() -> None:
    narrow = Machine(lanes=32, pes=32, digit=8)
    wide = replace(narrow, digit=4)
    assert (array_latency(narrow), array_latency(wide)) == (9, 10)
    assert (shadow_latency(narrow), shadow_latency(wide)) == (10, 11)


def test_pipeline_registers_are_cycles_of_the_array_and_are_shared_by_both_sides_of_the_weight_memory() -> (
    None
):
    stages = []
    for registers in range(5):
        machine = Machine(lanes=32, pes=32, digit=8, pipeline_registers=registers)
        assert (array_latency(machine), shadow_latency(machine)) == (9 + registers, 10 + registers)
        stages.append(pipeline_stages(machine))
    assert stages == [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)]


@pytest.mark.parametrize(
    ("bits", "search", "round_", "write"),
    [(8, False, 8, 10), (1, False, 1, 3), (2, True, 8, 8), (16, True, 50, 50)],
)
def test_a_round_divides_bit_by_bit_or_searches_in_three_cycles_a_bit(
    bits: int, search: bool, round_: int, write: int
) -> None:
    assert (round_cycles(bits, search), write_cycles(bits, search)) == (round_, write)
