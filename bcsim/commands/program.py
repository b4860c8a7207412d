"""`bcsim program`: a bitstream loaded into its board."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bcsim.common.console import standard_output
from bcsim.common.errors import BcsimError

__all__ = ["program"]

LOADERS = {
    "iceprog": "Debian's package fpga-icestorm has it",
    "openFPGALoader": "Debian's package openfpgaloader has it",
    "ecpdap": "cargo install ecpdap builds it",
    "dfu-util": "Debian's package dfu-util has it",
}
"""What loads bitstreams, and where it comes from."""


def program(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What bcsim build wrote.")],
    show: Annotated[bool, typer.Option("--show", help="Print the command and load nothing.")] = False,
) -> None:
    """Load FOLDER's bitstream into the board, with the tool that board.json names.

    Weights that stream from the board's flash are written there first.
    """
    from bcsim.host.folder import read_board

    board = read_board(folder)
    if not board.program_with:
        raise BcsimError(
            f"File {folder / 'board.json'} names no command that loads this board (program_with)"
        )
    # The bitstream last: once it is loaded it looks for its weights.
    commands = [command for command in (board.flash_with, board.program_with) if command]
    for tool, *_ in commands:
        if tool not in LOADERS:
            raise BcsimError(
                f"File {folder / 'board.json'}: program_with must begin with {', '.join(LOADERS)}, not {tool!r}"
            )
    if show:
        for command in commands:
            standard_output(soft_wrap=True).print(" ".join(command), markup=False, highlight=False)
        return
    for command in commands:
        _load(folder, command)


def _load(folder: Path, words: Sequence[str]) -> None:
    tool, *arguments = words
    command = shutil.which(tool)
    if command is None:
        raise BcsimError(f"{tool} loads this board and is not on the PATH: {LOADERS[tool]}")
    status = subprocess.run([command, *arguments], cwd=folder, check=False).returncode
    if status:
        raise BcsimError(
            f"{tool} failed (exit status {status}): is the board connected, and may you access it?"
        )
