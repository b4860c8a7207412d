"""docs/energy.md against the code: units, how often they are at work, tables, and its sample table as printed."""

import re
from collections import Counter
from pathlib import Path

import pytest

from bcsim.costs.energy import KINDS, TABLES, load_table
from bcsim.costs.structure import machine_units
from bcsim.costs.units import When
from bcsim.machine.parameters import Machine, parse_machine

PAGE = (Path(__file__).parents[3] / "docs" / "energy.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([\w ]+) \| (\w+) \| (\w+) \| (.+?) \| (.+?) \| (\w+) \|$", re.MULTILINE)
MACHINES = (
    "tiny",
    "medium",
    "conv,shift_planes=true",
    "conv-bnn",
    "small,digit=2,requantisers=2",
    "conv,digit=4,reuse=4",
    "conv,reuse=2,drains=2",
    "medium,pipeline_registers=3",
)


def page_rows() -> list[tuple[str, ...]]:
    return [row for row in ROW.findall(PAGE) if row[0] != "unit"]


def letters(machine: Machine) -> dict[str, int]:
    sizes = {"N": machine.lanes, "M": machine.pes, "R": machine.requantisers, "p": machine.digit}
    sizes |= {"A": machine.accumulator_bits, "F": machine.fraction_bits}
    sizes["L"] = (machine.lanes // 2 - 1).bit_length()
    sizes["late"] = machine.lanes // 4 if machine.digit >= 4 else 0
    sizes["a"] = machine.reuse.bit_length()
    sizes["f"] = sizes["a"] + 1 if machine.reuse > 1 else 0
    sizes["D"], sizes["X"] = machine.drains, machine.pipeline_registers
    sizes["B"] = sizes["A"] + sizes["F"] + 11 + machine.spatial
    return sizes


def value(cell: str, machine: Machine) -> int | None:
    """What a formula comes to; None for a cell in words."""
    return eval(cell.strip("`"), {}, letters(machine)) if cell.startswith("`") else None


@pytest.mark.parametrize("text", MACHINES)
def test_units_are_those_of_the_page(text: str) -> None:
    machine = parse_machine(text)
    rows = {(name, kind): rest for name, block, kind, *rest in page_rows()}
    for unit in machine_units(machine):
        width, number, when = rows[unit.name, unit.kind]
        assert when == unit.when.name.lower()
        assert value(width, machine) in (unit.bits, None), unit
        assert value(number, machine) in (unit.number, None), unit


def test_page_has_every_unit_once() -> None:
    built = {
        (unit.name, unit.block, unit.kind) for text in MACHINES for unit in machine_units(parse_machine(text))
    }
    assert Counter(row[:3] for row in page_rows()) == Counter(built)


def test_page_says_how_often() -> None:
    section = PAGE[PAGE.index("### How often") : PAGE.index("### Each unit")]
    said = re.findall(r"^\| (\w+) \| (every .+?) \|$", section, re.MULTILINE)
    assert said == [(when.name.lower(), when.value) for when in When]


def test_sample_table_is_accepted_as_printed(tmp_path: Path) -> None:
    sample = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(sample) == 1
    path = tmp_path / "mine.toml"
    path.write_text(sample[0], encoding="utf-8")
    table, base = load_table(str(path)), load_table("horowitz-45nm")
    assert (table.name, table.technology) == ("mine", "22 nm, 0.6 V")
    assert table.curves["adder"].points == ((8, 0.011), (32, 0.04))
    assert [kind for kind in KINDS if table.curves[kind] != base.curves[kind]] == ["adder"]


def test_page_names_every_table_and_section() -> None:
    assert all(f"`{name}`" in PAGE for name in (*TABLES, *KINDS))
