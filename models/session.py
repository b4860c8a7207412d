"""A training from its recipe to its files: progress, checkpoints, curves, tests, exports (needs PyTorch)."""

import csv
import dataclasses
import io
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from bcsim.common.console import errors
from bcsim.common.errors import BcsimError
from bcsim.common.files import atomic_write, write_text
from bcsim.models import checkpoint, export
from bcsim.models.data import Samples, Splits, load_splits
from bcsim.models.evaluate import Images, error_of, error_rate, mean_scores, scores
from bcsim.models.inference import baked_layers
from bcsim.models.recipes import Inference, Recipe
from bcsim.models.trainer import EpochReport, Trainer

_CALIBRATION_IMAGES = 1000
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Files:
    """What a training writes: each None for nothing.

    output : the ONNX file, or the folder of an ensemble. checkpoint : rewritten after every epoch.
    log : the curves, CSV or (ending in .json) JSON with recipe and test errors. preprocessed : a folder for images.
    """

    output: Path | None = None
    checkpoint: Path | None = None
    log: Path | None = None
    preprocessed: Path | None = None


def start(
    recipe: Recipe, device: str, threads: int | None, resume: Path | None, weights: Path | None = None
) -> tuple[Trainer, Splits]:
    """The training of `recipe`, from its beginning or from the checkpoint `resume`, and its images.

    weights : a checkpoint of the same network, whose last real weights and BatchNorm the training begins with.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    splits = load_splits(recipe)
    if resume is not None:
        return Trainer.resume(resume, splits, device), splits
    trainer = Trainer(recipe, splits, device)
    if weights is not None:
        trainer.begin_with(weights)
    return trainer, splits


def resumed_recipe(path: Path, given: dict[str, object]) -> Recipe:
    """The recipe in a checkpoint; raises BcsimError where what the user gave differs from it."""
    recipe = checkpoint.recipe_of(path, checkpoint.load(path))
    for name, value in given.items():
        kept = getattr(recipe, name)
        if kept != value:
            raise BcsimError(f"Checkpoint {path} has {name} = {kept!r}, not {value!r}: leave it out to go on")
    return recipe


def run(trainer: Trainer, files: Files) -> None:
    """Train to the end under a progress bar, which is silent where standard error is not a terminal.

    An interrupt or SIGTERM ends the step in hand, writes the checkpoint and raises KeyboardInterrupt; a second one
    ends at once.
    """
    with _stopping(trainer), _progress() as progress:
        task = progress.add_task("epoch", total=trainer.recipe.epochs, completed=len(trainer.history))
        for report in trainer.run():
            if files.checkpoint is not None:
                trainer.save(files.checkpoint)
            if files.log is not None:
                write_log(files.log, trainer)
            progress.update(task, advance=1, description=_line(report))
    if len(trainer.history) < trainer.recipe.epochs:
        _keep(trainer, files.checkpoint)
        raise KeyboardInterrupt


def _keep(trainer: Trainer, path: Path | None) -> None:
    if path is not None:
        trainer.save(path)
        errors.print(f"Stopped in epoch {len(trainer.history) + 1}; go on with --resume {path}", markup=False)


@contextmanager
def _stopping(trainer: Trainer) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _: FrameType | None) -> None:
        trainer.is_stopping = True
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _progress() -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)


def _line(report: EpochReport) -> str:
    return (
        f"loss {report.loss:.4f}, validation error {report.validation_error:.2%} "
        f"(best {report.best_error:.2%}, epoch {report.best_epoch})"
    )


def write_log(path: Path, trainer: Trainer, test: dict[str, float] | None = None) -> None:
    """Write the epochs' figures; to a .json file with the recipe, and the test errors once they are known."""
    rows = [dataclasses.asdict(report) for report in trainer.history]
    if path.suffix == ".json":
        document = {"recipe": dataclasses.asdict(trainer.recipe), "epochs": rows, "test_error": test}
        write_text(path, json.dumps(document, indent=2) + "\n")
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def test_errors(trainer: Trainer, test: Samples, ensemble: int) -> dict[str, float]:
    """Test error, 0..1, of the network with the lowest validation error, in every way of inference that it has.

    Keys are `binary` and `real` (weights), and `ensemble` where `ensemble` members are asked for.
    """
    images = Images.of(test, _CPU)
    ways: tuple[Inference, ...] = ("real",) if trainer.recipe.is_real else ("binary", "real")
    found: dict[str, float] = {way: error_rate(trainer.best_model(way), images) for way in ways}
    if ensemble:
        found["ensemble"] = error_of(mean_scores(trainer.ensemble(ensemble), images), images)
    return found


def export_best(trainer: Trainer, test: Samples, path: Path, *, packed: bool = False) -> None:
    """Write the network with the lowest validation error to `path` as ONNX.

    Nothing is written unless onnxruntime agrees with PyTorch on the `test` images.
    """
    _export(trainer.recipe, trainer.best_model(), test, path, packed)


def export_ensemble(
    trainer: Trainer, test: Samples, folder: Path, members: int, *, packed: bool = False
) -> list[Path]:
    """Write `members` networks sampled from the one with the lowest validation error into `folder`; their paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BcsimError(f"Cannot write {folder}: {error.strerror}") from error
    paths = [folder / f"member-{i:02}.onnx" for i in range(1, members + 1)]
    for path, network in zip(paths, trainer.ensemble(members), strict=True):
        _export(trainer.recipe, network, test, path, packed)
    return paths


def _export(recipe: Recipe, model: nn.Module, test: Samples, path: Path, packed: bool) -> None:
    exported = export.to_onnx(recipe, baked_layers(model), packed=packed)
    expected = scores(model, Images.of(test, _CPU)).numpy()
    is_exact, is_ternary = recipe.activation.is_real, recipe.method == "ternary"
    export.check(exported, test.x, expected, is_exact=is_exact, is_ternary=is_ternary)
    export.write(path, exported)


def write_preprocessed(splits: Splits, folder: Path) -> None:
    """Write preprocessed images as the exported network takes them: calibration.npz and test.npz (x levels, y)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples, count in (
        ("calibration", splits.train, _CALIBRATION_IMAGES),
        ("test", splits.test, None),
    ):
        with atomic_write(folder / f"{name}.npz") as file:
            np.savez_compressed(file, x=samples.levels[:count], y=samples.y[:count])
