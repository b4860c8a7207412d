"""`bcsim compile`: a float network to a stored program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bcsim.commands.completion import complete_data
from bcsim.commands.options import (
    Bits,
    Calibrate,
    Input,
    ModelPath,
    Percentile,
    Range,
    RangeMethod,
    parse_bits,
)
from bcsim.common.console import standard_output

__all__ = ["compile"]


def compile(
    model: ModelPath,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the program goes.")],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            autocompletion=complete_data,
            help="Images that the program is for: what their numbers mean, and ranges from their training part.",
        ),
    ] = None,
    bits: Bits = None,
    calibrate: Calibrate = None,
    input: Input = None,
    range: Range = RangeMethod.mse,
    percentile: Percentile = 99.9,
) -> None:
    """Compile MODEL to an integer program, stored as ONNX in bcsim's own domain; `bcsim run` takes it."""
    from bcsim import api
    from bcsim.compiler.program.onnx_format import save_program
    from bcsim.results.input_meaning import compiled_meaning
    from bcsim.results.summary import print_program

    program = api.compile(
        api.load(model),
        bits=parse_bits(bits),
        calibration=calibrate,
        data=data,
        input=input,
        range_method=range.value,
        percentile=percentile,
    )
    save_program(program, output)
    console = standard_output()
    print_program(program, console)
    console.print(f"Floats are read as {compiled_meaning(program)}", markup=False)
    console.print(f"Wrote {output}", markup=False)
