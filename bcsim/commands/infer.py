"""`bcsim infer`: images classified by a board."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bcsim.commands.completion import complete_data
from bcsim.common.console import standard_output
from bcsim.common.files import check_outputs, write_text

if TYPE_CHECKING:
    from bcsim.interface.infer import Inference

__all__ = ["infer"]


def infer(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="What bcsim build or bcsim verilog wrote.")
    ],
    port: Annotated[
        str,
        typer.Option(
            metavar="PORT|sim",
            help="The board's serial port, such as /dev/ttyUSB1; sim: the design in Verilator behind a port.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            autocompletion=complete_data,
            help="Images to classify. Default: the data set that the network was trained for.",
        ),
    ] = None,
    images: Annotated[int | None, typer.Option(min=1, metavar="N", help="How many. Default: all.")] = None,
    baud: Annotated[
        int | None, typer.Option(min=1, help="Bits a second. Default: what FOLDER's board.json says.")
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the result as JSON; - is standard output.")
    ] = None,
) -> None:
    """Classify images on the board that FOLDER was loaded into: accuracy, images/s, and whether it is right.

    Every score and class is compared with the program's; the exit code is 1 where any differs.
    """
    from bcsim.interface.infer import infer as infer_images

    check_outputs((json,), (data,))
    result = infer_images(folder, port, data=data, images=images, baud=baud)
    text = json_module.dumps(_fields(result), indent=2) + "\n"
    if json == "-":
        sys.stdout.write(text)
    else:
        console = standard_output(soft_wrap=True)
        for line in _lines(result):
            console.print(line, markup=False, highlight=False)
        if json is not None:
            write_text(json, text)
            console.print(f"Wrote {json}", markup=False)
    if result.equal != result.images:
        raise typer.Exit(1)


def _fields(result: Inference) -> dict[str, object]:
    fields = asdict(result) | {"images_per_second": result.images_per_second}
    del fields["meaning"]
    return fields | {"input": result.meaning.text}


def _lines(result: Inference) -> list[str]:
    lines = [f"Input read as {result.meaning.text}", *(f"Note: {note}" for note in result.meaning.notes)]
    if result.accuracy is not None:
        lines.append(f"accuracy {result.accuracy:.2%} of {result.images:,} images")
    what = "images a second over this port" if result.port != "sim" else "images a second in this simulation"
    lines.append(f"{result.images_per_second:,.1f} {what}")
    if result.cycles is not None:
        lines.append(
            f"{result.cycles / result.images:,.1f} cycles an image by the accelerator's counter, waits for the line "
            "included"
        )
    if result.resent:
        lines.append(f"{result.resent} frames were sent again")
    wrong = result.images - result.equal
    if wrong:
        return [
            *lines,
            f"DIFFERENT: {wrong:,} of {result.images:,} images have other scores than the program",
        ]
    return [*lines, f"all scores and classes of {result.images:,} images equal the program's"]
