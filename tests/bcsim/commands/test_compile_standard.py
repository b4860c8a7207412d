"""`bcsim compile --standard`: docs/programs.md as it stands, stored programs, and what bcsim says of the file."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import bcsim
from tests.bcsim.commands.test_cli import fails, invoke, load_arrays

PAGE = (Path(__file__).parents[3] / "docs" / "programs.md").read_text(encoding="utf-8")
COMMANDS, CODE = (re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[0] for kind in ("sh", "python"))
REFUSED = (
    "File standard.onnx is a program in standard operators, for onnxruntime and other runtimes; "
    "for bcsim compile the network without --standard"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_check_of_the_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in COMMANDS.splitlines():
        found = invoke(*shlex.split(line)[1:])
        assert found.exit_code == 0, found.output
    exec(compile(CODE, "docs/programs.md", "exec"), {})
    assert capsys.readouterr().out == "scores that differ: 0\nclasses that differ: 0\n"
    run = load_arrays(folder / "run.npz")
    np.savez("run.npz", **{**run, "program": np.roll(run["program"], 1, axis=1)})
    exec(compile(CODE, "docs/programs.md", "exec"), {})
    assert "scores that differ: 0\n" not in capsys.readouterr().out


def test_a_stored_program_gives_the_same_file(folder: Path) -> None:
    assert invoke("compile", "digits", "-o", "p.onnx", "--bits", 3).exit_code == 0
    assert invoke("compile", "p.onnx", "-o", "stored.onnx", "--standard").exit_code == 0
    assert invoke("compile", "digits", "-o", "direct.onnx", "--bits", 3, "--standard").exit_code == 0
    assert (folder / "stored.onnx").read_bytes() == (folder / "direct.onnx").read_bytes()
    program = bcsim.load("p.onnx").program
    assert program is not None
    assert bcsim.save(program, "saved.onnx", standard=True).read_bytes() == Path("direct.onnx").read_bytes()
    assert bcsim.compile("digits", bits=3).save("method.onnx", standard=True).read_bytes() == (
        Path("direct.onnx").read_bytes()
    )
    fails(
        "File p.onnx is compiled already: --bits, --calibrate and --input have no effect on it",
        *("compile", "p.onnx", "-o", "again.onnx", "--standard", "--bits", 4),
    )


def test_bcsim_says_what_the_file_is() -> None:
    invoke("compile", "digits", "-o", "standard.onnx", "--standard")
    fails(REFUSED, "run", "standard.onnx")
    assert REFUSED.split(";")[0] in " ".join(invoke("info", "standard.onnx").stdout.split())


def test_nothing_is_left_of_a_file_that_cannot_be_written(folder: Path) -> None:
    message = f"Cannot write absent/x.onnx: there is no folder {folder / 'absent'}"
    fails(message, "compile", "digits", "-o", "absent/x.onnx", "--standard")
    assert list(folder.iterdir()) == []
