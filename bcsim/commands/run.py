"""`bcsim run`: images through a network, tables, files."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bcsim.commands.completion import complete_data, complete_machine, complete_model
from bcsim.commands.options import (
    Bits,
    Calibrate,
    Input,
    Level,
    Percentile,
    Range,
    RangeMethod,
    WeightBits,
    check_machine_text,
    parse_bits,
    refuse_compiled,
)
from bcsim.common.console import standard_output
from bcsim.common.errors import BcsimError
from bcsim.common.files import atomic_write, check_outputs, write_text
from bcsim.common.shipped import SHIPPED

if TYPE_CHECKING:
    from bcsim.results.model import Model
    from bcsim.results.result import Result

__all__ = ["run"]

DEMO_REPORT = Path("bcsim-report.html")
TRACED_IMAGES = 3


def run(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            autocompletion=complete_model,
            help="ONNX file, compiled program, bundled network, or folder of an ensemble. Default: digits.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            autocompletion=complete_data,
            help="digits, mnist, cifar10, svhn, an .npz (x, y) or a folder, of images too. Default: the model's.",
        ),
    ] = None,
    machine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|P=V,...",
            autocompletion=complete_machine,
            help="Preset (bcsim machines) or parameters. Default: the lanes of medium (tiny for the digits), the rest "
            "as MODEL needs it.",
        ),
    ] = None,
    bits: Bits = None,
    weight_bits: WeightBits = None,
    level: Annotated[
        Level, typer.Option(help="machine: every image cycle by cycle, held equal.")
    ] = Level.program,
    images: Annotated[
        int | None, typer.Option(metavar="N", help="How many images. Default: all; 16 at level machine.")
    ] = None,
    calibrate: Calibrate = None,
    range: Range = RangeMethod.mse,
    percentile: Percentile = 99.9,
    input: Input = None,
    energy_table: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="Energy per action: a table by name, or a TOML file.")
    ] = "horowitz-45nm",
    float: Annotated[bool, typer.Option(help="Run the float network too, for comparison.")] = True,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the figures as JSON; - is standard output.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"Write an HTML report. Without MODEL: {DEMO_REPORT}."),
    ] = None,
    outputs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write scores and classes of every image as .npz.")
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write every cycle of the first 3 images as a trace for ui.perfetto.dev; FILE.json.gz is packed.",
        ),
    ] = None,
) -> None:
    """Run MODEL on images: accuracy, cycles, operations, memory traffic and energy."""
    from bcsim import api
    from bcsim.costs.energy import load_table
    from bcsim.data import load_dataset
    from bcsim.results.ensemble import combine, common_machine, member_paths

    report = report or (DEMO_REPORT if model is None else None)
    model = SHIPPED[0] if model is None else model
    members = member_paths(model)
    check_machine_text(machine)
    load_table(energy_table)
    check_outputs((json, report, outputs, trace), (*members, data, energy_table, calibrate))
    loaded = [api.load(path, weight_bits=weight_bits) for path in members]
    for member in loaded:
        refuse_compiled(member, bits, calibrate, input)
    dataset = load_dataset(_data_name(data, loaded[0]))
    programs = [
        member.program
        or api.compile(
            member,
            bits=parse_bits(bits),
            calibration=calibrate,
            data=dataset,
            input=input,
            range_method=range.value,
            percentile=percentile,
        )
        for member in loaded
    ]
    chosen = common_machine(programs) if machine is None and len(programs) > 1 else machine
    results = [
        api.simulate(
            program,
            dataset,
            machine=chosen,
            level=level.value,
            images=images,
            reference=member if float else None,
            energy_table=energy_table,
            record=TRACED_IMAGES if trace else 0,
        )
        for member, program in zip(loaded, programs, strict=True)
    ]
    result = combine(Path(model).name, results, dataset.y)
    result = replace(result, path=str(loaded[0].path if len(loaded) == 1 else model))
    if json != "-":
        _print_tables(result)
    _write_files(result, json, report, outputs, trace)


def _data_name(data: str | None, model: Model) -> str:
    name = data or model.dataset
    if name is None:
        raise BcsimError(
            f"File {model.path} names no data set: give --data, a name, an .npz file or a folder"
        )
    return name


def _print_tables(result: Result) -> None:
    from bcsim.results.summary import print_summary

    print_summary(result, standard_output())


def _write_files(
    result: Result, json: str | None, report: Path | None, outputs: Path | None, trace: Path | None
) -> None:
    from bcsim.results.result import to_json

    if json is not None:
        text = json_module.dumps(to_json(result), indent=2, allow_nan=False) + "\n"
        if json == "-":
            sys.stdout.write(text)
        else:
            write_text(json, text)
    if outputs is not None:
        import numpy as np

        with atomic_write(outputs) as file:
            np.savez_compressed(file, allow_pickle=False, **result.arrays())
    if trace is not None:
        from bcsim.simulator.trace import write_trace

        write_trace(result.machine_run, min(TRACED_IMAGES, len(result.machine_run.classes)), trace)
    if report is not None:
        from bcsim.report import write_report

        write_report(result, report)
    if json != "-":
        for path in (json, outputs, trace, report):
            if path is not None:
                standard_output().print(f"Wrote {path}", markup=False)
