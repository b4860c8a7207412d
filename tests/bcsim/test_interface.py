"""The Python interface as a library's users expect it: arrays, files, methods, short texts, errors, its boundary."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bcsim
from bcsim.rtl.generate import verify as verify_module
from bcsim.rtl.generate.verify import Verification

ROOT = Path(bcsim.__file__).parents[1]


def whole(message: str) -> str:
    return f"^{re.escape(message)}$"


@pytest.fixture(scope="module")
def digits() -> bcsim.Dataset:
    return bcsim.load_dataset("digits", limit=30)


@pytest.fixture(scope="module")
def program() -> bcsim.Program:
    return bcsim.compile("digits")


@pytest.fixture(scope="module")
def result(program: bcsim.Program, digits: bcsim.Dataset) -> bcsim.Result:
    return bcsim.simulate(program, digits, machine="tiny", record=2)


def floats(data: bcsim.Dataset) -> Any:
    return data.x.reshape(len(data), 64) / 8 - 1


def test_arrays_go_in(program: bcsim.Program, digits: bcsim.Dataset, result: bcsim.Result) -> None:
    """uint8 levels, floats and nested lists give what the data set gives."""
    wide = replace(digits, name="arrays")
    for x, y in (
        (floats(digits), digits.y),
        (floats(digits).astype(np.float32), digits.y),
        (floats(digits).tolist(), digits.y.tolist()),  # type: ignore[union-attr]
    ):
        found = bcsim.simulate(program, x, y, machine="tiny")
        np.testing.assert_array_equal(found.scores_program, result.scores_program)
        assert found.accuracy_program == result.accuracy_program
        assert found.data == wide.name
    assert bcsim.simulate(program, floats(digits), machine="tiny").accuracy_program is None


def test_a_program_runs_on_arrays_files_and_data_sets(
    program: bcsim.Program, digits: bcsim.Dataset, result: bcsim.Result, tmp_path: Path
) -> None:
    np.savez(tmp_path / "x.npz", x=floats(digits))
    for data in (digits, floats(digits), tmp_path / "x.npz", str(tmp_path / "x.npz")):
        found = program.run(data)
        np.testing.assert_array_equal(found.scores, result.scores_program)
        np.testing.assert_array_equal(found.classes, result.classes_program)


def test_arrays_calibrate(program: bcsim.Program) -> None:
    images = bcsim.load_dataset("digits", "train", 1000)
    found = bcsim.compile("digits", calibration=floats(images))
    assert [layer.target for layer in found.layers] == [layer.target for layer in program.layers]


def test_saved_and_loaded(program: bcsim.Program, digits: bcsim.Dataset, tmp_path: Path) -> None:
    assert program.save(tmp_path / "p.onnx") == tmp_path / "p.onnx"
    assert bcsim.save(program, str(tmp_path / "q.onnx")).read_bytes() == (tmp_path / "p.onnx").read_bytes()
    loaded = bcsim.load(tmp_path / "p.onnx").program
    assert isinstance(loaded, bcsim.Program)
    np.testing.assert_array_equal(loaded.run(digits).scores, program.run(digits).scores)
    again = bcsim.simulate(bcsim.load(tmp_path / "p.onnx"), digits, machine="tiny")  # type: ignore[arg-type]
    np.testing.assert_array_equal(again.scores_program, program.run(digits).scores)


def test_report_trace_and_json(result: bcsim.Result, tmp_path: Path) -> None:
    assert result.report(tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    packed = result.trace(str(tmp_path / "t.json.gz"))
    assert len(json.loads(gzip.decompress(packed.read_bytes()))["traceEvents"]) > 100
    assert result.to_json() == bcsim.to_json(result)
    message = "The simulation recorded 2 images, and a trace needs 3: simulate(..., record=3)"
    with pytest.raises(bcsim.BcsimError, match=whole(message)):
        result.trace(tmp_path / "t.json", images=3)


def test_verilog_and_verify(
    program: bcsim.Program, digits: bcsim.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = program.verilog(tmp_path / "out", machine="tiny", data=digits, images=2)
    assert {"accelerator.v", "test_accelerator.py"} <= {path.name for path in folder.iterdir()}
    given: list[Any] = []

    def stand_in(mapping: Any, stimulus: Any, **options: Any) -> Verification:
        given.append((mapping.machine.name, len(stimulus.q), options["simulator"]))
        return Verification("verilator", 1, 1, 1, 1, 1, 1, None)

    monkeypatch.setattr(verify_module, "verify", stand_in)
    assert program.verify(machine="tiny", data=floats(digits), images=1).equal
    assert bcsim.verify(program, simulator="icarus").equal
    assert given == [("tiny", 1, "verilator"), ("small", 3, "icarus")]


def test_texts_are_short(program: bcsim.Program, digits: bcsim.Dataset, result: bcsim.Result) -> None:
    assert (
        repr(program)
        == "<Program digits: 64 to 10 classes, 3 layers, 25,856 weights, rounded after training>"
    )
    assert repr(digits) == "<Dataset digits: 30 images of 8 x 8, levels 0 to 16, labelled>"
    assert repr(bcsim.load("digits")) == "<Model digits: 64 to 10 scores, 8 operations, for digits>"
    assert re.fullmatch(
        r"<Result of digits on digits: 30 images, accuracy [\d.]+ %, 835 cycles per image on tiny, [\d.]+ nJ "
        r"per image>",
        repr(result),
    )


class Balance(HTMLParser):
    """Raises where tags do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_notebooks_show_tables(program: bcsim.Program, result: bcsim.Result) -> None:
    for shown, text in ((program, "matmul1"), (replace(result, model="<img src=x>"), "835")):
        html = shown._repr_html_()  # type: ignore[attr-defined]
        parser = Balance()
        parser.feed(html)
        assert parser.open == []
        assert text in html
        assert "<img" not in html


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: bcsim.load(3), "Network must be a path or a bundled network's name, not int"),
        (
            lambda p: bcsim.compile(3),
            "Model must be what bcsim.load gives, a path or a bundled network's name, not an int",
        ),
        (
            lambda p: bcsim.compile("digits", range_method="best"),
            "Range method must be one of percentile, mse, max, not 'best'",
        ),
        (
            lambda p: bcsim.simulate(bcsim.load("digits"), "digits"),
            "Program must be what bcsim.compile gives, not a Model; compile it first: bcsim.compile(model)",
        ),
        (lambda p: bcsim.save(None, "p"), "Program must be what bcsim.compile gives, not a NoneType"),
        (
            lambda p: p.simulate("digits", machine=5),
            "Machine must be a preset's name, parameters such as medium,lanes=64 or a bcsim.Machine, not an int",
        ),
        (lambda p: p.run([1, 2]), "Array x must have one row an image, not shape (2,)"),
        (lambda p: p.run([["a"]]), "Array x must hold integers or floats, not <U1"),
        (lambda p: p.run([[np.nan] * 64]), "Array x must be finite, and has NaN or infinite values"),
        (lambda p: p.run([[300] * 64]), "Integer array x must have levels from 0 to 255, not 300 to 300"),
        (
            lambda p: p.run(np.zeros((2, 63))),
            "Data set arrays has images of shape (63,), 63 values each, and the network takes 64",
        ),
        (lambda p: p.simulate(np.zeros((1, 64)), [0.5]), "Array y must hold integer classes, not float64"),
        (
            lambda p: p.simulate("digits", [1]),
            "Labels belong to an array of images; a data set or a file brings its own",
        ),
        (
            lambda p: p.simulate("digits", reference="digits"),
            "Reference must be what bcsim.load gives, not str",
        ),
        (lambda p: p.verify(simulator="vcs"), "Simulator must be verilator or icarus, not 'vcs'"),
        (lambda p: p.verilog("out", images=0), "Number of images must be an integer of at least 1, not 0"),
    ],
)
def test_wrong_arguments_are_told_with_what_is_accepted(
    call: Any, message: str, program: bcsim.Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # `make demo` leaves a folder out/ where the tests begin
    with pytest.raises(bcsim.BcsimError, match=whole(message)):
        call(program)


def test_a_missing_extra_is_told(
    program: bcsim.Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in sys.modules if name.startswith(("bcsim.rtl", "amaranth"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "amaranth", None)
    message = "This needs the package amaranth, which is not installed: pip install 'bcsim[hdl]'"
    with pytest.raises(bcsim.BcsimError, match=whole(message)):
        program.verilog(tmp_path / "out")


def test_the_boundary_is_what_is_listed_documented_and_typed() -> None:
    assert sorted(bcsim.__all__) == dir(bcsim)
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    for name in bcsim.__all__:
        assert hasattr(bcsim, name)
        assert f"`{name}`" in page or f"bcsim.{name}(" in page, name
    assert (Path(bcsim.__file__).parent / "py.typed").is_file()


def test_importing_loads_no_numbers() -> None:
    code = "import bcsim, sys; dir(bcsim); print('numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout == "False\n"


def test_the_pages_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "python.md", "exec"), names)
    assert (tmp_path / "report.html").is_file()
    assert (tmp_path / "trace.json.gz").is_file()
    assert (tmp_path / "out" / "accelerator.v").is_file()
