"""A project for Vivado, which only its vendor gives: the script that makes the bitstream."""

from __future__ import annotations

from pathlib import Path

from bcsim.rtl.boards.board import Board
from bcsim.rtl.flow.synthesis import TOP

__all__ = ["BITSTREAM", "COMMAND", "SCRIPT", "write_script"]

SCRIPT, BITSTREAM = "build.tcl", f"{TOP}.bit"
COMMAND = f"vivado -mode batch -source {SCRIPT}"

STEPS = """\
# In this folder: {command}
read_verilog {top}.v
read_xdc {top}.xdc
synth_design -top {top} -part {part} -max_dsp 0
opt_design
place_design
phys_opt_design
route_design
report_utilization -file utilization.txt
report_timing_summary -file timing.txt
write_bitstream -force {bitstream}
"""


def write_script(folder: Path, board: Board) -> None:
    """Write build.tcl for the top.v and top.xdc of `folder`; memory images are read from the folder, too."""
    (folder / SCRIPT).write_text(
        STEPS.format(command=COMMAND, top=TOP, part=board.device, bitstream=BITSTREAM)
    )
