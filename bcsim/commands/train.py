"""`bcsim train`: a network trained with BinaryConnect, from images to ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bcsim.common.errors import BcsimError
from bcsim.common.escape import printable
from bcsim.common.files import check_folder, check_outputs

if TYPE_CHECKING:
    from bcsim.models.recipes import Recipe
    from bcsim.models.session import Files
    from bcsim.models.trainer import Trainer

__all__ = ["train"]

_GREATEST_SHARE = 64


def train(
    network: Annotated[
        str | None,
        typer.Argument(
            metavar="NETWORK",
            help="digits, digits-cnn, mnist-mlp, mnist-vat, cifar10-cnn, cifar10-fast, cifar10-small or svhn-cnn.",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of recipe fields; options override it.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="ONNX file to write; a folder with --ensemble."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="det, stoch, ternary, none (real weights), dropout or bnn."),
    ] = None,
    inference: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Weights for validation and the file: binary, or real (float only)."
        ),
    ] = None,
    width: Annotated[
        str | None,
        typer.Option(metavar="N", help="Outputs of the first layer, or a share of its own, such as 0.75."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Passes over the training images.")] = None,
    batch: Annotated[int | None, typer.Option(metavar="N", help="Images per step.")] = None,
    optimiser: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="sgd, nesterov, adam, shift-adamax, muon or unit-nesterov."),
    ] = None,
    lr_start: Annotated[
        float | None, typer.Option(metavar="X", help="Learning rate of the first epoch.")
    ] = None,
    lr_end: Annotated[
        float | None, typer.Option(metavar="X", help="Learning rate approached at the end.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="NAME", help="exponential, or triangular: up, then down to the end.")
    ] = None,
    loss: Annotated[str | None, typer.Option(metavar="NAME", help="squared-hinge or cross-entropy.")] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(metavar="X", help="Share of the target that all classes have in common.")
    ] = None,
    adversarial: Annotated[
        float | None,
        typer.Option(metavar="X", help="Norm of virtual adversarial perturbations, pixels being -1 to +1."),
    ] = None,
    averaging: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Share of the weights' mean kept at each step; 0 takes the last weights."
        ),
    ] = None,
    lr_scaling: Annotated[
        bool | None,
        typer.Option("--lr-scaling/--no-lr-scaling", help="Scale rates by the Glorot coefficient."),
    ] = None,
    dropout_in: Annotated[float | None, typer.Option(metavar="X", help="Share of inputs dropped.")] = None,
    dropout_hidden: Annotated[
        float | None, typer.Option(metavar="X", help="Share of hidden units dropped.")
    ] = None,
    activation_bits: Annotated[
        int | None,
        typer.Option(metavar="N", help="2 to 8: quantised ReLUs, 1: signs; these compile exactly."),
    ] = None,
    normalisation: Annotated[
        str | None, typer.Option(metavar="NAME", help="standard, or shift: BatchNorm in powers of two.")
    ] = None,
    preprocess: Annotated[
        str | None, typer.Option(metavar="NAME", help="none, gcn or gcn-zca, on the host.")
    ] = None,
    augment: Annotated[
        str | None, typer.Option(metavar="NAME", help="none, crop, crop-flip or shift-flip.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="NAME", help="float32, or bfloat16 for products in training.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of weights, order and dropout.")] = None,
    ensemble: Annotated[
        int, typer.Option(metavar="N", min=0, help="Networks to sample from a stochastic one.")
    ] = 0,
    packed: Annotated[bool, typer.Option("--packed", help="Store two weights to a byte.")] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rewritten after every epoch. Default: OUTPUT with .pt."),
    ] = None,
    resume: Annotated[Path | None, typer.Option(metavar="FILE", help="Checkpoint to go on from.")] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Checkpoint of the same network whose weights to begin with."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Curves, .csv or .json. Default: OUTPUT with .csv."),
    ] = None,
    preprocessed: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write preprocessed images for bcsim run and compile there."),
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(metavar="N", min=1, help="Processor threads.")] = None,
) -> None:
    """Train NETWORK and write the best one, by validation error, as ONNX.

    What is not given comes from --config, then from the network's own recipe.
    """
    options = {
        "network": network,
        "method": method,
        "inference": inference,
        "width": None if width is None else _width(width),
        "epochs": epochs,
        "batch": batch,
        "optimiser": optimiser,
        "lr_start": lr_start,
        "lr_end": lr_end,
        "schedule": schedule,
        "loss": loss,
        "label_smoothing": label_smoothing,
        "adversarial": adversarial,
        "averaging": averaging,
        "lr_scaling": lr_scaling,
        "dropout_in": dropout_in,
        "dropout_hidden": dropout_hidden,
        "activation_bits": activation_bits,
        "normalisation": normalisation,
        "preprocess": preprocess,
        "augment": augment,
        "precision": precision,
        "seed": seed,
    }
    if resume is not None and weights is not None:
        raise BcsimError("--weights begins a training and --resume goes on with one: give one of them")
    recipe = _recipe(_given(config, options), resume)
    files = _files(output, checkpoint, resume, log, preprocessed, ensemble, (config, weights))
    _check(recipe, files, ensemble)
    from bcsim.models import session

    trainer, splits = session.start(recipe, device, threads, resume, weights)
    if preprocessed is not None:
        session.write_preprocessed(splits, preprocessed)
    session.run(trainer, files)
    errors = session.test_errors(trainer, splits.test, ensemble)
    if files.log is not None:
        session.write_log(files.log, trainer, errors)
    _print_figures(trainer, errors, len(splits.test.y), ensemble)
    if output is not None and ensemble:
        session.export_ensemble(trainer, splits.test, output, ensemble, packed=packed)
    elif output is not None:
        session.export_best(trainer, splits.test, output, packed=packed)
    for path in (output, files.log, files.checkpoint, preprocessed):
        if path is not None:
            typer.echo(f"Wrote {printable(str(path))}")


def _given(config: Path | None, options: dict[str, Any]) -> dict[str, Any]:
    """The recipe fields that the user gave, options before the file."""
    from bcsim.models.config import read_config
    from bcsim.models.topologies import topology

    stored = {} if config is None else read_config(config)
    given = {**stored, **{name: value for name, value in options.items() if value is not None}}
    if isinstance(given.get("width"), float) and "network" in given:
        given["width"] = int(given["width"] * topology(given["network"]).width)
    return given


def _width(text: str) -> int | float:
    """A number of outputs, or, with a decimal point, a share."""
    try:
        width = int(text)
    except ValueError:
        try:
            share = float(text)
        except ValueError:
            share = 0.0
        if not 0 < share <= _GREATEST_SHARE:
            raise BcsimError(
                f"Width must be a number of outputs, or a share above 0 and up to {_GREATEST_SHARE} of the "
                f"network's own, such as 0.75, not {text!r}"
            ) from None
        return share
    return width


def _recipe(given: dict[str, Any], resume: Path | None) -> Recipe:
    """The recipe to train; raises BcsimError where PyTorch is missing, but for a wrong recipe first."""
    from bcsim.models.recipes import recipe_for

    recipe = None if resume is not None else recipe_for(given)
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise BcsimError("Training needs PyTorch: pip install 'bcsim[train]'") from error
    if resume is None:
        assert recipe is not None
        return recipe
    from bcsim.models.session import resumed_recipe

    return resumed_recipe(resume, given)


def _files(
    output: Path | None,
    checkpoint: Path | None,
    resume: Path | None,
    log: Path | None,
    preprocessed: Path | None,
    ensemble: int,
    inputs: Sequence[Path | None],
) -> Files:
    """Where everything goes; raises BcsimError, before hours of training, for what could not be written after them.

    inputs : files that are read, beside `resume`, over which the checkpoint may go.
    """
    from bcsim.models.session import Files

    beside, curves = (_beside(output, suffix) for suffix in (".pt", ".csv"))
    found = Files(output, checkpoint or resume or beside, log or curves, preprocessed)
    if ensemble and output is not None and output.is_file():
        raise BcsimError(f"Cannot write {output}: an ensemble needs a folder, and it is a file")
    for folder in (output if ensemble else None, preprocessed):
        if folder is not None:
            check_folder(folder)
    read = inputs if found.checkpoint == resume else (*inputs, resume)
    check_outputs((None if ensemble else output, found.checkpoint, found.log), read)
    return found


def _beside(output: Path | None, suffix: str) -> Path | None:
    """Beside the output; None where nothing is, as beside the root."""
    named = output if output is None or output.name else output.absolute()
    return named.with_suffix(suffix) if named and named.name else None


def _check(recipe: Recipe, files: Files, ensemble: int) -> None:
    if ensemble and recipe.method != "stoch":
        raise BcsimError(f"--ensemble samples networks of the method stoch, not {recipe.method}")
    if files.preprocessed is not None and recipe.preprocess == "none":
        raise BcsimError("--preprocessed needs --preprocess gcn or gcn-zca: nothing is preprocessed")


def _print_figures(trainer: Trainer, errors: dict[str, float], images: int, ensemble: int) -> None:
    last = trainer.history[-1]
    seconds = sum(report.seconds for report in trainer.history)
    names = {"binary": "binary weights", "real": "real weights", "ensemble": f"ensemble of {ensemble}"}
    typer.echo(f"validation error {last.best_error:.2%} (epoch {last.best_epoch} of {last.epoch})")
    for way, error in errors.items():
        typer.echo(f"test error       {error:.2%} ({names[way]}, {images} images)")
    typer.echo(f"training time    {seconds:.0f} s")
