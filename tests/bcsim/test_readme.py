"""The README: every command runs as it is printed, and so does the Python."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from typer.testing import CliRunner

from bcsim.cli import app
from bcsim.data import Dataset, load
from tests.compiler.build import model, node, save, tensors

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
DATA = Path(os.environ.get("BCSIM_DATA", os.devnull))
IMAGES = 20

COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("bcsim ")
]
SLOW = ("bcsim verilog ", "bcsim verify ", "bcsim build ", "bcsim infer ")
"""Done by .ci/run, on the digits: they synthesise, place and simulate hardware."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands name: the models, a small network of MNIST's size, a small convolutional one of CIFAR-10's."""
    found = tmp_path_factory.mktemp("readme")
    (found / "models").symlink_to(ROOT / "models")
    rng = np.random.default_rng(0)
    dense = tensors(a=np.sign(rng.normal(size=(784, 12))), b=np.sign(rng.normal(size=(12, 10))))
    nodes = [
        node("Flatten", "x", "f"),
        node("MatMul", "f a", "h"),
        node("Relu", "h", "r"),
        node("MatMul", "r b", "y"),
    ]
    built = model(nodes, dense, (1, 28, 28))
    helper.set_model_props(built, {"bcsim.dataset": "mnist"})
    save(built, found).rename(found / "MODEL.onnx")
    conv = tensors(a=np.sign(rng.normal(size=(4, 3, 3, 3))), b=np.sign(rng.normal(size=(900, 10))))
    strided = node("Conv", "x a", "c", strides=[2, 2])
    nodes = [strided, node("Sign", "c", "s"), node("Flatten", "s", "f"), node("MatMul", "f b", "y")]
    save(model(nodes, conv, (3, 32, 32)), found).rename(found / "cnv.onnx")
    return found


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first images of each data set, so that every command takes a second."""
    whole = load.load_named

    def head(*arguments: str) -> Dataset:
        return whole(*arguments).head(IMAGES)  # type: ignore[arg-type]

    monkeypatch.setattr(load, "load_named", head)


@pytest.mark.parametrize("line", [line for line in COMMANDS if not line.startswith(SLOW)])
def test_a_command_runs_as_it_is_printed(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line, comments=True)
    for name in ("mnist", "cifar10"):
        names = name in words or (name == "mnist" and "MODEL.onnx" in words)
        if names and not (DATA / name).is_dir():
            pytest.skip(f"BCSIM_DATA names no folder with {name} in it")
    monkeypatch.chdir(folder)
    found = CliRunner().invoke(app, words[1:], env={"COLUMNS": "120"})
    assert found.exit_code == 0, found.output
    for option in ("--json", "--report", "--trace", "-o"):
        if option in words:
            assert (folder / words[words.index(option) + 1]).is_file()


def test_the_slow_commands_are_in_the_projects_own_run() -> None:
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for line in COMMANDS:
        if line.startswith(SLOW):
            words = shlex.split(line, comments=True)
            assert " ".join(words).replace("bcsim", "$bcsim", 1).replace("MODEL", "models/digits") in run


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if not (DATA / "mnist").is_dir():
        pytest.skip("BCSIM_DATA names no folder with MNIST in it")
    monkeypatch.undo()
    found = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    monkeypatch.chdir(ROOT)
    exec(compile(found[1], "README.md", "exec"), {})
    accuracy, cycles = capsys.readouterr().out.split()
    assert float(accuracy) > 0.98
    assert int(cycles) < 2884
