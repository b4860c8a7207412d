"""`bcsim verilog` and `bcsim verify` on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from bcsim.cli import app
from bcsim.rtl.generate import verify as verify_module
from bcsim.rtl.generate.verify import Verification


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_verilog_writes_everything_that_simulating_takes(folder: Path) -> None:
    found = invoke("verilog", "digits", "-o", "out", "--machine", "tiny", "--images", 2, "--no-check")
    assert found.exit_code == 0, found.output
    assert found.stdout == (
        "Input read as -1..1, from the file\n"
        "Wrote out/accelerator.v (8 lanes x 8 processing elements, digits of 4 bits); "
        "run its bench with: pytest out\n"
    )
    names = {path.name for path in (folder / "out").iterdir()}
    assert {"accelerator.v", "ports.md", "ports.json", "machine.json", "vectors.npz"} < names
    assert {"test_accelerator.py", "accelerator_bench.py", "simulator.py", "lint.vlt"} < names
    described = json.loads((folder / "out" / "machine.json").read_text())
    read = re.findall(r'readmemh\("(.*?)"', (folder / "out" / "accelerator.v").read_text())
    assert sorted(read) == described["files"]
    assert names > set(read)
    with np.load(folder / "out" / "vectors.npz") as vectors:
        assert vectors["tlast"].sum() == vectors["output_last"].sum() == 2


def test_a_name_of_nothing_is_none(folder: Path) -> None:
    found = invoke("verilog", "digits", "-o", "out", "--machine", "tiny", "--no-check", "--name", "")
    assert found.exit_code == 2
    assert found.stderr.startswith("bcsim: Name must be a small letter")
    assert not list(folder.iterdir())


def test_verilog_keeps_out_of_anothers_folder(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "mine").write_text("")
    found = invoke("verilog", "digits", "-o", "out", "--machine", "tiny", "--no-check")
    message = "bcsim: Folder out has files that bcsim did not write; give another, or --force to replace it\n"
    assert (found.exit_code, found.stderr) == (2, message)
    assert [path.name for path in folder.rglob("*")] == ["out", "mine"]


def test_a_machine_that_is_too_small_is_told(folder: Path) -> None:
    found = invoke("verify", "digits", "--machine", "tiny,weight_words=16")
    assert found.exit_code == 2
    assert found.stderr.startswith("bcsim: ")
    assert "weight_words" in found.stderr


EQUAL = Verification("verilator", 3, 1200, 33, 5000, 5000, 4000, None)


def stand_in(monkeypatch: pytest.MonkeyPatch, result: Verification) -> None:
    monkeypatch.setattr(verify_module, "verify", lambda *arguments, **options: result)


def test_verify_tells_what_is_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, EQUAL)
    found = invoke("verify", "digits", "--machine", "tiny")
    assert found.exit_code == 0
    assert found.stdout.splitlines() == [
        "Input read as -1..1, from the file",
        "3 images in verilator: all 33 outputs equal",
        "1,200 writes equal cycle for cycle",
        "cycles: simulator 5,000, hardware 5,000 (difference 0)",
        "the array took a step in 80.0% of them",
    ]


def test_verify_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, EQUAL)
    found = invoke("verify", "digits", "--machine", "tiny", "--json", "-")
    assert json.loads(found.stdout) == {
        "simulator": "verilator",
        "images": 3,
        "writes": 1200,
        "outputs": 33,
        "simulator_cycles": 5000,
        "hardware_cycles": 5000,
        "steps": 4000,
        "difference": None,
        "equal": True,
        "input": "-1..1, from the file",
    }


@pytest.mark.parametrize(
    ("difference", "lines"),
    [
        (
            {"kind": "write", "index": 7, "expected": [1234, 5, 2, 255], "got": [1235, 5, 2, 255]},
            [
                "DIFFERENT: write 7 of 1,200",
                "  expected cycle 1,234: address 5, groups 0b10, data 0xff",
                "  got      cycle 1,235: address 5, groups 0b10, data 0xff",
                "cycles: simulator 5,000, hardware 4,900",
            ],
        ),
        (
            {"kind": "output", "index": 32, "expected": [4999, 3, True], "got": None},
            [
                "DIFFERENT: output 32 of 33",
                "  expected cycle 4,999: 0x3, last",
                "  got      nothing",
                "cycles: simulator 5,000, hardware 4,900",
            ],
        ),
        (
            {"kind": "cycle count", "index": 0, "expected": 5000, "got": 4900},
            ["DIFFERENT: cycles: simulator 5,000, hardware 4,900"],
        ),
    ],
)
def test_verify_names_the_first_difference(
    monkeypatch: pytest.MonkeyPatch, difference: dict[str, Any], lines: list[str]
) -> None:
    stand_in(monkeypatch, Verification("verilator", 3, 1200, 33, 5000, 4900, 4000, difference))
    found = invoke("verify", "digits", "--machine", "tiny")
    assert found.exit_code == 1
    assert found.stdout.splitlines() == ["Input read as -1..1, from the file", *lines]
