"""Energies of the small network with prices that are easy to multiply by, and every figure of the tables."""

from math import isclose
from pathlib import Path

import pytest

from bcsim.costs.counts import NetworkCounts, count_mapping
from bcsim.costs.energy import Energy, EnergyTable, energy_of, load_table
from bcsim.costs.float_counts import FLOAT32, INT8, count_macs
from tests.bcsim.costs.small import small_mapping
from tests.bcsim.costs.test_golden import ACTIONS, MACS, OUTPUTS, PARAMETER, READ, ROUND

PRICES = {"adder": 2, "comparator": 3, "bitwise": 5, "register": 7, "multiplier": 11}
PRICES |= {"float_adder": 13, "float_multiplier": 17}
"""pJ a bit."""
SRAM, DRAM = 19, 23
"""pJ for 64 bits, at every depth; pJ a bit."""

HOROWITZ = {
    "adder": ((8, 0.03), (32, 0.1)),
    "comparator": ((8, 0.03), (32, 0.1)),
    "bitwise": ((32, 0.018),),
    "register": ((1, 0.009),),
    "multiplier": ((8, 0.2), (32, 3.1)),
    "float_adder": ((16, 0.4), (32, 0.9)),
    "float_multiplier": ((16, 1.1), (32, 3.7)),
    "sram": ((8 * 1024, 10), (32 * 1024, 20), (1024 * 1024, 100)),
    "dram": ((64, 1300),),
}
"""ISSCC 2014, figure 1.1.9; bitwise and register from Aladdin's set."""
PUBLISHED = {
    "horowitz-45nm": HOROWITZ,
    "aladdin-40nm-1ns": HOROWITZ
    | {
        "adder": ((32, 0.21),),
        "comparator": ((32, 0.0295),),
        "multiplier": ((8, 12.68 / 16), (32, 12.68)),
    },
    "aladdin-40nm-5ns": HOROWITZ
    | {
        "adder": ((32, 0.0857),),
        "comparator": ((32, 0.0290),),
        "multiplier": ((8, 8.63 / 16), (32, 8.63)),
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_figure_of_a_table(name: str) -> None:
    assert {kind: curve.points for kind, curve in load_table(name).curves.items()} == PUBLISHED[name]


@pytest.fixture
def priced(tmp_path: Path) -> EnergyTable:
    sections = {kind: f"[[1, {pj}]]" for kind, pj in PRICES.items()}
    sections |= {"sram": f"[[1, {SRAM}], [1000, {SRAM}]]", "dram": f"[[64, {64 * DRAM}]]"}
    path = tmp_path / "priced.toml"
    path.write_text(
        "".join(f'[{kind}]\npoints = {points}\nsource = "here"\n' for kind, points in sections.items())
    )
    return load_table(str(path))


def same(found: Energy, expected: dict[str, float]) -> None:
    assert found.table == "priced"
    assert set(found.by_part) == set(expected)
    assert all(isclose(found.by_part[part], pj) for part, pj in expected.items()), found.by_part
    assert isclose(found.total, sum(expected.values()))
    of_layers = sum(pj for layer in found.layers for pj in layer.values())
    assert isclose(of_layers + found.io, found.total)


def spent(actions: dict[tuple[str, str, int], int], part: str) -> int:
    return sum(PRICES[kind] * bits * count for (of, kind, bits), count in actions.items() if of == part)


def test_machine(priced: EnergyTable) -> None:
    found = energy_of(count_mapping(small_mapping()), priced)
    parts = ("adders", "select", "multipliers", "requantiser", "registers")
    same(
        found,
        {part: spent(ACTIONS, part) for part in parts}
        | {
            "activation_memory": (16 * READ + 36 * 16 + 18 * 8) * SRAM / 64,
            "weight_memory": 16 * 201 * SRAM / 64,
            "parameter_memory": 2 * 36 * PARAMETER * SRAM / 64,
            "output_memory": (3 * 32 + 2 * 32) * SRAM / 64,
            "io": 560 * DRAM,
        },
    )
    assert len(found.layers) == 3


def reference(counts: NetworkCounts, priced: EnergyTable, bits: int, multiplier: int, adder: int) -> None:
    """Memories hold words of 4 and 16 values and 2 parameters: 89 and 105 read, 27 written, 2 in each round."""
    same(
        energy_of(counts, priced),
        {
            "adders": adder * 32 * MACS,
            "select": 0,
            "multipliers": multiplier * bits * MACS,
            "requantiser": (multiplier + adder) * 32 * OUTPUTS,
            "registers": PRICES["register"] * 32 * MACS,
            "activation_memory": (89 + 27) * 4 * bits * SRAM / 64,
            "weight_memory": 105 * 16 * bits * SRAM / 64,
            "parameter_memory": 2 * ROUND * 2 * bits * SRAM / 64,
            "output_memory": (3 * 32 + 2 * 32) * SRAM / 64,
            "io": 560 * DRAM,
        },
    )


def test_references(priced: EnergyTable) -> None:
    reference(count_macs(small_mapping(), FLOAT32), priced, 32, 17, 13)
    reference(count_macs(small_mapping(), INT8), priced, 8, 11, 2)
