"""The command line as a user meets it: exit codes, files, whole messages."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import bcsim
from bcsim import __version__, api
from bcsim.cli import app
from bcsim.compiler.program.onnx_format import load_program
from bcsim.compiler.program.text import program_text
from bcsim.costs.energy import TABLES, table_text
from bcsim.execution.input_text import ACCEPTED
from bcsim.machine.parameters import PRESETS
from tests.compiler.build import model, node, save, tensors

USER_ERROR, INTERRUPTED = 2, 130


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)


def fails(message: str, *arguments: object) -> None:
    """Hold a command to one sentence on standard error, nothing on standard output, and exit code 2."""
    found = invoke(*arguments)
    assert found.stderr == f"bcsim: {message}\n"
    assert found.stdout == ""
    assert found.exit_code == USER_ERROR


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_run_without_arguments_is_the_demo(folder: Path) -> None:
    found = invoke("run")
    assert found.exit_code == 0, found.output
    assert [path.name for path in folder.iterdir()] == ["bcsim-report.html"]
    assert "digits on digits" in found.stdout
    assert "98.05 %" in found.stdout
    assert found.stdout.endswith("Wrote bcsim-report.html\n")
    assert found.stderr == ""


def test_run_writes_every_file_asked_for(folder: Path) -> None:
    found = invoke(
        "run", "digits", "--level", "machine", "--images", 4, "--json", "a.json", "--outputs", "a.npz",
        "--trace", "t.json", "--report", "r.html",
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    document = json.loads((folder / "a.json").read_text())
    assert (document["images"], document["level"], document["cycles"]["run"]["images"]) == (4, "machine", 4)
    arrays = load_arrays(folder / "a.npz")
    assert sorted(arrays) == ["classes_float", "classes_program", "float", "program"]
    assert arrays["program"].shape == arrays["float"].shape == (4, 10)
    assert len(json.loads((folder / "t.json").read_text())["traceEvents"]) > 100
    assert (folder / "r.html").read_text().startswith("<!DOCTYPE html>")


def test_json_to_standard_output_is_alone_there() -> None:
    found = invoke("run", "digits", "--images", 3, "--json", "-", "--no-float")
    document = json.loads(found.stdout)
    assert document["accuracy"]["float"] is None
    assert Path(document["model"]["path"]).name == "digits.onnx"
    assert found.stderr == ""


def test_compile_then_run_gives_the_same_scores(folder: Path) -> None:
    assert invoke("compile", "digits", "-o", "p.onnx").exit_code == 0
    assert invoke("run", "p.onnx", "--images", 30, "--outputs", "p.npz").exit_code == 0
    assert invoke("run", "digits", "--images", 30, "--outputs", "d.npz").exit_code == 0
    stored, direct = load_arrays(folder / "p.npz"), load_arrays(folder / "d.npz")
    np.testing.assert_array_equal(stored["program"], direct["program"])
    assert sorted(stored) == ["classes_program", "program"]


def test_info_of_a_network() -> None:
    found = invoke("info", "digits")
    assert found.exit_code == 0
    for text in (
        "matmul1",
        "DequantizeLinear",
        "Dense 64 to 128",
        "bcsim.dataset = digits",
        "can be compiled",
    ):
        assert text in found.stdout


def test_info_tells_what_is_not_supported(folder: Path) -> None:
    path = save(
        model([node("MatMul", "x w", "m"), node("Cos", "m", "y")], tensors(w=np.ones((4, 2)))), folder
    )
    found = invoke("info", path)
    assert found.exit_code == USER_ERROR
    assert "unsupported" in found.stdout
    assert found.stdout.endswith("This network cannot be compiled: 1 of 2 nodes are not supported.\n")


def test_info_tells_what_the_importer_reads_and_no_lowering_takes(folder: Path) -> None:
    """Pixels that differ by a factor each, behind which no integers are left for the first layer."""
    factors = np.array([1.0, 1.1, 1.23, 0.77])
    nodes = [node("Mul", "x f", "m"), node("Sigmoid", "m", "s"), node("MatMul", "s w", "y")]
    found = invoke("info", save(model(nodes, tensors(f=factors, w=np.ones((4, 2)))), folder))
    refused = invoke("compile", folder / "model.onnx", "-o", "p.onnx")
    assert (found.exit_code, refused.exit_code) == (USER_ERROR, USER_ERROR)
    assert "this network cannot be compiled: " in found.stdout
    assert refused.stderr.removeprefix("bcsim: ").strip() in " ".join(found.stdout.split())


def test_info_of_real_weights_that_are_rounded(folder: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(4, 2))
    path = save(model([node("MatMul", "x w", "y")], tensors(w=weights)), folder)
    assert invoke("info", path).exit_code == USER_ERROR
    found = invoke("info", path, "--weight-bits", 8)
    assert found.exit_code == 0
    assert "this network can be compiled" in found.stdout
    assert "dB" in found.stdout
    assert "rounded to 8 bits" in invoke("info", path, "--text", "--weight-bits", 8).stdout
    fails("Weight bits must be from 2 to 8, not 9", "info", path, "--weight-bits", 9)


def test_info_of_a_program() -> None:
    invoke("compile", "digits", "-o", "p.onnx", "--bits", "3")
    found = invoke("info", "p.onnx")
    assert found.exit_code == 0
    assert "3 → 16" in found.stdout
    assert "Exact is what the file says" in found.stdout


def test_text_of_a_network_is_that_of_its_program(folder: Path) -> None:
    invoke("compile", "digits", "-o", "p.onnx", "--bits", "3")
    stored = invoke("info", "p.onnx", "--text")
    lowered = invoke("info", "digits", "--text", "--bits", "3")
    assert (stored.exit_code, lowered.exit_code) == (0, 0)
    assert stored.stdout == lowered.stdout
    first, second, *layers = stored.stdout.splitlines()
    assert first == "program digits: 64 -> 10 classes"
    assert second == "input u5 (0.125, -1) as it is -> u5 (0.125, -1)"
    assert [line.split(":")[0] for line in layers[:3]] == [
        "0 dense matmul1",
        "1 dense matmul2",
        "2 dense matmul3",
    ]
    assert stored.stdout == program_text(load_program(folder / "p.onnx"))


def test_text_of_a_network_that_needs_calibration_says_so(folder: Path) -> None:
    nodes = [node("MatMul", "x w", "m"), node("Relu", "m", "r"), node("MatMul", "r v", "y")]
    path = save(model(nodes, tensors(w=np.ones((4, 3)), v=np.ones((3, 2)))), folder)
    fails(
        "Tensor 'r' is not quantised by the network: its range needs calibration images (--calibrate); "
        "give calibration images (--calibrate NAME or FILE), since the file names no data set",
        *("info", path, "--text"),
    )


def test_options_that_only_a_program_has_a_use_for() -> None:
    message = "Options --bits, --calibrate and --input need --text: without it nothing is compiled"
    fails(message, "info", "digits", "--bits", "3")


def test_run_tells_which_weights_stream() -> None:
    machine = "tiny,weight_words=150,weight_stream_bytes=4,weight_stream_interval=4"
    found = invoke("run", "digits", "--machine", machine, "--images", "5", "--no-float")
    assert found.exit_code == 0
    assert "3,072 bytes: matmul1, matmul2" in found.stdout
    assert "lost to weight load" in found.stdout


def test_machines() -> None:
    found = invoke("machines")
    assert found.exit_code == 0
    for name in PRESETS:
        assert name in found.stdout
    assert "weight_words" in found.stdout


def test_help_says_what_text_prints() -> None:
    found = invoke("info", "--help")
    assert "--text" in found.stdout
    assert "a line for each layer" in " ".join(found.stdout.split())


def test_energy_tables() -> None:
    found = invoke("energy")
    assert found.exit_code == 0
    assert all(text in found.stdout for text in (*TABLES, "45 nm, 0.9 V", "1300", "no table has leakage"))


def test_a_name_that_is_empty_is_no_model(folder: Path) -> None:
    """A shell's variable that is not set asks neither for the demo nor for the networks of this folder."""
    message = (
        "There is no file '', and no bundled network of that name; those are digits, mnist-mlp, mnist-vat, "
    )
    fails(f"{message}cifar10-cnn, cifar10-fast, cifar10-small", "run", "")
    assert list(folder.iterdir()) == []


def test_energy_table_printed_to_start_from() -> None:
    found = invoke("energy", "--print", "aladdin-40nm-5ns")
    assert (found.exit_code, found.stdout) == (0, table_text("aladdin-40nm-5ns"))
    wrong = invoke("energy", "--print", "x")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert wrong.stderr == f"bcsim: There is no energy table 'x'; accepted are {', '.join(TABLES)}\n"


def test_version_and_help() -> None:
    assert invoke("--version").stdout == f"bcsim {__version__}\n"
    for command in ("run", "info", "compile", "machines", "energy"):
        assert invoke(command, "--help").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run none.onnx", "File 'none.onnx' cannot be read: No such file or directory"),
        (
            "run digit",
            "There is no file 'digit', and no bundled network of that name; those are digits, mnist-mlp, mnist-vat, "
            "cifar10-cnn, cifar10-fast, cifar10-small",
        ),
        ("info none.onnx", "File 'none.onnx' cannot be read: No such file or directory"),
        ("run digits --bits 8,x", "--bits must be integers from 1 to 8 separated by commas, not '8,x'"),
        ("run digits --bits 9", "Each entry of --bits must be an integer from 1 to 8, not 9"),
        ("run digits --bits 0", "Each entry of --bits must be an integer from 1 to 8, not 0"),
        (
            "run digits --bits 8,4",
            "--bits must have 1 entry or 3, one for the input of each linear layer, not 2",
        ),
        ("run digits --images 0", "Number of images must be at least 1, not 0"),
        (
            "run digits --machine huge",
            f"Unknown machine 'huge'; the presets are {', '.join(PRESETS)}, or give parameters such as "
            "lanes=32,pes=32,digit=8",
        ),
        ("run digits --machine lanes=3", "Machine parameter lanes must be even (lanes work in pairs), not 3"),
        (
            "run digits --machine tiny,weight_words=415",
            "Machine 'custom' is too small for this network: it needs weight_words of at least 416, not 415",
        ),
        (
            "run digits --data nowhere",
            "Data 'nowhere' is neither one of digits, mnist, cifar10, svhn nor an existing .npz file or folder",
        ),
        (
            "run digits --input best",
            f"Input must be {ACCEPTED}, not 'best'",
        ),
        (
            "run digits --energy-table best",
            "Energy table 'best' is neither one of horowitz-45nm, aladdin-40nm-1ns, aladdin-40nm-5ns nor a "
            "readable TOML file",
        ),
        ("run digits --percentile 50", "Percentile must be above 50 and at most 100, not 50.0"),
    ],
)
def test_bad_input(arguments: str, message: str) -> None:
    fails(message, *arguments.split())


def test_options_that_a_compiled_program_has_no_use_for() -> None:
    invoke("compile", "digits", "-o", "p.onnx")
    message = "File p.onnx is compiled already: --bits, --calibrate and --input have no effect on it"
    fails(message, "info", "p.onnx", "--text", "--bits", "3")
    fails(message, "run", "p.onnx", "--bits", "4")
    fails(
        "File p.onnx is a compiled program already; only float networks are compiled",
        "compile",
        "p.onnx",
        "-o",
        "q",
    )


def test_network_that_names_no_data_set(folder: Path) -> None:
    path = save(model([node("MatMul", "x w", "y")], tensors(w=np.ones((4, 2)))), folder)
    fails(f"File {path} names no data set: give --data, a name, an .npz file or a folder", "run", path)


def test_full_disk_when_compiling() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    fails("Cannot write /dev/full: No space left on device", "compile", "digits", "-o", "/dev/full")


@pytest.mark.parametrize("option", ["--json", "--outputs", "--report", "--trace"])
def test_full_disk_leaves_no_partial_file(folder: Path, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    found = invoke("run", "digits", "--images", 3, option, "file")
    assert found.stderr == "bcsim: Cannot write file: No space left on device\n"
    assert found.exit_code == USER_ERROR
    assert list(folder.iterdir()) == []


def test_interrupted_run_leaves_no_partial_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    found = invoke("run", "digits", "--images", 3, "--json", "file")
    assert (found.stderr, found.exit_code) == ("bcsim: Interrupted\n", INTERRUPTED)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ModuleNotFoundError("No module named 'amaranth'", name="amaranth"),
            "This needs the package amaranth, which is not installed: pip install 'bcsim[hdl]'",
        ),
        (MemoryError(), "There is not enough memory for this: use fewer images (--images)"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "Cannot access /x: Permission denied"),
    ],
)
def test_what_the_system_refuses(error: Exception, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(api, "simulate", fail)
    fails(message, "run", "digits")


def test_defect_of_bcsim_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ModuleNotFoundError("No module named 'bcsim.gone'", name="bcsim.gone")

    monkeypatch.setattr(api, "simulate", fail)
    assert invoke("run", "digits").exit_code == 70
    assert isinstance(invoke("--debug", "run", "digits").exception, ModuleNotFoundError)


def test_module_runs_in_a_process_of_its_own(folder: Path) -> None:
    root = Path(bcsim.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "bcsim", "machines"]
    found = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=True)
    assert "medium" in found.stdout
    assert found.stderr == ""


def test_reader_that_leaves_early_is_no_error(folder: Path) -> None:
    root = Path(bcsim.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "bcsim", "run", "digits", "--images", "3", "--no-float", "--json", "-"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0


def test_help_loads_no_numbers(folder: Path) -> None:
    """`bcsim --help` and a mistyped option answer at once: numpy alone takes as long as all the rest."""
    source = "import sys, bcsim.cli; print([name for name in ('numpy', 'onnx') if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(bcsim.__file__).parents[1])}
    command = [sys.executable, "-c", source]
    found = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=True)
    assert found.stdout == "[]\n"
