"""`bcsim boards`: the boards that `bcsim build` knows."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bcsim.common.console import standard_output
from bcsim.common.tables import new_table

if TYPE_CHECKING:
    from bcsim.rtl.boards.board import Board

__all__ = ["boards"]


def boards(
    name: Annotated[
        str | None, typer.Argument(metavar="[BOARD]", help="One board, with its pins and wiring.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="All that is known of the boards, as JSON.")] = False,
) -> None:
    """List the boards that `bcsim build --board` takes, or describe one."""
    from bcsim.rtl.boards.catalogue import BOARDS, find_board

    chosen = BOARDS if name is None else {name: find_board(name)}
    if json:
        sys.stdout.write(
            json_module.dumps({key: asdict(board) for key, board in chosen.items()}, indent=2) + "\n"
        )
        return
    console = standard_output()
    if name is not None:
        console.print(_described(find_board(name)))
        return
    table = new_table("Boards", "name", "board", "LUTs", "block memories", "MHz aimed at", "baud", text=2)
    for board in chosen.values():
        figures = (board.luts, board.memories, board.clock_mhz, board.baud)
        table.add_row(board.name, board.title, *(f"{figure:,}" for figure in figures))
    console.print(table)
    console.print("Build for one: bcsim build MODEL --board NAME -o FOLDER. Its pins: bcsim boards NAME")


def _described(board: Board) -> Table:
    """One board: its pins, its line, what it is built and programmed with."""
    pins, megahertz = board.pins, board.oscillator_hz / 1e6
    rows = [
        ("wiring", board.wiring),
        ("clock", f"{megahertz:g} MHz at pin {pins.clock}; builds aim at {board.clock_mhz:g}"),
        ("serial line", f"{board.baud:,} baud; FPGA listens on {pins.rx}, speaks on {pins.tx}"),
        ("LEDs", ", ".join(f"{role} {pin}" for role, pin in pins.leds.items())),
        ("machine", board.machine),
        ("for large networks", board.large_machine),
        ("programmed with", " ".join(board.program_with)),
        ("weights stream from", f"flash, from {board.flash.begin:#x} on" if board.flash else ""),
    ]
    table = new_table(board.title, "what", "value", text=2, header=False)
    for what, value in rows:
        if value:
            table.add_row(what, value)
    return table
