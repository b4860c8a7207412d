"""Synthesis for one part: Yosys' netlist as JSON for place and route, and as Verilog for the proof."""

from __future__ import annotations

from pathlib import Path

from bcsim.rtl.boards.board import Board
from bcsim.rtl.flow.fan_out import spread_registers
from bcsim.rtl.tools.yosys import run_yosys

__all__ = ["NETLIST", "PART_MODULES", "TOP", "synthesise_top"]

TOP = "top"
NETLIST = "netlist.v"
"""The mapped netlist as Verilog, which the proof simulates."""

PART_MODULES = "part.v"


def synthesise_top(folder: Path, board: Board, *, spread: bool = False) -> None:
    """Turn top.v of `folder` into top.json and netlist.v; the log is synthesis.log. Raises BcsimError.

    Modules of PART_MODULES, where there is such a file, take the place of those of the same names.

    spread : copy registers that drive much, as far as the family's are known (`spread_registers`).
    """
    commands = {
        "ice40": f"synth_ice40 -device {'u' if board.device == 'up5k' else 'hx'}",
        "ecp5": "synth_ecp5",
        "gowin": f"synth_gowin -family {'gw1n' if board.package.startswith('GW1N') else 'gw2a'}",
    }
    # Place and route of 2022 does not know the cells that only say where others came from.
    part = f"read_verilog -overwrite {PART_MODULES}\n" if (folder / PART_MODULES).exists() else ""
    script = (
        f"read_verilog {TOP}.v\n{part}{commands[board.family]} -top {TOP}\ndelete t:$scopeinfo\n"
        f"write_json {TOP}.json\nwrite_verilog -noattr {NETLIST}\nstat"
    )
    (folder / "synthesis.log").write_text(run_yosys(script, cwd=folder))
    if spread:
        spread_registers(folder / f"{TOP}.json", TOP)
