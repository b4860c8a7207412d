"""How often every pin of a gate-level design changes, by Icarus with the cells' delays: glitches count."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bcsim.common.errors import BcsimError

__all__ = ["Pin", "count_changes", "simulation_cells"]

Pin = tuple[str, str, str]
"""Module instance, cell and pin."""
FLIP_FLOP = re.compile(r"^module (DFFPOSX1) .*?^endmodule", re.MULTILINE | re.DOTALL)
DEFINED = """module DFFPOSX1 (input CLK, input D, output reg Q);
  initial Q = 0;
  always @(posedge CLK) Q <= #0.12 D;
endmodule"""


def simulation_cells(path: Path) -> str:
    """The library's Verilog, with flip-flops that start at 0 as those of an FPGA do."""
    try:
        text, found = FLIP_FLOP.subn(DEFINED, path.read_text("utf-8"))
    except OSError as error:
        raise BcsimError(f"{path}, the cells' Verilog, cannot be read: {error.strerror}") from error
    if not found:
        raise BcsimError(f"{path} has no module DFFPOSX1; the cells' Verilog of the OSU libraries is needed")
    return text


def count_changes(folder: Path, files: list[str]) -> tuple[str, Mapping[Pin, int]]:
    """What a bench prints, and how often each pin changed between 0 and 1 in what it dumps into gates.vcd."""
    if shutil.which("iverilog") is None:
        raise BcsimError("Icarus Verilog is needed here: install iverilog")
    _run(["iverilog", "-g2012", "-gspecify", "-s", "bench", "-o", "gates.vvp", *files], folder)
    printed = _run(["vvp", "-n", "gates.vvp"], folder)
    return printed, _changes(folder / "gates.vcd")


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BcsimError(f"{command[0]} failed: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return done.stdout


def _changes(path: Path) -> Mapping[Pin, int]:
    scopes: list[str] = []
    pins: dict[str, list[Pin]] = {}
    changes: Counter[str] = Counter()
    value: dict[str, str] = {}
    with path.open() as lines:
        for line in lines:
            first = line[0]
            if first in "01":
                name = line[1:-1]
                if value.get(name, first) != first:
                    changes[name] += 1
                value[name] = first
            elif first == "$":
                _declare(line.split(), scopes, pins)
    return {pin: changes[name] for name, aliases in pins.items() for pin in aliases}


def _declare(words: list[str], scopes: list[str], pins: dict[str, list[Pin]]) -> None:
    """Follow the scopes; a variable two levels below the device under test is a cell's pin."""
    if words[0] == "$scope":
        scopes.append(words[2].lstrip("\\"))
    elif words[0] == "$upscope":
        scopes.pop()
    elif words[0] == "$var" and len(scopes) > 2:
        pins.setdefault(words[3], []).append((scopes[-2], scopes[-1], words[4]))
