"""Synthesis for one part: Yosys' netlist as JSON for place and route, and as Verilog for the proof."""

from __future__ import annotations

import json
from pathlib import Path

from bcsim.rtl.boards.board import Board
from bcsim.rtl.flow.fan_out import spread_registers
from bcsim.rtl.flow.netlist import Netlist
from bcsim.rtl.flow.output_registers import use_output_registers
from bcsim.rtl.tools.yosys import run_yosys

__all__ = [
    "NETLIST",
    "PART_MODULES",
    "TOP",
    "large_array_script",
    "spread_over_die",
    "synthesise_top",
]

TOP = "top"
NETLIST = "netlist.v"
"""The mapped netlist as Verilog, which the proof simulates."""

PART_MODULES = "part.v"


def synthesise_top(folder: Path, board: Board, *, large: bool = False) -> None:
    """Turn top.v of `folder` into top.json and netlist.v; the log is synthesis.log. Raises BcsimError.

    Modules of PART_MODULES, where there is such a file, take the place of those of the same names.

    large : the array fills a large die, see `spread_over_die`.
    """
    commands = {
        "ice40": f"synth_ice40 -device {'u' if board.device == 'up5k' else 'hx'}",
        "ecp5": "synth_ecp5",
        "gowin": f"synth_gowin -family {'gw1n' if board.package.startswith('GW1N') else 'gw2a'}",
    }
    # Place and route of 2022 does not know the cells that only say where others came from.
    part = f"read_verilog -overwrite {PART_MODULES}\n" if (folder / PART_MODULES).exists() else ""
    command = f"{commands[board.family]} -top {TOP}"
    if large and board.family == "ecp5":
        command = large_array_script(TOP)
    script = (
        f"read_verilog {TOP}.v\n{part}{command}\ndelete t:$scopeinfo\n"
        f"write_json {TOP}.json\nwrite_verilog -noattr {NETLIST}\nstat"
    )
    (folder / "synthesis.log").write_text(run_yosys(script, cwd=folder))
    if large:
        spread_over_die(folder / f"{TOP}.json", TOP)


KEPT = "processing_element* lanes round_selector* requantiser* activation_memory"
"""Modules of a large array that are made each by itself: of what all have in common none has to serve the others."""


def large_array_script(top: str) -> str:
    """Yosys' passes for a large array on ECP5: KEPT one by one, all else at once, and flattened only then.

    That is faster, and every element keeps what drives its registers to itself. The sequencer's modules decide within
    a cycle what goes on in all of them: at once they take fewer LUTs behind one another.
    """
    kept = f"setattr -mod -set keep_hierarchy 1 {KEPT}\n"
    return f"{kept}synth_ecp5 -top {top}\nsetattr -mod -unset keep_hierarchy\nflatten\nopt_clean"


def spread_over_die(file: Path, top: str) -> None:
    """Let the flat netlist in a JSON file use block memories' output registers, and copy registers that drive much.

    Both on ECP5 alone; other families' netlists stay as they are.
    """
    design = json.loads(file.read_text())
    netlist = Netlist(design["modules"][top])
    use_output_registers(netlist)
    spread_registers(netlist)
    file.write_text(json.dumps(design))
