"""The bitstream of a placed design."""

from __future__ import annotations

from pathlib import Path

from bcsim.rtl.boards.board import Board
from bcsim.rtl.flow.synthesis import TOP
from bcsim.rtl.flow.tools import run_tool

__all__ = ["pack"]


def pack(folder: Path, board: Board) -> str:
    """Write the bitstream into `folder` and return its file's name. Raises BcsimError."""
    if board.family == "ice40":
        name, tool, arguments = f"{TOP}.bin", "icepack", [f"{TOP}.asc", f"{TOP}.bin"]
    elif board.family == "ecp5":
        name, tool = f"{TOP}.bit", "ecppack"
        idcode = ["--idcode", "0x21111043"] if board.device == "12k" else []
        arguments = ["--compress", *idcode, f"{TOP}.config", f"{TOP}.bit"]
    else:
        name, tool = f"{TOP}.fs", "gowin_pack"
        arguments = ["-d", board.package, "-o", f"{TOP}.fs", f"{TOP}.placed"]
    run_tool(tool, arguments, cwd=folder, log=folder / "pack.log")
    return name
