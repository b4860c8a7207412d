"""`bcsim energy`: the tables of energy per action, and one to start one's own from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bcsim.common.console import standard_output

if TYPE_CHECKING:
    from bcsim.costs.energy import EnergyTable

__all__ = ["energy"]

SHOWN = (
    ("add, 8 bits", "adder", 8),
    ("add, 32 bits", "adder", 32),
    ("gate, 32 bits", "bitwise", 32),
    ("register bit", "register", 1),
    ("int8 multiplication", "multiplier", 8),
    ("float32 multiplication", "float_multiplier", 32),
    ("64 bits from 8 KB of SRAM", "sram", 8192),
    ("64 bits from DRAM", "dram", 64),
)
"""What a row shows: its heading, and a size on a table's curve."""


def energy(
    print: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Write a table as TOML, to change: --print NAME > mine.toml."),
    ] = None,
) -> None:
    """List the tables of energy per action; --energy-table of `bcsim run` takes their names, or your own file."""
    from bcsim.costs.energy import TABLES, load_table, table_text

    if print is not None:
        typer.echo(table_text(print), nl=False)
        return
    console = standard_output()
    console.print(_overview([load_table(name) for name in TABLES]))
    console.print(
        "pJ per action; no table has leakage or a clock tree. Your own: bcsim energy --print "
        f"{TABLES[0]} > mine.toml, then bcsim run ... --energy-table mine.toml"
    )


def _overview(tables: list[EnergyTable]) -> Table:
    found = Table(title="Energy tables", title_justify="left")
    found.add_column("pJ")
    for table in tables:
        found.add_column(table.name, justify="right")
    found.add_row("technology", *(table.technology for table in tables))
    for heading, kind, size in SHOWN:
        found.add_row(heading, *(f"{table.curves[kind].at(size):.4g}" for table in tables))
    return found
