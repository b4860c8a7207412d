"""Command line of the trainer: `python -m bcsim.models.train NETWORK -o FILE.onnx`."""

import csv
import dataclasses
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bcsim.console import errors
from bcsim.errors import BcsimError
from bcsim.files import write_text
from bcsim.models.data import Splits, load_splits
from bcsim.models.recipes import RECIPES, Recipe
from bcsim.models.topologies import topology

if TYPE_CHECKING:
    from bcsim.models.trainer import EpochReport, Trainer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def train(
    network: Annotated[str, typer.Argument(help="digits or mnist-mlp")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="ONNX file to write")] = None,
    method: Annotated[str | None, typer.Option(help="det, stoch or none (real weights)")] = None,
    epochs: Annotated[int | None, typer.Option(help="passes over the training images")] = None,
    batch: Annotated[int | None, typer.Option(help="images per step")] = None,
    optimiser: Annotated[str | None, typer.Option(help="sgd, nesterov or adam")] = None,
    lr_start: Annotated[float | None, typer.Option(help="learning rate of the first epoch")] = None,
    lr_end: Annotated[float | None, typer.Option(help="learning rate approached at the end")] = None,
    dropout_in: Annotated[float | None, typer.Option(help="share of inputs dropped")] = None,
    dropout_hidden: Annotated[float | None, typer.Option(help="share of hidden units dropped")] = None,
    seed: Annotated[int | None, typer.Option(help="of weights, order and dropout")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="file rewritten after every epoch")] = None,
    resume: Annotated[Path | None, typer.Option(help="checkpoint to go on from, with its recipe")] = None,
    log: Annotated[Path | None, typer.Option(help="CSV file of the epochs' figures")] = None,
    threads: Annotated[int, typer.Option(help="processor threads", min=1)] = 1,
) -> None:
    """Train a BinaryConnect network and write the best one, by validation error, as ONNX.

    Options that are not given come from the network's recipe in models/recipes.py.
    """
    options = {
        "method": method,
        "epochs": epochs,
        "batch": batch,
        "optimiser": optimiser,
        "lr_start": lr_start,
        "lr_end": lr_end,
        "dropout_in": dropout_in,
        "dropout_hidden": dropout_hidden,
        "seed": seed,
    }
    given = {name: value for name, value in options.items() if value is not None}
    try:
        splits = load_splits(topology(network))
        trainer = _start(network, given, resume, splits, threads)
        _check_output(output, trainer.recipe)
        _run(trainer, checkpoint or resume, log)
        _finish(trainer, splits, output)
    except BcsimError as error:
        _stop(str(error), 2)
    except KeyboardInterrupt:
        kept = f"; go on with --resume {checkpoint or resume}" if checkpoint or resume else ""
        _stop(f"Interrupted{kept}", 130)


def _start(
    network: str, given: dict[str, Any], resume: Path | None, splits: Splits, threads: int
) -> "Trainer":
    """A new training, or the one in the checkpoint `resume`."""
    recipe = dataclasses.replace(RECIPES[network], **given)
    try:
        import torch

        from bcsim.models.trainer import Trainer
    except ImportError as error:
        raise BcsimError("Training needs PyTorch: pip install bcsim[train]") from error
    torch.set_num_threads(threads)
    if resume is None:
        return Trainer(recipe, splits)
    trainer = Trainer.resume(resume, splits)
    expected = dataclasses.replace(trainer.recipe, network=network, **given)
    if expected != trainer.recipe:
        raise BcsimError(f"Options differ from the recipe in {resume}: leave them out to go on")
    return trainer


def _check_output(output: Path | None, recipe: Recipe) -> None:
    """Refuse before hours of training what could not be written after them."""
    if output is None:
        return
    if recipe.method == "none":
        raise BcsimError("Method none trains real weights, which have no binary ONNX file: leave out -o")
    if not output.absolute().parent.is_dir():
        raise BcsimError(f"Folder {output.absolute().parent} does not exist")


def _run(trainer: "Trainer", checkpoint: Path | None, log: Path | None) -> None:
    """Train to the end under a progress bar, which is silent where standard error is not a terminal."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("epoch", total=trainer.recipe.epochs, completed=len(trainer.history))
        for report in trainer.run():
            if checkpoint is not None:
                trainer.save(checkpoint)
            if log is not None:
                _write_log(log, trainer.history)
            progress.update(task, advance=1, description=_line(report))


def _line(report: "EpochReport") -> str:
    return (
        f"loss {report.loss:.4f}, validation error {report.validation_error:.2%} "
        f"(best {report.best_error:.2%}, epoch {report.best_epoch})"
    )


def _write_log(path: Path, history: "list[EpochReport]") -> None:
    rows, text = [dataclasses.asdict(report) for report in history], io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _finish(trainer: "Trainer", splits: Splits, output: Path | None) -> None:
    """Print the test error at the best validation error; write and check the ONNX file."""
    from bcsim.models.trainer import error_of_best, export_best

    last, error = trainer.history[-1], error_of_best(trainer, splits.test)
    seconds = sum(report.seconds for report in trainer.history)
    typer.echo(f"validation error {last.best_error:.2%} (epoch {last.best_epoch} of {last.epoch})")
    typer.echo(f"test error       {error:.2%} ({len(splits.test.y)} images)")
    typer.echo(f"training time    {seconds:.0f} s")
    if output is not None:
        export_best(trainer, splits.test, output)
        typer.echo(f"written          {output}")


def _stop(message: str, code: int) -> None:
    print(f"Error: {message}", file=sys.stderr)
    raise typer.Exit(code)


if __name__ == "__main__":
    app(prog_name="python -m bcsim.models.train")
