"""`bcsim info`: what is in a network, and what each node lowers to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from bcsim.commands.options import Bits, Calibrate, Input, ModelPath, WeightBits, parse_bits, refuse_compiled
from bcsim.common.console import PlainConsole, standard_output
from bcsim.common.errors import BcsimError
from bcsim.common.tables import new_table

if TYPE_CHECKING:
    from bcsim.compiler.graph.nodes import Graph

__all__ = ["info"]

UNSUPPORTED = 2
"""Exit code for a network that cannot be compiled, the same as of a run of it."""

TRIED_IMAGES = 8
"""Random ones, that stand in for calibration images."""

COLOURS = {"lowered": "green", "folded": "cyan", "dropped": "yellow", "unsupported": "red"}


def info(
    model: ModelPath,
    text: Annotated[
        bool,
        typer.Option(
            "--text",
            help="Print the integer program, a line for each layer, with a digest of its weights and parameters. "
            "A network is compiled first, as bcsim compile does it.",
        ),
    ] = False,
    bits: Bits = None,
    weight_bits: WeightBits = None,
    calibrate: Calibrate = None,
    input: Input = None,
) -> None:
    """Show what was found in MODEL, what each node lowers to, and why something cannot be lowered.

    --bits, --calibrate and --input are for the program that --text prints.
    """
    from bcsim.compiler.program.onnx_format import is_program, load_program
    from bcsim.results.model import check_weight_bits, locate
    from bcsim.results.summary import print_program

    if text:
        typer.echo(_text(model, bits, weight_bits, calibrate, input), nl=False)
        return
    if (bits, calibrate, input) != (None, None, None):
        raise BcsimError(
            "Options --bits, --calibrate and --input need --text: without it nothing is compiled"
        )
    check_weight_bits(weight_bits)
    path = locate(model)
    console = standard_output()
    if is_program(path):
        print_program(load_program(path), console, stored=True)
    else:
        _print_network(console, path, weight_bits)


def _text(
    model: str, bits: str | None, weight_bits: int | None, calibrate: str | None, input: str | None
) -> str:
    """The text of the program in MODEL, or of the one that MODEL compiles to."""
    from bcsim import api
    from bcsim.compiler.program.text import program_text

    loaded = api.load(model, weight_bits=weight_bits)
    refuse_compiled(loaded, bits, calibrate, input)
    return program_text(
        loaded.program or api.compile(loaded, bits=parse_bits(bits), calibration=calibrate, input=input)
    )


def _print_network(console: PlainConsole, path: Path, weight_bits: int | None) -> None:
    from bcsim.compiler.importer import import_onnx, inspect_onnx

    reports = inspect_onnx(path, weight_bits)
    table = new_table(str(path), "node", "operator", "becomes", "detail", "remark", text=5)
    for report in reports:
        operator = f"{report.domain}.{report.op}" if report.domain else report.op
        status = Text(report.status, COLOURS[report.status])
        table.add_row(report.name, operator, status, report.into, report.reason)
    console.print(table)
    failed = sum(report.status == "unsupported" for report in reports)
    if failed:
        console.print(f"This network cannot be compiled: {failed} of {len(reports)} nodes are not supported.")
        raise typer.Exit(UNSUPPORTED)
    graph = import_onnx(path, weight_bits)
    refused = _refusal(path, graph)
    verdict = f"cannot be compiled: {refused}" if refused else "can be compiled."
    console.print(f"Input {graph.input} {graph.input_shape}, scores {graph.output}; this network {verdict}")
    for key, value in sorted(graph.metadata.items()):
        console.print(f"{key} = {value}")
    for note in graph.notes:
        console.print(f"Note: {note}")
    if refused:
        raise typer.Exit(UNSUPPORTED)


def _refusal(path: Path, graph: Graph) -> str:
    """Why the network cannot be lowered, "" where it can: tried with random images in place of calibration."""
    import numpy as np

    from bcsim import api
    from bcsim.data import Dataset
    from bcsim.results.model import Model

    levels = np.random.default_rng(0).integers(0, 256, (TRIED_IMAGES, *graph.input_shape), np.uint8)
    try:
        api.compile(Model(path.stem, path, graph=graph), calibration=Dataset("random", levels, None, 8, 255))
    except BcsimError as error:
        return str(error)
    return ""
