"""A board's folder: Verilog, netlist, placement, bitstream and what was found, from a program on a machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bcsim.common.console import errors, working
from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.boards.board import Board
from bcsim.rtl.boards.board_top import BoardTop
from bcsim.rtl.boards.constraints import SUFFIXES, constraints
from bcsim.rtl.boards.pll import ClockSettings, clock_settings
from bcsim.rtl.flow.advice import advised, require_memories
from bcsim.rtl.flow.flash import WEIGHTS, flash_command, flash_reader, streams, write_weights
from bcsim.rtl.flow.pack import pack
from bcsim.rtl.flow.place import SINGLE_PORT, DoesNotFitError, Placement, place
from bcsim.rtl.flow.single_port import single_port_banks, single_port_memories
from bcsim.rtl.flow.synthesis import PART_MODULES, TOP, synthesise_top
from bcsim.rtl.flow.vivado import BITSTREAM, write_script
from bcsim.rtl.generate.design import design_digest
from bcsim.rtl.generate.verilog import to_verilog
from bcsim.rtl.link.divisor import baud_divisor
from bcsim.rtl.link.linked import LinkedAccelerator

__all__ = ["Built", "FlashContents", "build_board"]

MARGIN = 0.95
"""Part of the reached clock that a slower attempt aims at: placements of one design differ by some percent."""

ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What `build_board` made.

    clock_hz : of the accelerator on the board. mhz : the clock that the placement would allow.
    logic_cells, memories : used; the board has `of_logic_cells` and `of_memories`.
    mhz, seed, logic_cells, memories : None where the vendor's tool is still to run.
    flash : None where no weights stream.
    seconds : by step.
    """

    board: str
    bitstream: str
    clock_hz: float
    baud: int
    divisor: int
    of_logic_cells: int
    of_memories: int
    seconds: dict[str, float]
    mhz: float | None = None
    seed: int | None = None
    logic_cells: int | None = None
    memories: int | None = None
    single_port_memories: int = 0
    flash: FlashContents | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashContents:
    """What the board's flash must hold beside the bitstream.

    file : of the folder. begin : its address in the flash. size : its bytes. program_with : the command that writes it.
    """

    file: str
    begin: int
    size: int
    program_with: tuple[str, ...]


def build_board(
    folder: Path,
    mapping: Mapping,
    board: Board,
    *,
    clock_mhz: float | None = None,
    baud: int | None = None,
    seeds: Sequence[int] = (1,),
    prove: bool = False,
) -> Built:
    """Fill `folder` with the design of a mapped program for a board, its bitstream and board.json.

    clock_mhz : must be reached; by default the board's, and slower where the design is.
    prove : leave what `prove_build` needs as well.

    Raises BcsimError where the design does not fit, the clock is not reached, or a tool is missing or fails.
    """
    speed = board.baud if baud is None else baud
    seconds: dict[str, float] = {}
    require_memories(board, mapping.machine)
    if board.family == "7-series":
        return _project(folder, mapping, board, _wanted(board, clock_mhz), speed)
    flash = _flash_contents(folder, mapping, board)
    clock, placement = _reached(folder, mapping, board, clock_mhz, speed, seeds, seconds, prove)
    start = time.monotonic()
    bitstream = pack(folder, board)
    seconds["pack"] = time.monotonic() - start
    logic, memories = placement.count(board.family)
    built = Built(
        board=board.name,
        bitstream=bitstream,
        clock_hz=clock.hz,
        mhz=placement.mhz,
        baud=speed,
        divisor=baud_divisor(clock.hz, speed),
        seed=placement.seed,
        logic_cells=logic,
        of_logic_cells=board.luts,
        memories=memories,
        of_memories=board.memories,
        single_port_memories=placement.used.get(SINGLE_PORT, (0, 0))[0],
        flash=flash,
        seconds={step: round(taken, 1) for step, taken in seconds.items()},
    )
    _describe(folder, mapping, board, built)
    return built


def _flash_contents(folder: Path, mapping: Mapping, board: Board) -> FlashContents | None:
    """The weights that stream from the board's flash, in the folder; None where none do."""
    if not streams(mapping) or board.flash is None:
        return None
    size, command = write_weights(folder, mapping, board), tuple(flash_command(board))
    return FlashContents(file=WEIGHTS, begin=board.flash.begin, size=size, program_with=command)


def _project(folder: Path, mapping: Mapping, board: Board, wanted: float, baud: int) -> Built:
    """What the vendor's tool makes the bitstream of."""
    clock = clock_settings(board, wanted)
    divisor = baud_divisor(clock.hz, baud)
    with working("Generating Verilog"):
        write_top(folder, mapping, board, clock, divisor)
    write_script(folder, board)
    built = Built(
        board=board.name,
        bitstream=BITSTREAM,
        clock_hz=clock.hz,
        baud=baud,
        divisor=divisor,
        of_logic_cells=board.luts,
        of_memories=board.memories,
        seconds={},
    )
    _describe(folder, mapping, board, built)
    return built


def _wanted(board: Board, clock_mhz: float | None) -> float:
    return board.clock_mhz if clock_mhz is None else clock_mhz


def _reached(
    folder: Path,
    mapping: Mapping,
    board: Board,
    clock_mhz: float | None,
    baud: int,
    seeds: Sequence[int],
    seconds: dict[str, float],
    prove: bool,
) -> tuple[ClockSettings, Placement]:
    """A clock that a placement allows, and the placement: the clock given, or the board's, or slower."""
    wanted = _wanted(board, clock_mhz)
    for _ in range(ATTEMPTS):
        clock = clock_settings(board, wanted)
        placement = _attempt(
            folder, mapping, board, clock, baud_divisor(clock.hz, baud), seeds, seconds, prove
        )
        if placement.mhz * 1e6 >= clock.hz:
            return clock, placement
        if clock_mhz is not None:
            raise BcsimError(
                f"The clock of {clock.hz / 1e6:g} MHz is not reached: this placement allows {placement.mhz:.1f}; "
                "take a slower --clock, more --seeds or a smaller machine"
            )
        errors.print(f"{clock.hz / 1e6:g} MHz not reached ({placement.mhz:.1f}): once more, slower")
        wanted = placement.mhz * MARGIN
    raise BcsimError(f"No clock was reached in {ATTEMPTS} attempts; give --clock, below {wanted:.0f}")


def _attempt(
    folder: Path,
    mapping: Mapping,
    board: Board,
    clock: ClockSettings,
    divisor: int,
    seeds: Sequence[int],
    seconds: dict[str, float],
    prove: bool,
) -> Placement:
    """One round of Verilog, synthesis, place and route."""
    large = mapping.machine.pipeline_registers > 0
    steps: tuple[tuple[str, str, Callable[[], None]], ...] = (
        ("verilog", "Generating Verilog", lambda: write_top(folder, mapping, board, clock, divisor)),
        ("synthesis", "Synthesis", lambda: synthesise_top(folder, board, large=large)),
    )
    for name, title, step in steps:
        start = time.monotonic()
        with working(title):
            step()
        seconds[name] = seconds.get(name, 0.0) + time.monotonic() - start
    start = time.monotonic()
    try:
        return place(folder, board, clock.hz / 1e6, seeds, netlist=prove)
    except DoesNotFitError as error:
        raise advised(error, board, mapping.machine) from error
    finally:
        seconds["place and route"] = seconds.get("place and route", 0.0) + time.monotonic() - start


def write_top(folder: Path, mapping: Mapping, board: Board, clock: ClockSettings, divisor: int) -> None:
    """top.v with its memory images and constraints, and the part's own memories where the machine has such."""
    accelerator = Accelerator(mapping.machine, image=mapping.image)
    linked = LinkedAccelerator(accelerator, divisor=divisor)
    top = BoardTop(board, clock, linked, flash_reader(mapping, board, clock.hz))
    verilog = to_verilog(top, TOP, lines=top.lines)
    (folder / f"{TOP}.v").write_text(
        f"// bcsim for {board.title}, clock {clock.hz / 1e6:g} MHz\n\n{verilog.text}"
    )
    for name, text in verilog.images.items():
        (folder / name).write_text(text)
    pins = constraints(board, flash=streams(mapping))
    (folder / f"{TOP}{SUFFIXES[board.family]}").write_text(pins)
    if 0 < single_port_memories(mapping.machine) <= board.single_port_memories:
        (folder / PART_MODULES).write_text(single_port_banks(mapping.machine))


def _describe(folder: Path, mapping: Mapping, board: Board, built: Built) -> None:
    """board.json, which `bcsim program` and `bcsim infer` read, and machine.json."""
    machine = mapping.machine
    description = {
        **asdict(built),
        "registers": False,
        "program_with": [word.format(built.bitstream) for word in board.program_with],
        "wiring": board.wiring,
        "design": design_digest(mapping),
        "fingerprint": f"{machine.fingerprint:08x}",
        "program": mapping.program.name,
        "inputs": mapping.program.inputs,
        "classes": mapping.program.classes,
    }
    (folder / "board.json").write_text(json.dumps(description, indent=2) + "\n")
    (folder / "machine.json").write_text(json.dumps({"machine": asdict(machine)}, indent=2) + "\n")
