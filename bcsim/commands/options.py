"""Options that several commands share, and their parsing."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from bcsim.commands.completion import complete_data, complete_model
from bcsim.common.errors import BcsimError
from bcsim.common.shipped import SHIPPED
from bcsim.machine.parameters import parse_machine

if TYPE_CHECKING:
    from bcsim.results.model import Model

__all__ = [
    "Bits",
    "Calibrate",
    "Input",
    "Level",
    "ModelPath",
    "Percentile",
    "Range",
    "RangeMethod",
    "WeightBits",
    "check_machine_text",
    "parse_bits",
    "refuse_compiled",
]


class Level(StrEnum):
    """How far down a run goes."""

    program = "program"
    machine = "machine"


class RangeMethod(StrEnum):
    """How ranges follow from calibration images."""

    percentile = "percentile"
    mse = "mse"
    max = "max"


ModelPath: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help=f"ONNX file, or a bundled network: {', '.join(SHIPPED)}.",
        autocompletion=complete_model,
    ),
]
Bits: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,...",
        help="Bits of hidden activations, 1 to 8: one for all, or one for each linear layer's input. Default: 8, "
        "and what the network's own quantisers say.",
    ),
]
WeightBits: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Round real weights to N bits, 2 to 8, after training, for each output. A layer of 8 bits takes 9 "
        "times the steps of one-bit weights; a note tells what rounding costs. Default: real weights are refused.",
    ),
]
Calibrate: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        autocompletion=complete_data,
        help="Images that ranges are taken from. Default: the training images of --data or of the model's data set, "
        "else the images of --data.",
    ),
]
Input: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|SCALE,OFFSET|mean=...,std=...",
        help="What the network sees of a pixel: unit (0 to 1), centred (-1 to 1), sign, fixed (8-bit "
        "integers), raw, or normalised by mean and std, one or one for each channel. Default: what the model says, "
        "for floats its own first quantiser, else unit.",
    ),
]
Range: TypeAlias = Annotated[
    RangeMethod, typer.Option(help="How a range follows from the calibration images.")
]
Percentile: TypeAlias = Annotated[
    float, typer.Option(help="Part of the values that a range keeps, in percent.")
]


def parse_bits(text: str | None) -> list[int] | None:
    """The numbers of `--bits`; raises BcsimError for anything but integers separated by commas."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BcsimError(f"--bits must be integers from 1 to 8 separated by commas, not {text!r}") from None


def check_machine_text(text: str | None) -> None:
    """Raise BcsimError where `--machine` says what no machine is: before a network is compiled, not after."""
    if text is not None:
        parse_machine(text)


def refuse_compiled(model: Model, bits: str | None, calibrate: str | None, input: str | None) -> None:
    """Raise BcsimError where options for compiling come with a program that is compiled."""
    if model.program is not None and (bits, calibrate, input) != (None, None, None):
        raise BcsimError(
            f"File {model.path} is compiled already: --bits, --calibrate and --input have no effect on it"
        )
