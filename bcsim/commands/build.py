"""`bcsim build`: a network as a board's bitstream."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bcsim.commands.completion import complete_machine
from bcsim.commands.hardware import DataName, print_meaning
from bcsim.commands.options import Bits, Calibrate, Input, ModelPath, WeightBits
from bcsim.common.console import standard_output
from bcsim.common.files import check_outputs, write_text

if TYPE_CHECKING:
    from bcsim.interface.board import BoardBuild

__all__ = ["build"]


def build(
    model: ModelPath,
    board: Annotated[str, typer.Option(metavar="NAME", help="What it is for; `bcsim boards` lists them.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the files go.")],
    machine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|P=V,...",
            autocompletion=complete_machine,
            help="Its lanes, pes, digit and requantisers; all else is fitted to MODEL. Default: the board's.",
        ),
    ] = None,
    clock: Annotated[
        float | None,
        typer.Option(
            min=1,
            metavar="MHZ",
            help="The PLL's fastest clock up to this one must be reached. Default: the board's, or slower.",
        ),
    ] = None,
    baud: Annotated[
        int | None, typer.Option(min=300, help="Of the serial line. Default: the board's.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Placements to try; the fastest is kept.")] = 1,
    prove: Annotated[
        bool,
        typer.Option(
            "--prove",
            help="Simulate netlist and bitstream on images, word for word (ECP5, Gowin: placed netlist).",
        ),
    ] = False,
    images: Annotated[int, typer.Option(min=1, metavar="N", help="How many images --prove takes.")] = 2,
    data: DataName = None,
    bits: Bits = None,
    weight_bits: WeightBits = None,
    calibrate: Calibrate = None,
    input: Input = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the result as JSON; - is standard output.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option(help="Replace FOLDER with all that it holds. Default: keep what bcsim did not write."),
    ] = False,
) -> None:
    """Synthesise, place and route MODEL for a board: bitstream, logs and figures in FOLDER."""
    from bcsim import api
    from bcsim.commands.options import check_machine_text, parse_bits, refuse_compiled
    from bcsim.interface.board import build as build_program
    from bcsim.rtl.boards.catalogue import find_board
    from bcsim.rtl.generate.folder import check_new_folder

    find_board(board)
    check_machine_text(machine)
    check_new_folder(output, force=force)
    check_outputs((json,), (model, data, calibrate))
    loaded = api.load(model, weight_bits=weight_bits)
    refuse_compiled(loaded, bits, calibrate, input)
    program = loaded.program or api.compile(
        loaded, bits=parse_bits(bits), calibration=calibrate, data=data, input=input
    )
    result = build_program(
        program,
        output,
        board=board,
        machine=machine,
        clock_mhz=clock,
        baud=baud,
        seeds=range(1, seeds + 1),
        prove=images if prove else 0,
        data=data or loaded.dataset,
        force=force,
    )
    _report(result, output, json)


def _report(result: BoardBuild, output: Path, json: str | None) -> None:
    read = {
        **asdict(result.built),
        "images_per_second": result.images_per_second,
        "cycles_per_image": result.cycles_per_image,
        "machine": asdict(result.machine),
        "proof": asdict(result.proof) if result.proof else None,
    }
    text = json_module.dumps(read, indent=2) + "\n"
    if json == "-":
        sys.stdout.write(text)
        return
    console = standard_output(soft_wrap=True)
    print_meaning(result.meaning, console)
    for line in _lines(result, output):
        console.print(line, markup=False, highlight=False)
    if json is not None:
        write_text(json, text)
        console.print(f"Wrote {json}", markup=False)


def _lines(result: BoardBuild, output: Path) -> Iterator[str]:
    from bcsim.rtl.flow.vivado import COMMAND

    built, machine = result.built, result.machine
    yield (
        f"{built.board}: {machine.lanes} lanes x {machine.pes} processing elements, digits of {machine.digit} bits, "
        f"{machine.requantisers} requantisers"
    )
    if built.mhz is None:
        yield f"clock {built.clock_hz / 1e6:g} MHz, if Vivado reaches it: its timing.txt says so"
        yield f"Wrote {output}; its bitstream is the vendor's tool's to make: {COMMAND}"
        return
    yield (
        f"logic cells {built.logic_cells:,} of {built.of_logic_cells:,}, block memories {built.memories} of "
        f"{built.of_memories}{f', of one port {built.single_port_memories}' if built.single_port_memories else ''}"
    )
    yield f"clock {built.clock_hz / 1e6:g} MHz (this placement allows {built.mhz:.1f})"
    yield (
        f"{_pace(result.images_per_second)} of the accelerator, {result.cycles_per_image:,} cycles each; the "
        f"serial line of {built.baud:,} baud is slower"
    )
    if proof := result.proof:
        yield (
            f"proved on {proof.images} images: {' and '.join(proof.designs)} "
            f"{'give' if len(proof.designs) > 1 else 'gives'} all {proof.words:,} words of the simulator, "
            f"in the Verilog's cycles ({proof.edges:,} changes of the line)"
        )
        yield from (f"not proved: {design}, as {reason}" for design, reason in proof.skipped.items())
    if flash := built.flash:
        yield (
            f"weights stream from the flash: {flash.size:,} bytes of {output}/{flash.file}, at {flash.begin:#x}; "
            "bcsim program writes them too"
        )
    yield f"Wrote {output}/{built.bitstream}; load it with: bcsim program {output}"


def _pace(images_per_second: float) -> str:
    """Images a second, and of slow ones also the time of each."""
    if images_per_second >= 100:
        return f"{images_per_second:,.0f} images/s"
    return f"{images_per_second:.1f} images/s ({1000 / images_per_second:.1f} ms an image)"
