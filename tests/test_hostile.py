"""The files that once did harm, where they lie beside the data: each ends as its README says."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bcsim as interface

FOLDER = Path(os.environ.get("BCSIM_DATA", "data")).parent / "hostile"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the hostile files are not beside the data")


def bcsim(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A command that ends within a minute, whatever the file says."""
    return subprocess.run(
        [sys.executable, "-m", "bcsim", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("overflow_target_scale", "out of range"),
        ("hang_scale", "bcsim.input"),
        ("utf8_node", "not UTF-8"),
        ("segment", "segments"),
        ("dims71", "71 axes"),
        ("overflow_divisor", "the divisor of output"),
    ],
)
def test_refused_in_one_sentence(file: str, told: str, tmp_path: Path) -> None:
    # The default machine is fitted to the network and has the width for these divisors; the preset has not.
    data = ("--data", "mnist", "--machine", "medium") if file == "overflow_divisor" else ()
    found = bcsim("run", FOLDER / f"{file}.onnx", *data, "--images", 2)
    assert found.returncode == 2, found.stderr
    assert found.stderr.startswith("bcsim: ")
    assert found.stderr.count("\n") == 1
    assert told in found.stderr


def test_wide_divisors_give_what_the_program_means(tmp_path: Path) -> None:
    given = ("--data", "mnist", "--level", "machine", "--images", 2, "--outputs", tmp_path / "o.npz")
    found = bcsim("run", FOLDER / "overflow_divisor.onnx", *given)
    assert found.returncode == 0, found.stderr
    assert "images run cycle by cycle" in found.stdout
    with np.load(tmp_path / "o.npz") as outputs:
        # Every quotient is 0, so that all scores are what level 0 stands for.
        assert np.ptp(outputs["program"]) == 0


@pytest.mark.parametrize(
    ("file", "data", "options"),
    [
        ("point_silent", "point", ["--input", "raw"]),
        ("point_crash", "point", ["--input", "raw"]),
        (
            "concat_grid_s387",
            "concat_grid_s387",
            ["--input", "raw", "--machine", "conv,parameter_words=2000"],
        ),
        ("ort_float_s37", "ort_float_s37", ["--input", "raw"]),
    ],
)
def test_the_same_classes_as_the_file(file: str, data: str, options: list[str]) -> None:
    images = FOLDER / f"{data}.npz"
    found = bcsim("run", FOLDER / f"{file}.onnx", "--data", images, "--calibrate", images, *options)
    assert found.returncode == 0, found.stderr
    row = next(line for line in found.stdout.splitlines() if "same class as the float network" in line)
    assert "100.00 %" in row


def test_damaged_data() -> None:
    found = bcsim("run", "digits", "--data", FOLDER / "zlib_damaged.npz")
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)


def test_a_damaged_matlab_file(tmp_path: Path) -> None:
    (tmp_path / "test_32x32.mat").symlink_to(FOLDER / "damaged_svhn_test_32x32.mat")
    found = bcsim("run", "digits", "--data", tmp_path)
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert "is not an SVHN file" in found.stderr


@pytest.mark.parametrize("file", ["name_with_python", "name_with_verilog"])
def test_a_name_is_only_a_name(file: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = bcsim(
        "verilog", FOLDER / f"{file}.onnx", "-o", out, "--images", 1, "--no-check", "--data", "digits"
    )
    assert found.returncode == 0, found.stderr
    before = {path.name for path in tmp_path.iterdir()}
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import ast, sys; ast.parse(open(sys.argv[1]).read())",
            out / "test_accelerator.py",
        ],
        check=True,
    )
    head = (out / "accelerator.v").read_text().split("module ", 1)[0].splitlines()
    assert all(line.startswith("//") or not line.strip() for line in head)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_scores_are_within_the_error_that_is_told() -> None:
    """Classes change where they are nearer than that; the run says by how much scores may be off."""
    images = FOLDER / "score_order_s275.npz"
    found = bcsim("run", FOLDER / "score_order_s275.onnx", "--data", images, "--input", "centred")
    assert found.returncode == 0, found.stderr
    assert "yes, scores to ±0.025" in found.stdout
    model = interface.load(FOLDER / "score_order_s275.onnx")
    program = interface.compile(model, input="centred", data=images)
    result = interface.simulate(program, images, reference=model)
    off = float(np.abs(result.scores_program - result.scores_float).max())
    assert result.score_error is not None
    assert 0 < off <= result.score_error + 1e-6
