"""Copies of flip-flops: nothing drives too much, every sink keeps its value, neighbours share a copy."""

from collections import Counter
from typing import Any

import pytest

from bcsim.rtl.flow.fan_out import MOST, spread_registers
from bcsim.rtl.flow.netlist import Netlist


def cell(kind: str, inputs: dict[str, list[Any]], outputs: dict[str, list[int]]) -> dict[str, Any]:
    return {
        "type": kind,
        "parameters": {"REGSET": "SET"},
        "connections": {**inputs, **outputs},
        "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output"),
    }


def flip_flop(taken: int, held: int, **more: list[Any]) -> dict[str, Any]:
    return cell("TRELLIS_FF", {"CLK": [2], "DI": [taken], **more}, {"Q": [held]})


def chain(sinks: int, **more: list[Any]) -> dict[str, Any]:
    """Bit 10 into a flip-flop, that one's bit 11 into a second, whose bit 12 drives LUTs of as many registers."""
    cells = {"first": flip_flop(10, 11), "second": flip_flop(11, 12)}
    names = {"data": {"bits": [10]}}
    for index in range(sinks):
        found, kept = 100 + 2 * index, 101 + 2 * index
        cells[f"lut_{index * 7 % sinks}"] = cell("LUT4", {"A": [12], "B": ["0"]}, {"Z": [found]})
        cells[f"kept_{index}"] = flip_flop(found, kept, **more)
        names[f"element_{index}.sum"] = {"bits": [kept]}
    return {"ports": {"clk": {"bits": [2]}, "in": {"bits": [10]}}, "cells": cells, "netnames": names}


def holds_alike(module: dict[str, Any], original: str) -> set[int]:
    """What every flip-flop holds that takes what the original takes and begins as it does."""
    first = module["cells"][original]
    return {
        one["connections"]["Q"][0]
        for one in module["cells"].values()
        if one["type"] == first["type"]
        and {**one["connections"], "Q": 0} == {**first["connections"], "Q": 0}
        and one["parameters"] == first["parameters"]
    }


def driven(module: dict[str, Any]) -> Counter[int]:
    found: Counter[int] = Counter()
    for one in module["cells"].values():
        for port, bits in one["connections"].items():
            if one["port_directions"][port] == "input" and port != "CLK":
                found.update(bit for bit in bits if isinstance(bit, int))
    return found


@pytest.mark.parametrize("sinks", [MOST, MOST + 1, 5 * MOST, 20 * MOST * MOST // 15])
def test_no_flip_flop_drives_too_much_and_every_sink_keeps_its_value(sinks: int) -> None:
    module = chain(sinks)
    made = spread_registers(Netlist(module))
    firsts = holds_alike(module, "first")
    # Copies of the second take what the first holds, or one of its copies.
    seconds = {
        one["connections"]["Q"][0]
        for one in module["cells"].values()
        if one["type"] == "TRELLIS_FF" and one["connections"]["DI"][0] in firsts
    }
    shares = [one["connections"]["A"][0] for one in module["cells"].values() if one["type"] == "LUT4"]
    assert set(shares) == seconds
    assert len(shares) == sinks
    assert max(count for bit, count in driven(module).items() if bit in firsts | seconds) <= MOST
    assert made == len(firsts) + len(seconds) - 2
    assert len(seconds) == -(-sinks // MOST)


def test_neighbours_share_a_copy() -> None:
    module = chain(3 * MOST)
    spread_registers(Netlist(module))
    by_output = {
        one["connections"]["Z"][0]: one["connections"]["A"][0]
        for one in module["cells"].values()
        if one["type"] == "LUT4"
    }
    shares = [by_output[100 + 2 * index] for index in range(3 * MOST)]
    assert [len(set(shares[start : start + MOST])) for start in range(0, 3 * MOST, MOST)] == [1, 1, 1]
    assert len(set(shares)) == 3


def test_what_has_a_network_of_its_own_stays_with_the_original() -> None:
    module = chain(2 * MOST, LSR=[12])
    assert spread_registers(Netlist(module)) == 1
    cells = module["cells"]
    assert {one["connections"]["LSR"][0] for one in cells.values() if "LSR" in one["connections"]} == {12}
    assert cells["second"]["connections"]["Q"] == [12]
    assert len({one["connections"]["A"][0] for one in cells.values() if one["type"] == "LUT4"}) == 2
