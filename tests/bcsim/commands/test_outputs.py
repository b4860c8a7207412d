"""What a command cannot write or do is told before it works, and what it may not replace is left alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bcsim import api
from bcsim.interface import infer
from tests.bcsim.commands.test_cli import fails, invoke

ONE_IMAGE = ("--images", 1)
FIT = ("fit", "digits", "--part", "hx8k")
BUILD = ("build", "digits", "--board", "icebreaker")
EXPLORE = ("explore", "digits", "--lanes", 8, "--digit", 4)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which work ends the test."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.tex").write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "load", _work)
    monkeypatch.setattr(infer, "infer", _work)
    return tmp_path


def _work(*_: object, **__: object) -> None:
    raise AssertionError("the work began")


@pytest.mark.parametrize(
    "command",
    [
        *(("run", "digits", option) for option in ("--json", "--report", "--outputs", "--trace")),
        ("compile", "digits", "-o"),
        (*FIT, "--json"),
        ("verify", "digits", *ONE_IMAGE, "--json"),
        ("verify", "digits", *ONE_IMAGE, "--waves"),
        (*BUILD, "-o", "b", "--json"),
        ("infer", "folder", "--port", "sim", "--json"),
    ],
)
def test_files_are_checked_before_the_work(folder: Path, command: tuple[object, ...]) -> None:
    fails(f"Cannot write no/file: there is no folder {folder / 'no'}", *command, "no/file")
    fails("Cannot write folder: it is a folder", *command, "folder")


@pytest.mark.parametrize("command", [("verilog", "digits", "-o"), (*BUILD, "-o")])
def test_folders_are_checked_before_the_work(folder: Path, command: tuple[object, ...]) -> None:
    fails("file is a file; give a folder to write to", *command, "file")
    fails(f"Cannot write to file/a: {folder / 'file'} is no folder", *command, "file/a")
    fails(
        "Folder theirs has files that bcsim did not write; give another, or --force to replace it",
        *command,
        "theirs",
    )


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("Cannot write to file/a: {} is no folder", ("--out", "file/a")),
        ("Folder no holds no sweep: it has no table.csv", ("--out", "o", "--compare", "no")),
        (
            "--weight-words needs --memory: without one all weights are on the chip",
            ("--out", "o", "--weight-words", 64),
        ),
        (
            "Unknown external memory 'x'; known are arty-ddr3, ulx3s-sdram, icebreaker-flash",
            ("--memory", "x"),
        ),
        (
            "No machine has these values: Machine parameter clock_mhz must be above 0 and at most 10000, not 0.0",
            ("--clock", 0),
        ),
        (
            "No machine has these values: Machine parameter clock_mhz must be above 0 and at most 10000, not nan",
            ("--clock", "nan"),
        ),
    ],
)
def test_a_sweep_is_checked_before_the_work(
    folder: Path, message: str, arguments: tuple[object, ...]
) -> None:
    out = () if "--out" in arguments else ("--out", "o")
    fails(message.format(folder / "file"), *EXPLORE, *out, *arguments)
    assert not (folder / "o").exists()


@pytest.mark.parametrize(
    "command",
    [("run", "digits"), ("verilog", "digits", "-o", "o"), ("verify", "digits"), (*BUILD, "-o", "o")],
)
def test_a_machine_is_checked_before_the_work(folder: Path, command: tuple[object, ...]) -> None:
    fails(
        "Machine parameter lanes must be even (lanes work in pairs), not 3", *command, "--machine", "lanes=3"
    )


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("Energy table 'file' is not valid TOML: ", ("run", "digits", "--energy-table", "file")),
        ("Unknown part 'x'; known are up5k", ("verilog", "digits", "-o", "o", "--part", "x")),
        ("Unknown board 'x'; the boards are icebreaker", ("build", "digits", "--board", "x", "-o", "o")),
    ],
)
def test_names_are_checked_before_the_work(folder: Path, message: str, arguments: tuple[object, ...]) -> None:
    found = invoke(*arguments)
    assert found.exit_code == 2
    assert found.stderr.startswith(f"bcsim: {message}")


def test_members_of_an_ensemble_are_not_written_over(folder: Path) -> None:
    member = folder / "folder" / "a.onnx"
    member.write_text("network")
    fails(
        "Cannot write folder/a.onnx: this command reads or writes another file there; give another name",
        "run", "folder", "--json", "folder/a.onnx",
    )  # fmt: skip
    assert member.read_text() == "network"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("argument", ["boards", "--version"])
def test_standard_output_that_is_full_is_named(tmp_path: Path, argument: str) -> None:
    with Path("/dev/full").open("w") as full:
        found = _process(tmp_path, argument, stdout=full)
    assert found.stderr == "bcsim: Cannot write standard output: No space left on device\n"
    assert found.returncode == 2


def test_standard_output_that_is_closed_is_no_error(tmp_path: Path) -> None:
    code = "import sys; sys.stdout = None; sys.argv = ['bcsim', 'boards', '--json']; from bcsim.cli import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False
    )
    assert (found.stderr, found.returncode) == ("", 0)


def _process(folder: Path, *arguments: str, stdout: object) -> subprocess.CompletedProcess[str]:
    # Buffered, as most people have it: the last of it is written at the end.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "bcsim", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
    )  # type: ignore[call-overload]
