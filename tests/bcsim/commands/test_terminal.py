"""What a terminal shows: whole names, any encoding, no colour where none is wanted, examples that run, completion."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

import bcsim
from bcsim.cli import COMMANDS, app
from bcsim.commands.examples import EXAMPLES, SUMMARIES
from bcsim.common.extras import EXTRAS, missing_package
from bcsim.machine.descriptions import PARAMETERS, PRESET_USES
from bcsim.machine.parameters import PRESETS, Machine
from bcsim.results.summary import print_summary

ROOT = Path(bcsim.__file__).parents[1]


def invoke(*arguments: str, width: int = 200, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": str(width), **environment})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def result() -> bcsim.Result:
    found = bcsim.simulate(bcsim.compile(bcsim.load("digits")), "digits", machine="tiny", images=2)
    name = "/features/features.3/conv/Conv_output_0_quantised_by_brevitas"
    return replace(found, layers=tuple(replace(layer, name=name, inputs=1_234_567) for layer in found.layers))


@pytest.mark.parametrize("width", [60, 80])
def test_no_name_and_no_number_is_cut(result: bcsim.Result, width: int) -> None:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_summary(result, console)  # type: ignore[arg-type]
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    rows = [line.split("│") for line in shown.splitlines() if line.count("│") == 9]
    names, inputs = ("".join(row[column].strip() for row in rows) for column in (1, 2))
    assert names == result.layers[0].name * len(result.layers)
    assert inputs == "1,234,567" * len(result.layers)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_preset_and_parameter_is_listed_whole(width: int) -> None:
    shown = invoke("machines", width=width).stdout
    assert "…" not in shown
    for name in (*PRESETS, *PARAMETERS):
        assert name in shown


def test_every_preset_and_parameter_is_described() -> None:
    assert list(PRESET_USES) == list(PRESETS)
    assert list(PARAMETERS) == [field.name for field in fields(Machine) if field.name != "name"]
    for name, use in PRESET_USES.items():
        shown = " ".join(invoke("machines", name).stdout.split())
        assert use in shown
        assert all(meaning in shown for meaning in PARAMETERS.values())


def test_a_machine_of_the_users_own_is_described() -> None:
    found = invoke("machines", "conv,lanes=64,pes=64")
    assert found.exit_code == 0
    assert "A machine of your own" in found.stdout
    assert invoke("machines", "huge").exit_code == 2


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_output_survives_any_encoding(encoding: str, folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "bcsim", "run", "digits", "--images", "2", "--no-float"]
    found = subprocess.run(command, capture_output=True, env=environment, cwd=folder, check=True)
    assert found.stderr == b""
    shown = found.stdout.decode(encoding)
    assert ("5 → 8" if encoding == "utf-8" else "5 -> 8") in shown
    assert "cycles per image" in shown
    assert "\\u" not in shown


def test_no_color_is_heeded() -> None:
    coloured = invoke("info", "digits", FORCE_COLOR="1", NO_COLOR="")
    plain = invoke("info", "digits", FORCE_COLOR="1", NO_COLOR="1")
    colours = re.compile(r"\x1b\[[0-9;]*3[0-7]")
    assert colours.search(coloured.stdout)
    assert not colours.search(plain.stdout)


def test_every_command_has_its_examples_and_its_line() -> None:
    names = [command.__name__ for command in COMMANDS]
    assert sorted(EXAMPLES) == sorted(SUMMARIES) == sorted(names)
    for name in names:
        shown = invoke(name, "--help", width=80).stdout
        assert all(f"    {line}\n" in shown for line, _ in EXAMPLES[name])
        assert SUMMARIES[name] in invoke("--help", width=80).stdout


LINES = [pytest.param(line, id=line) for pairs in EXAMPLES.values() for line, _ in pairs]
SLOW = ("bcsim train", "bcsim verify", "bcsim verilog", "bcsim infer", "bcsim build")
"""Run by .ci/run, and by tests that need torch, Verilator or the tools of an FPGA."""


@pytest.mark.parametrize("line", [line for line in LINES if not str(line.id).startswith(SLOW)])
def test_every_example_runs(line: str, folder: Path) -> None:
    data = bcsim.load_dataset("digits", limit=5)
    np.savez(folder / "my.npz", x=data.x.reshape(-1, 64) / 8 - 1, y=data.y)
    found = invoke(*shlex.split(line)[1:])
    assert found.exit_code == 0, found.output


def test_slow_examples_are_in_the_projects_own_run() -> None:
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for name in ("train", "verify", "verilog"):
        assert f"$bcsim {name} " in run


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bcsim run --machine con", {"conv", "conv-bnn"}),
        ("bcsim run --data mn", {"mnist"}),
        ("bcsim info dig", {"digits"}),
        ("bcsim info my", {"my.onnx", "mydir/"}),
        ("bcsim ver", {"verilog", "verify"}),
    ],
)
def test_the_shell_completes_commands_and_names(line: str, offered: set[str], folder: Path) -> None:
    for name in ("my.onnx", "my.txt"):
        (folder / name).touch()
    (folder / "mydir").mkdir()
    words = line.split()
    environment = {"_BCSIM_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    found = CliRunner().invoke(app, [], env=environment, prog_name="bcsim")
    assert set(found.stdout.split()) == offered


@pytest.mark.parametrize(
    ("package", "extra"), [(name, extra) for extra, names in EXTRAS.items() for name in names]
)
def test_a_missing_package_is_told_with_the_command_that_installs_it(package: str, extra: str) -> None:
    told = str(missing_package(ModuleNotFoundError("", name=f"{package}.inner")))
    assert told == f"This needs the package {package}, which is not installed: pip install 'bcsim[{extra}]'"
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(rf"^{extra} = \[$", project, re.MULTILINE)


def test_the_memories_of_a_machine_are_planned() -> None:
    shown = invoke("machines", "tiny", "--memories", "ecp5").stdout
    assert "13 blocks, and records and scores beside them" in shown
    assert re.search(r"weight .* 1 .* 1,024 .* 64 .* 4 .* 89%", shown)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--memories", "ecp5"), "--memories needs a machine: bcsim machines tiny --memories ecp5"),
        (("tiny", "--memories", "asic"), "Family for --memories must be one of ecp5, ice40, not 'asic'"),
    ],
)
def test_a_plan_needs_a_machine_and_a_family(arguments: tuple[str, ...], message: str) -> None:
    found = invoke("machines", *arguments)
    assert found.exit_code == 2
    assert message in " ".join(found.stderr.split())
