"""What a host has to know of a board's design, from the folder that bcsim wrote it to."""

from __future__ import annotations

import json
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bcsim.common.errors import BcsimError
from bcsim.common.files import read_file
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.program.onnx_format import is_program, load_program
from bcsim.machine.parameters import Machine

__all__ = ["BoardFile", "design_mapping", "read_board"]

MOST = 1 << 20
BAUD = 115_200


@dataclass(frozen=True, slots=True)
class BoardFile:
    """What board.json says.

    baud : of the serial line. program_with : the command that loads the bitstream, run in the folder.
    registers : whether the link reaches the registers. flash_with : the command that writes the weights that stream
        into the board's flash, run before; empty where none do.
    """

    board: str
    baud: int
    program_with: tuple[str, ...]
    registers: bool
    flash_with: tuple[str, ...] = ()


def read_board(folder: Path) -> BoardFile:
    """The folder's board.json. Raises BcsimError where there is none, or a field of it is not as it must be."""
    fields = _object(folder, "board.json", "a folder of bcsim build")
    baud, flash = fields.get("baud", BAUD), fields.get("flash")
    if not isinstance(baud, int) or isinstance(baud, bool) or baud < 1:
        raise BcsimError(f"File {folder / 'board.json'}: baud must be a positive integer, not {baud!r}")
    if flash is not None and not isinstance(flash, dict):
        raise BcsimError(f"File {folder / 'board.json'}: flash must be an object or null, not {flash!r}")
    return BoardFile(
        board=str(fields.get("board", "board")),
        baud=baud,
        program_with=_command(folder, "program_with", fields.get("program_with", [])),
        registers=fields.get("registers") is True,
        flash_with=() if flash is None else _command(folder, "flash.program_with", flash.get("program_with")),
    )


def _command(folder: Path, field: str, command: object) -> tuple[str, ...]:
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        raise BcsimError(f"File {folder / 'board.json'}: {field} must be a list of strings, not {command!r}")
    return tuple(command)


def design_mapping(folder: Path) -> Mapping:
    """The program of a folder on its machine, from program.onnx and machine.json. Raises BcsimError."""
    fields = _object(folder, "machine.json", "a folder of bcsim build or bcsim verilog")
    parameters = fields.get("machine", fields)
    try:
        machine = Machine(**parameters)
    except TypeError:
        raise BcsimError(
            f"File {folder / 'machine.json'} does not describe a machine of this version of bcsim; write it again"
        ) from None
    program = folder / "program.onnx"
    if not program.is_file() or not is_program(program):
        raise BcsimError(f"Folder {folder} has no program.onnx that bcsim compile wrote; write it again")
    return map_program(load_program(program), machine)


def _object(folder: Path, name: str, what: str) -> MappingType[str, Any]:
    path = folder / name
    if not path.is_file():
        raise BcsimError(f"Folder {folder} has no {name}; give {what}")
    try:
        fields = json.loads(read_file(path, MOST, "File"))
    except (ValueError, RecursionError) as error:
        raise BcsimError(f"File {path} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BcsimError(f"File {path} must hold an object")
    return fields
