"""`bcsim machines`: the presets, and what their parameters mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bcsim.commands.completion import complete_machine
from bcsim.common.console import standard_output
from bcsim.common.errors import BcsimError
from bcsim.common.formatting import parameter as format_parameter
from bcsim.common.tables import new_table
from bcsim.costs.memory_blocks import PLANNED, memory_blocks
from bcsim.machine.descriptions import PARAMETERS, PRESET_USES
from bcsim.machine.parameters import PRESETS, Machine, parse_machine

__all__ = ["machines"]

BORDERS = 3
"""Characters between the texts of two columns."""


def machines(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|P=V,...]",
            autocompletion=complete_machine,
            help="A preset, or what --machine takes: what it is for.",
        ),
    ] = None,
    memories: Annotated[
        str | None,
        typer.Option(
            metavar="FAMILY",
            help=f"With NAME: its memories in blocks of an FPGA family: {', '.join(PLANNED)}.",
        ),
    ] = None,
) -> None:
    """List the machine presets, or describe one with every parameter.

    --machine takes their names, and changes such as medium,lanes=64.
    """
    console = standard_output()
    if memories is not None:
        _plan(name, memories, console)
        return
    if name is not None:
        _describe(parse_machine(name), console)
        return
    for table in _tables(console.width):
        console.print(table)
    for preset, use in PRESET_USES.items():
        console.print(f"{preset}: {use}")
    console.print("--machine takes a preset, and changes to it: medium,lanes=64 or lanes=32,pes=32,digit=8")
    console.print("What a parameter means: bcsim machines NAME")


def _describe(machine: Machine, console: Console) -> None:
    use = PRESET_USES.get(machine.name)
    table = new_table(
        f"{machine.name}: {use}" if use else "A machine of your own", "parameter", "value", "meaning"
    )
    table.columns[2].justify = "left"
    for parameter, value in _parameters(machine):
        table.add_row(parameter, value, PARAMETERS[parameter])
    console.print(table)


def _plan(name: str | None, family: str, console: Console) -> None:
    """The blocks of every large memory, and what is wasted of them."""
    if name is None:
        raise BcsimError("--memories needs a machine: bcsim machines tiny --memories ecp5")
    if family not in PLANNED:
        raise BcsimError(f"Family for --memories must be one of {', '.join(PLANNED)}, not {family!r}")
    plan = memory_blocks(parse_machine(name), family)
    table = new_table(
        f"Memories of {name} on {family}", "memory", "number", "words", "bits", "blocks", "used"
    )
    for memory in plan:
        shape = memory.shape
        counts = (shape.memories, shape.words, shape.word_bits, memory.blocks)
        table.add_row(memory.name, *(f"{count:,}" for count in counts), f"{memory.used:.0%}")
    console.print(table)
    console.print(f"{sum(memory.blocks for memory in plan):,} blocks, and records and scores beside them")


def _parameters(machine: Machine) -> Iterator[tuple[str, str]]:
    for parameter, value in asdict(machine).items():
        if parameter != "name":
            yield parameter, format_parameter(value)


def _tables(width: int) -> Iterator[Table]:
    """The presets side by side, in as many tables as the width asks for."""
    names, columns = list(PARAMETERS), list(PRESETS.values())
    left = max(map(len, names)) + BORDERS + 1
    while columns:
        room, held = width - left, 0
        while held < len(columns) and (room := room - _width(columns[held])) >= 0:
            held += 1
        held = max(held, 1)
        yield _side_by_side(columns[:held])
        columns = columns[held:]


def _width(machine: Machine) -> int:
    return max(len(machine.name), *(len(value) for _, value in _parameters(machine))) + BORDERS


def _side_by_side(machines: Sequence[Machine]) -> Table:
    table = new_table("Machines", "parameter", *(machine.name for machine in machines))
    for rows in zip(*(_parameters(machine) for machine in machines), strict=True):
        table.add_row(rows[0][0], *(value for _, value in rows))
    return table
