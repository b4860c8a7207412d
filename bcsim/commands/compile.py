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
    WeightBits,
    parse_bits,
    refuse_compiled,
)
from bcsim.common.console import standard_output
from bcsim.common.files import check_outputs

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
    weight_bits: WeightBits = None,
    calibrate: Calibrate = None,
    input: Input = None,
    range: Range = RangeMethod.mse,
    percentile: Percentile = 99.9,
    standard: Annotated[
        bool,
        typer.Option(
            "--standard",
            help="Write it in ONNX's own operators, which onnxruntime runs with the same integers: raw levels in, "
            "scores and class out. MODEL may be a stored program too.",
        ),
    ] = False,
) -> None:
    """Compile MODEL to an integer program, stored as ONNX in bcsim's own domain; `bcsim run` takes it."""
    from bcsim import api
    from bcsim.compiler.program.onnx_format import save_program
    from bcsim.compiler.standard.model import save_standard
    from bcsim.results.input_meaning import compiled_meaning
    from bcsim.results.summary import print_program

    check_outputs([output], (model, data, calibrate))
    loaded = api.load(model, weight_bits=weight_bits)
    if standard:
        refuse_compiled(loaded, bits, calibrate, input)
    stored = loaded.program if standard else None
    program = stored or api.compile(
        loaded,
        bits=parse_bits(bits),
        calibration=calibrate,
        data=data,
        input=input,
        range_method=range.value,
        percentile=percentile,
    )
    (save_standard if standard else save_program)(program, output)
    console = standard_output()
    print_program(program, console)
    console.print(f"Floats are read as {compiled_meaning(program)}", markup=False)
    console.print(f"Wrote {output}", markup=False)
