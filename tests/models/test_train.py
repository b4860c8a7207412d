"""The command line; runs that train need PyTorch and are marked."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bcsim.models.train import app

_QUICK = ["digits", "--epochs", "2"]


def _run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vgg"], "Network must be one of digits, mnist-mlp, not 'vgg'"),
        (["digits", "--method", "x"], "Method must be one of det, stoch, none, not 'x'"),
        (["digits", "--epochs", "0"], "Number of epochs must be at least 1, not 0"),
        (["digits", "--lr-end", "-1"], "Last learning rate must be positive and finite, not -1.0"),
    ],
)
def test_bad_options_end_with_one_sentence(arguments: list[str], message: str) -> None:
    assert _run(*arguments) == (2, "", f"Error: {message}\n")


@pytest.mark.parametrize("arguments", [["digits", "--bogus"], ["digits", "--epochs", "many"], []])
def test_unparsable_options_exit_with_2(arguments: list[str]) -> None:
    code, out, err = _run(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


@pytest.mark.train
class TestWithTorch:
    @pytest.fixture(autouse=True)
    def _needs_torch(self) -> None:
        pytest.importorskip("torch")

    def test_writes_the_files_it_is_asked_for(self, tmp_path: Path) -> None:
        names = ["net.onnx", "half.pt", "log.csv"]
        output, checkpoint, log = (str(tmp_path / name) for name in names)
        code, out, err = _run(*_QUICK, "-o", output, "--checkpoint", checkpoint, "--log", log)
        assert (code, err) == (0, "")
        assert out.startswith("validation error ")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
        assert len((tmp_path / "log.csv").read_text().splitlines()) == 3

    def test_resumes_only_the_same_recipe(self, tmp_path: Path) -> None:
        path = str(tmp_path / "half.pt")
        assert _run(*_QUICK, "--checkpoint", path)[0] == 0
        assert _run(*_QUICK, "--resume", path)[0] == 0
        message = f"Error: Options differ from the recipe in {path}: leave them out to go on\n"
        assert _run("digits", "--epochs", "3", "--resume", path) == (2, "", message)

    def test_real_weights_have_no_file(self, tmp_path: Path) -> None:
        message = "Error: Method none trains real weights, which have no binary ONNX file: leave out -o\n"
        assert _run(*_QUICK, "--method", "none", "-o", str(tmp_path / "x.onnx")) == (2, "", message)

    def test_folder_of_the_output_must_exist(self, tmp_path: Path) -> None:
        folder = tmp_path / "missing"
        message = f"Error: Folder {folder} does not exist\n"
        assert _run(*_QUICK, "-o", str(folder / "x.onnx")) == (2, "", message)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
    @pytest.mark.parametrize("option", ["--output", "--checkpoint", "--log"])
    def test_full_disk(self, option: str) -> None:
        code, _, err = _run(*_QUICK, option, "/dev/full")
        assert (code, err) == (2, "Error: Cannot write /dev/full: No space left on device\n")

    def test_interruption_keeps_the_checkpoint(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from bcsim.models import trainer

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        path = str(tmp_path / "half.pt")
        assert _run(*_QUICK, "--checkpoint", path)[0] == 0
        monkeypatch.setattr(trainer.Trainer, "run", interrupt)
        message = f"Error: Interrupted; go on with --resume {path}\n"
        assert _run(*_QUICK, "--resume", path) == (130, "", message)
