"""The layer that docs/architecture.md follows: its tables come from the code, its sums from the tables."""

import re
from pathlib import Path

import numpy as np
import pytest

from bcsim.api import compile, load
from bcsim.compiler.mapping.mapping import map_program
from bcsim.data import load_dataset
from bcsim.execution.raw_levels import program_input
from bcsim.machine.parameters import parse_machine
from bcsim.rtl.generate.project import Stimulus
from bcsim.rtl.generate.verify import verify
from bench.follow import MACHINE, NETWORK, Rows, follow, table
from tests.test_folders import MAY_IMPORT

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def levels() -> dict[str, Rows]:
    return follow()


def test_the_page_has_the_table_of_every_level(levels: dict[str, Rows]) -> None:
    assert len(levels) == 5
    for level, rows in levels.items():
        section = PAGE.partition(f"\n### {level}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
        assert table(rows) in section, f"### {level} should have\n\n{table(rows)}"


def test_the_sums_of_the_page_hold(levels: dict[str, Rows]) -> None:
    value = {what: number for rows in levels.values() for what, number in rows}
    offset, divisor = (int(part) for part in value["T and D of output 0"].split(", "))
    minus, signs = (
        int(part) for part in value["output 0: weights of -1, pairs whose sign bit is set"].split(", ")
    )
    accumulator, q = int(value["accumulator of output 0"]), int(value["its q"])
    constant = minus * 255 + signs * 17
    assert (2**14 * accumulator - offset) // divisor == q
    assert constant == int(value["output 0: constant that the array adds"])
    assert constant + accumulator == int(value["accumulator of element 0, constant included"])
    assert offset * 4 + constant * 65536 == int(value["parameter word 0 of requantiser 0: offset"])
    assert int(value["remainder: accumulator * 2**16 - offset"]) // 34392 == q
    for sum_ in (
        f"floor((2**14 * {accumulator} - {offset}) / {divisor}) = {q}",
        f"{minus} * 255 + {signs} * 17 = {constant}",
        f"{offset} * 4 + {constant} * 65536 = {value['parameter word 0 of requantiser 0: offset']}",
        f"{q} = 1 * 16 + 12",
    ):
        assert sum_ in " ".join(PAGE.split())


@pytest.mark.rtl
def test_the_verilog_does_the_same_in_the_cycles_of_the_page() -> None:
    program = compile(load(NETWORK))
    q = program_input(program, load_dataset(NETWORK, "test", 1)).astype(np.uint8)
    found = verify(map_program(program, parse_machine(MACHINE)), Stimulus(NETWORK, q))
    assert found.equal
    assert f"{found.images} images in {found.simulator}: all {found.outputs} outputs equal" in PAGE
    assert f"\n{found.writes} writes equal cycle for cycle" in PAGE
    assert f"simulator {found.simulator_cycles}, hardware {found.hardware_cycles} (difference 0)" in PAGE


def test_the_picture_has_every_folder_above_what_it_imports() -> None:
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    rooms = re.findall(r'data-floor="(\d)" data-folders="([^"]+)"', picture)
    floor = {folder: int(number) for number, folders in rooms for folder in folders.split()}
    folders = {row for row in MAY_IMPORT if "/" in row or row == "models"} - {"bcsim/__main__.py"}
    room = {folder: folders for _, folders in rooms for folder in folders.split()}
    assert set(floor) == folders
    for folder in folders:
        for other in MAY_IMPORT[folder].split():
            assert floor[other] < floor[folder] or room[other] == room[folder], f"{folder} over {other}"
