"""Place and route: nextpnr with one or several seeds, what it took and how fast it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bcsim.common.console import working
from bcsim.common.errors import BcsimError
from bcsim.rtl.boards.board import Board
from bcsim.rtl.boards.constraints import SUFFIXES
from bcsim.rtl.flow.placed import PLACED
from bcsim.rtl.flow.synthesis import TOP
from bcsim.rtl.flow.tools import ToolError, run_tool

__all__ = ["SINGLE_PORT", "DoesNotFitError", "Placement", "place"]

USED = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)
CLOCK = re.compile(r"^\w+: Max frequency for clock\s+'([^']+)': ([\d.]+) MHz", re.MULTILINE)
CELLS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "ice40": (("ICESTORM_LC",), "ICESTORM_RAM"),
    "ecp5": (("TRELLIS_COMB",), "DP16KD"),
    "gowin": (("LUT4", "ALU"), "BSRAM"),
}
"""nextpnr's names of what takes a logic cell, and of a block memory, by family."""

SINGLE_PORT = "ICESTORM_SPRAM"
"""nextpnr's name of iCE40 UP5K's single-port memories."""

OUTPUTS = {
    "ice40": ("--asc", f"{TOP}.asc"),
    "ecp5": ("--textcfg", f"{TOP}.config"),
    "gowin": ("--write", PLACED),
}


class DoesNotFitError(BcsimError):
    """A design too large for its part. needed : by cell type, how many, and how many there are."""

    def __init__(self, message: str, needed: Mapping[str, tuple[int, int]]) -> None:
        super().__init__(message)
        self.needed = needed


@dataclass(frozen=True, slots=True)
class Placement:
    """The outcome of one seed. used : by nextpnr's cell type, how many of how many. mhz : of the design's clock."""

    seed: int
    mhz: float
    used: Mapping[str, tuple[int, int]]

    def count(self, family: str) -> tuple[int, int]:
        """Logic cells and block memories."""
        logic, memory = CELLS[family]
        return sum(self.used.get(cell, (0, 0))[0] for cell in logic), self.used.get(memory, (0, 0))[0]


def place(
    folder: Path, board: Board, mhz: float, seeds: Sequence[int], *, netlist: bool = False
) -> Placement:
    """The fastest of the seeds' placements, left in `folder`; logs are place-SEED.log.

    mhz : what it aims at. netlist : leave PLACED of an ECP5 as well; Gowin's packer needs it anyway.

    Raises DoesNotFitError, and BcsimError where the tool is missing or fails.
    """
    best: Placement | None = None
    outputs = [*OUTPUTS[board.family][1::2], *([PLACED] if netlist and board.family == "ecp5" else [])]
    for number, seed in enumerate(seeds):
        with working(f"Placing and routing ({number + 1} of {len(seeds)})"):
            found = _place(folder, board, mhz, seed, write=PLACED in outputs)
        if best is None or found.mhz > best.mhz:
            best = found
            for output in outputs:
                (folder / output).replace(folder / f"best-{output}")
    assert best is not None
    for output in outputs:
        (folder / f"best-{output}").replace(folder / output)
    return best


def _place(folder: Path, board: Board, mhz: float, seed: int, *, write: bool) -> Placement:
    arguments = [*_part(board), "--json", f"{TOP}.json", "--seed", str(seed), "--freq", f"{mhz:g}"]
    arguments += [*OUTPUTS[board.family], "--timing-allow-fail", "--report", "timing.json"]
    tool = {"ice40": "nextpnr-ice40", "ecp5": "nextpnr-ecp5", "gowin": "nextpnr-himbaechel-gowin"}[
        board.family
    ]
    if write and PLACED not in arguments:
        arguments += ["--write", PLACED]
    if board.family == "gowin":
        arguments = [option for option in arguments if option not in ("--report", "timing.json")]
    try:
        log = run_tool(tool, arguments, cwd=folder, log=folder / f"place-{seed}.log")
    except ToolError as error:
        _check_fit(board, _used(error.log))
        raise
    return Placement(seed, _clock(log), _used(log))


def _part(board: Board) -> list[str]:
    file = f"{TOP}{SUFFIXES[board.family]}"
    if board.family == "ice40":
        return [f"--{board.device}", "--package", board.package, "--pcf", file]
    if board.family == "ecp5":
        return [f"--{board.device}", "--package", board.package, "--speed", "6", "--lpf", file]
    return ["--device", board.device, "--vopt", f"family={board.package}", "--vopt", f"cst={file}"]


def _used(log: str) -> dict[str, tuple[int, int]]:
    return {name: (int(used), int(available)) for name, used, available in USED.findall(log)}


def _clock(log: str) -> float:
    """The design's clock; of a clock's lines the last counts, a warning where it is slow: it is behind routing."""
    clocks = {name: float(mhz) for name, mhz in CLOCK.findall(log)}
    if not clocks:
        raise BcsimError("nextpnr tells no clock's frequency; its log is place-*.log")
    return min(clocks.values())


def _check_fit(board: Board, used: Mapping[str, tuple[int, int]]) -> None:
    lacking = {name: counts for name, counts in used.items() if counts[0] > counts[1]}
    if lacking:
        each = ", ".join(
            f"{need:,} {name} of {have:,} ({need - have:,} too many)"
            for name, (need, have) in lacking.items()
        )
        raise DoesNotFitError(f"Design does not fit {board.title}: it needs {each}", lacking)
