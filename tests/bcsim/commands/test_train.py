"""`bcsim train`; runs that train need PyTorch and are marked."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bcsim.cli import app

QUICK = ["digits", "--epochs", "2", "--threads", "1"]
NETWORKS = "digits, digits-cnn, mnist-mlp, mnist-vat, cifar10-cnn, cifar10-fast, cifar10-small, svhn-cnn"


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["train", *map(str, arguments)], env={"COLUMNS": "200"})
    return result.exit_code, result.stdout, result.stderr


def fails(message: str, *arguments: object) -> None:
    """Hold the command to one sentence on standard error, nothing on standard output, and exit code 2."""
    assert run(*arguments) == (2, "", f"bcsim: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"Recipe must name its network: {NETWORKS}"),
        (["vgg"], f"Network must be one of {NETWORKS}, not 'vgg'"),
        (
            ["digits", "--method", "x"],
            "Method must be one of det, stoch, none, dropout, bnn, ternary, not 'x'",
        ),
        (["digits", "--epochs", "0"], "Number of epochs must be at least 1, not 0"),
        (["digits", "--lr-end", "-1"], "Last learning rate must be positive and finite, not -1.0"),
        (
            ["digits", "--width", "wide"],
            "Width must be a number of outputs, or a share above 0 and up to 64 of the network's own, such as "
            "0.75, not 'wide'",
        ),
        (["--config", "none.toml"], "Recipe none.toml cannot be read: No such file or directory"),
    ],
)
def test_bad_options_end_with_one_sentence(arguments: list[str], message: str) -> None:
    fails(message, *arguments)


@pytest.mark.parametrize("arguments", [["digits", "--bogus"], ["digits", "--epochs", "many"]])
def test_unparsable_options_exit_with_2(arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_without_pytorch_it_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    fails("Training needs PyTorch: pip install 'bcsim[train]'", *QUICK)


@pytest.mark.train
class TestWithTorch:
    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("torch")
        monkeypatch.chdir(tmp_path)

    def test_writes_curves_and_checkpoint_beside_the_network(self, tmp_path: Path) -> None:
        code, out, err = run(*QUICK, "-o", "net.onnx", "--checkpoint", "\x1b[31mnet.pt")
        assert (code, err) == (0, "")
        assert out.startswith("validation error ")
        assert out.endswith("Wrote net.onnx\nWrote net.csv\nWrote \\x1b[31mnet.pt\n")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["\x1b[31mnet.pt", "net.csv", "net.onnx"]
        lines = (tmp_path / "net.csv").read_text().splitlines()
        assert len(lines) == 3
        assert lines[0] == "epoch,loss,validation_error,best_error,best_epoch,seconds"

    def test_a_share_of_the_width(self) -> None:
        assert run(*QUICK, "--width", "0.25", "--log", "log.json")[0] == 0
        assert json.loads(Path("log.json").read_text())["recipe"]["width"] == 32

    def test_writes_nothing_unless_asked(self, tmp_path: Path) -> None:
        assert run(*QUICK)[0] == 0
        assert list(tmp_path.iterdir()) == []

    def test_json_log_has_recipe_epochs_and_test_errors(self) -> None:
        _, out, _ = run(*QUICK, "--method", "stoch", "--ensemble", 2, "--log", "log.json")
        document = json.loads(Path("log.json").read_text())
        assert document["recipe"]["method"] == "stoch"
        assert [epoch["epoch"] for epoch in document["epochs"]] == [1, 2]
        assert sorted(document["test_error"]) == ["binary", "ensemble", "real"]
        assert f"test error       {document['test_error']['ensemble']:.2%} (ensemble of 2, 359 images)" in out

    def test_config_gives_fields_and_options_override_them(self) -> None:
        Path("my.toml").write_text('network = "digits"\nepochs = 5\nbatch = 60\nlr_scaling = false\n')
        assert run("--config", "my.toml", "--epochs", 1, "--log", "log.json")[0] == 0
        recipe = json.loads(Path("log.json").read_text())["recipe"]
        assert (recipe["epochs"], recipe["batch"], recipe["lr_scaling"]) == (1, 60, False)

    def test_ensemble_is_a_folder_of_networks(self) -> None:
        assert run(*QUICK, "--method", "stoch", "--ensemble", 3, "-o", "nets")[0] == 0
        names = ["member-01.onnx", "member-02.onnx", "member-03.onnx"]
        assert sorted(path.name for path in Path("nets").iterdir()) == names
        assert len({path.read_bytes() for path in Path("nets").iterdir()}) == 3

    def test_preprocessed_images_are_written_for_the_host(self) -> None:
        assert run(*QUICK, "--preprocess", "gcn", "--preprocessed", "images")[0] == 0
        with np.load("images/test.npz") as test, np.load("images/calibration.npz") as calibration:
            assert (test["x"].shape, test["x"].dtype, len(test["y"])) == ((359, 64), np.uint8, 359)
            assert len(calibration["x"]) == len(calibration["y"]) == 1000

    def test_real_weights_are_written_as_such(self) -> None:
        import onnx

        assert run(*QUICK, "--method", "none", "-o", "real.onnx")[0] == 0
        properties = {p.key: p.value for p in onnx.load("real.onnx").metadata_props}
        assert properties["bcsim.weights"] == "real"

    def test_resumes_the_recipe_in_the_checkpoint(self) -> None:
        assert run(*QUICK, "--checkpoint", "half.pt")[0] == 0
        assert run("--resume", "half.pt")[0] == 0
        fails(
            "Checkpoint half.pt has epochs = 2, not 3: leave it out to go on",
            "digits", "--epochs", "3", "--resume", "half.pt",
        )  # fmt: skip
        fails("Checkpoint none.pt does not exist", "--resume", "none.pt")

    def test_begins_with_the_weights_of_another_training(self) -> None:
        assert run(*QUICK, "--checkpoint", "first.pt")[0] == 0
        assert run(*QUICK, "--log", "plain.json")[0] == 0
        assert run(*QUICK, "--weights", "first.pt", "--log", "second.json")[0] == 0
        plain, second = (json.loads(Path(f"{name}.json").read_text()) for name in ("plain", "second"))
        assert second["epochs"][0]["loss"] < 0.8 * plain["epochs"][0]["loss"]
        both = "--weights begins a training and --resume goes on with one: give one of them"
        fails(both, "--resume", "first.pt", "--weights", "first.pt")
        fails(
            "Checkpoint first.pt does not hold weights of the network digits-64",
            *QUICK, "--width", "64", "--weights", "first.pt",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--ensemble", "2"], "--ensemble samples networks of the method stoch, not det"),
            (
                ["--preprocessed", "x"],
                "--preprocessed needs --preprocess gcn or gcn-zca: nothing is preprocessed",
            ),
            (["--device", "tpu"], "Device must be one of auto, cpu, cuda, not 'tpu'"),
            (["-o", "."], "Cannot write .: it is a folder"),
            (["-o", "/"], "Cannot write /: it is a folder"),
        ],
    )
    def test_what_cannot_be_done_is_refused_before_training(self, arguments: list[str], message: str) -> None:
        fails(message, *QUICK, *arguments)

    def test_folder_of_the_output_must_exist(self, tmp_path: Path) -> None:
        fails(
            f"Cannot write missing/x.onnx: there is no folder {tmp_path / 'missing'}",
            *QUICK, "-o", "missing/x.onnx",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("path", "arguments"),
        [
            ("net.pt", ["-o", "net.pt"]),
            ("net.pt", ["-o", "net.onnx", "--weights", "net.pt"]),
            ("net.csv", ["-o", "net.onnx", "--checkpoint", "net.csv"]),
        ],
    )
    def test_no_file_is_written_over_another_one(self, path: str, arguments: list[str]) -> None:
        Path("net.pt").write_text("mine")
        message = "this command reads or writes another file there; give another name"
        fails(f"Cannot write {path}: {message}", *QUICK, *arguments)
        assert Path("net.pt").read_text() == "mine"

    def test_folder_of_preprocessed_images_is_checked_first(self, tmp_path: Path) -> None:
        Path("file").touch()
        fails(
            f"Cannot write to file: {tmp_path / 'file'} is no folder",
            *QUICK, "--preprocess", "gcn", "--preprocessed", "file",
        )  # fmt: skip

    def test_ensemble_needs_a_folder(self) -> None:
        Path("x.onnx").touch()
        fails(
            "Cannot write x.onnx: an ensemble needs a folder, and it is a file",
            *QUICK, "--method", "stoch", "--ensemble", "2", "-o", "x.onnx",
        )  # fmt: skip

    def test_missing_data_is_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from bcsim.common.errors import BcsimError
        from bcsim.data import named

        def refuse(name: str, _: Path) -> None:
            raise BcsimError(f"Data set {name} is not at hand")

        monkeypatch.setattr(named, "fetch", refuse)
        monkeypatch.setattr(named, "_folders", lambda name: (Path("none") / name,))
        fails("Data set svhn is not at hand", "svhn-cnn", "-o", "x.onnx")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
    @pytest.mark.parametrize("option", ["--checkpoint", "--log"])
    def test_full_disk(self, option: str) -> None:
        fails("Cannot write /dev/full: No space left on device", *QUICK, option, "/dev/full")

    def test_diverging_training_is_one_sentence(self) -> None:
        options = ["--method", "none", "--optimiser", "sgd", "--lr-start", "1e30", "--lr-end", "1e30"]
        fails("Training loss became nan in epoch 1: lower --lr-start", *QUICK, *options)

    def test_interrupt_keeps_what_was_trained(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from bcsim.models.trainer import Trainer

        steps, plain = [], Trainer._step

        def step(trainer: Trainer, *batch: Any) -> float:
            steps.append(1)
            if len(steps) == 30:
                signal.raise_signal(signal.SIGINT)
            return plain(trainer, *batch)

        handler = signal.getsignal(signal.SIGINT)
        monkeypatch.setattr(Trainer, "_step", step)
        message = "Stopped in epoch 2; go on with --resume net.pt\nbcsim: Interrupted\n"
        assert run(*QUICK, "-o", "net.onnx") == (130, "", message)
        assert signal.getsignal(signal.SIGINT) is handler
        assert sorted(path.name for path in Path().iterdir()) == ["net.csv", "net.pt"]
        assert run("--resume", "net.pt", "-o", "net.onnx")[0] == 0
        assert len(steps) == 50
        resumed = Path("net.onnx").read_bytes()
        assert run(*QUICK, "-o", "whole.onnx")[0] == 0
        assert Path("whole.onnx").read_bytes() == resumed
