"""`bcsim verify`: the generated hardware against the simulator, cycle for cycle."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bcsim.commands.hardware import DataName, Images, MachineName, Pauses, prepare, print_meaning
from bcsim.commands.options import Bits, Calibrate, Input, ModelPath, WeightBits
from bcsim.common.console import standard_output
from bcsim.common.files import check_outputs, write_text

if TYPE_CHECKING:
    from bcsim.results.input_meaning import InputMeaning
    from bcsim.rtl.generate.verify import Verification

__all__ = ["verify"]


class Simulator(StrEnum):
    """RTL simulators that a bench runs in."""

    verilator = "verilator"
    icarus = "icarus"


def verify(
    model: ModelPath,
    images: Images = 3,
    simulator: Annotated[Simulator, typer.Option(help="What runs the Verilog.")] = Simulator.verilator,
    machine: MachineName = None,
    data: DataName = None,
    bits: Bits = None,
    weight_bits: WeightBits = None,
    calibrate: Calibrate = None,
    input: Input = None,
    pauses: Pauses = None,
    waves: Annotated[
        Path | None, typer.Option(metavar="FILE.fst", help="Record waveforms, memories included.")
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the result as JSON; - is standard output.")
    ] = None,
) -> None:
    """Generate the hardware of MODEL, run it in an RTL simulator and hold it to the simulator, cycle for cycle."""
    from bcsim.rtl.generate.verify import verify as verify_mapping

    check_outputs((json, waves), (model, data, calibrate))
    mapping, stimulus, meaning = prepare(
        model,
        bits=bits,
        weight_bits=weight_bits,
        calibrate=calibrate,
        input=input,
        machine=machine,
        data=data,
        images=images,
        pauses=pauses,
    )
    result = verify_mapping(mapping, stimulus, simulator=simulator.value, waves=waves)
    _report(result, meaning, json, waves)
    if not result.equal:
        raise typer.Exit(1)


def _report(result: Verification, meaning: InputMeaning | None, json: str | None, waves: Path | None) -> None:
    read = {"equal": result.equal, "input": meaning.text if meaning else None}
    text = json_module.dumps(asdict(result) | read, indent=2) + "\n"
    if json == "-":
        sys.stdout.write(text)
        return
    console = standard_output(soft_wrap=True)
    print_meaning(meaning, console)
    for line in _lines(result):
        console.print(line, markup=False, highlight=False)
    if json is not None:
        write_text(json, text)
    for path in (json, waves):
        if path is not None:
            console.print(f"Wrote {path}", markup=False)


def _lines(result: Verification) -> list[str]:
    cycles = f"cycles: simulator {result.simulator_cycles:,}, hardware {result.hardware_cycles:,}"
    if result.difference is None:
        return [
            f"{result.images} images in {result.simulator}: all {result.outputs:,} outputs equal",
            f"{result.writes:,} writes equal cycle for cycle",
            f"{cycles} (difference {result.hardware_cycles - result.simulator_cycles})",
            *_share_of_steps(result),
        ]
    if result.difference["kind"] == "cycle count":
        return [f"DIFFERENT: {cycles}"]
    kind, index = result.difference["kind"], result.difference["index"]
    return [
        f"DIFFERENT: {kind} {index:,} of {result.writes if kind == 'write' else result.outputs:,}",
        f"  expected {_event(kind, result.difference['expected'])}",
        f"  got      {_event(kind, result.difference['got'])}",
        cycles,
    ]


def _share_of_steps(result: Verification) -> list[str]:
    """Nothing where the machine counts no steps."""
    if result.steps is None:
        return []
    return [f"the array took a step in {result.steps / result.hardware_cycles:.1%} of them"]


def _event(kind: str, event: list[Any] | None) -> str:
    if event is None:
        return "nothing"
    if kind == "write":
        cycle, address, mask, data = event
        return f"cycle {cycle:,}: address {address}, groups {mask:#b}, data {data:#x}"
    cycle, data, last = event
    return f"cycle {cycle:,}: {data:#x}{', last' if last else ''}"
