"""`bcsim verilog`: a network's accelerator as Verilog, with its memory images and a bench."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bcsim.commands.hardware import DataName, Images, MachineName, Pauses, prepare, print_meaning
from bcsim.commands.options import Bits, Calibrate, Input, ModelPath, WeightBits
from bcsim.common.console import standard_output, working
from bcsim.common.tables import new_table

if TYPE_CHECKING:
    from bcsim.machine.parameters import Machine
    from bcsim.rtl.generate.multiplier_check import MultiplierCheck

__all__ = ["verilog"]

CHECKED_SLOTS = 1024
"""Lanes in all of the largest array whose multiplying cells are counted unasked, in seconds."""


def verilog(
    model: ModelPath,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the files go.")],
    machine: MachineName = None,
    data: DataName = None,
    images: Images = 2,
    bits: Bits = None,
    weight_bits: WeightBits = None,
    calibrate: Calibrate = None,
    input: Input = None,
    pauses: Pauses = None,
    name: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of the top module; another than accelerator goes before all names, for several in one design.",
        ),
    ] = "accelerator",
    check: Annotated[
        bool | None,
        typer.Option(
            help="Synthesise for four FPGA families, which takes minutes: LUTs, memories, DSP blocks. Default: count "
            "the cells that multiply, without synthesis, for arrays of up to 1,024 lanes in all."
        ),
    ] = None,
    fit: Annotated[
        bool, typer.Option(help="Make every width and depth as small as MODEL needs; see bcsim fit.")
    ] = False,
    part: Annotated[
        str | None,
        typer.Option(
            metavar="PART", help="With --fit and no --machine: the best machine for this FPGA part."
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(help="Replace FOLDER with all that it holds. Default: keep what bcsim did not write."),
    ] = False,
) -> None:
    """Write the accelerator of MODEL as Verilog; `pytest FOLDER` runs its bench."""
    from bcsim.interface.hardware import write_folder
    from bcsim.rtl.generate.folder import check_new_folder, new_folder

    check_new_folder(output, force=force)
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
        fit=fit,
        part=part,
    )
    console = standard_output(soft_wrap=True)
    with new_folder(output, force=force) as folder:
        with working("Generating Verilog"):
            write_folder(folder, mapping, stimulus, name)
        if check:
            _print_check(_check(folder, name), console)
        elif check is None and mapping.machine.slots <= CHECKED_SLOTS:
            _print_multipliers(_count(folder, name), console)
    print_meaning(meaning, console)
    console.print(_summary(output, mapping.machine, name), markup=False, highlight=False)


def _check(folder: Path, name: str) -> MultiplierCheck:
    from bcsim.rtl.generate.multiplier_check import check_multipliers

    return check_multipliers(folder, name)


def _count(folder: Path, name: str) -> int:
    from bcsim.rtl.generate.multiplier_check import count_multiplying_cells

    with working("Counting multipliers"):
        return count_multiplying_cells(folder, name)


def _print_check(check: MultiplierCheck, console: Console) -> None:
    headings = ("family", "LUTs", "flip-flops", "block memories", "DSP blocks")
    table = new_table("Synthesis with Yosys, DSP blocks allowed", *headings)
    for family, used in check.resources.items():
        table.add_row(family, *(f"{n:,}" for n in (used.luts, used.flip_flops, used.memories, used.dsps)))
    console.print(table)
    _print_multipliers(check.multipliers, console)


def _print_multipliers(multipliers: int, console: Console) -> None:
    console.print(f"Multiplications in the design ($mul and its relatives): {multipliers}")


def _summary(output: Path, machine: Machine, name: str) -> str:
    size = f"{machine.lanes} lanes x {machine.pes} processing elements, digits of {machine.digit} bits"
    return f"Wrote {output}/{name}.v ({size}); run its bench with: pytest {output}"
