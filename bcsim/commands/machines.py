"""`bcsim machines`: the presets."""

from __future__ import annotations

from dataclasses import asdict

from rich.table import Table

from bcsim.common.console import standard_output
from bcsim.common.formatting import parameter as format_parameter
from bcsim.machine.parameters import PRESETS

__all__ = ["machines"]


def machines() -> None:
    """List the machine presets; --machine takes their names, and changes such as medium,lanes=64."""
    table = Table(title="Machines", title_justify="left")
    table.add_column("parameter")
    for name in PRESETS:
        table.add_column(name, justify="right")
    columns = [asdict(machine) for machine in PRESETS.values()]
    for parameter in columns[0]:
        if parameter != "name":
            table.add_row(parameter, *(format_parameter(column[parameter]) for column in columns))
    console = standard_output()
    console.print(table)
    console.print("--machine takes a preset, and changes to it: medium,lanes=64 or lanes=32,pes=32,digit=8")
