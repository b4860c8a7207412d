"""The proof of a build: its netlist and its bitstream simulated on real images, held to the simulator.

Two or three designs speak through the same two pins: the Verilog and, for iCE40, the netlist after synthesis and the
packed bitstream turned back into Verilog; for ECP5 and Gowin the netlist behind place and route. All words must be the
simulator's, and the line must change in the same cycles. Where weights stream, each has a flash beside it that holds
what the build wrote for it.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Mapping as MappingType
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcsim.common.console import working
from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.rtl.bench.simulator import FLASH_MODEL, SimulatorError, build, run, write_flash
from bcsim.rtl.boards.board import Board
from bcsim.rtl.bus.program_image import program_checksum
from bcsim.rtl.flow.build import Built
from bcsim.rtl.flow.cells import cell_models
from bcsim.rtl.flow.flash import WEIGHTS
from bcsim.rtl.flow.placed import PLACED, placed_netlist
from bcsim.rtl.flow.synthesis import NETLIST, TOP
from bcsim.rtl.flow.tools import find_tool, run_tool
from bcsim.rtl.generate.vectors import stream_words
from bcsim.rtl.tools.yosys import run_yosys
from bcsim.simulator.simulator import MachineRun, run_machine, stream_values, whole_batches

__all__ = ["Proof", "prove_build"]

PROOF_TOP = Path(__file__).with_name("proof_top.v")
PAD = re.compile(r"(\.(?:PACKAGEPIN|REFERENCECLK)\()n\d+\)")
PROVABLE = ("ice40", "ecp5", "gowin")
WORD = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was compared.

    designs : what was simulated, beside the Verilog: `netlist`, `placed netlist`, `bitstream`. words : results of each,
        all equal to the simulator's. edges : changes of the line, all in the same cycles. cycles : from the start to
        the last of them.
    skipped : what could not be simulated here, and why.
    """

    images: int
    designs: tuple[str, ...]
    words: int
    edges: int
    cycles: int
    skipped: MappingType[str, str]
    seconds: MappingType[str, float]


def prove_build(folder: Path, mapping: Mapping, board: Board, built: Built, q: NDArray[np.uint8]) -> Proof:
    """Simulate what `build_board` left in `folder` on images q, uint8 (n, inputs); also writes proof.json.

    Raises BcsimError at the first difference, and where Icarus Verilog is missing.
    """
    check_provable(board)
    machine_run = run_machine(mapping, q, record=len(q))
    work = folder / "proof"
    work.mkdir()
    _write_stimulus(work, mapping, built, q, machine_run)
    (work / "cells.v").write_text(cell_models(board.family))
    designs, skipped = _designs(folder, work, board, built)
    found, seconds = {}, {}
    for name, source in designs.items():
        start = time.monotonic()
        found[name] = _simulate(folder, work, board, name, source)
        seconds[name] = round(time.monotonic() - start, 1)
        _compare(name, found[name], found["verilog"], machine_run)
    edges = found["verilog"]["edges"]
    proof = Proof(
        images=len(q),
        designs=tuple(name for name in designs if name != "verilog"),
        words=len(found["verilog"]["words"]),
        edges=len(edges),
        cycles=edges[-1],
        skipped=skipped,
        seconds=seconds,
    )
    shutil.rmtree(work)
    (folder / "proof.json").write_text(json.dumps(asdict(proof), indent=2) + "\n")
    return proof


def check_provable(board: Board) -> None:
    """Raise BcsimError where a board's netlist cannot be simulated, or nothing is there to simulate it."""
    if board.family not in PROVABLE:
        raise BcsimError(
            f"The vendor's tool makes the netlist of {board.name}: --prove is for iCE40, ECP5 and Gowin boards"
        )
    if shutil.which("iverilog") is None:
        raise BcsimError(
            "Netlists are simulated by Icarus Verilog, which is not installed (command iverilog)"
        )


def _designs(folder: Path, work: Path, board: Board, built: Built) -> tuple[dict[str, Path], dict[str, str]]:
    """What there is to simulate, the Verilog first, and what cannot be, with the reason."""
    designs = {"verilog": folder / f"{TOP}.v"}
    if board.family == "ice40":
        designs["netlist"] = folder / NETLIST
    elif (folder / PLACED).exists():
        designs["placed netlist"] = placed_netlist(folder, work, board.family)
    else:
        designs["netlist"] = _netlist(folder, work)
    if missing := _missing_unpackers(board, built):
        return designs, {"bitstream": missing}
    return {**designs, "bitstream": _unpack(folder, work)}, {}


def _netlist(folder: Path, work: Path) -> Path:
    """The file for place and route as Verilog: registers moved behind synthesis."""
    shutil.copyfile(folder / f"{TOP}.json", work / f"{TOP}.json")
    run_yosys(f"read_json {TOP}.json\nwrite_verilog -noattr {NETLIST}", cwd=work)
    return work / NETLIST


def _missing_unpackers(board: Board, built: Built) -> str:
    if board.family != "ice40":
        return f"nothing turns a bitstream of {board.family} back into Verilog"
    if built.single_port_memories:
        return "icebox_vlog does not turn single-port memories back into Verilog"
    if shutil.which("icebox_vlog") is None:
        return "the command icebox_vlog (Debian: fpga-icestorm) is not installed"
    return ""


def _write_stimulus(
    work: Path, mapping: Mapping, built: Built, q: NDArray[np.uint8], machine_run: MachineRun
) -> None:
    machine = mapping.machine
    whole = whole_batches(q, mapping.images)
    data, _, _ = stream_words(stream_values(mapping, whole), machine.input_bytes)
    np.savez(
        work / "proof.npz",
        images=data.reshape(len(whole), -1),
        words=len(machine_run.outputs.data),
        divisor=built.divisor,
        identity=np.array([machine.fingerprint, program_checksum(machine, mapping.image)]),
    )


def _unpack(folder: Path, work: Path) -> Path:
    """The bitstream as Verilog. Its PLL's pad has no name there, and is the clock's."""
    shutil.copyfile(folder / f"{TOP}.bin", work / f"{TOP}.bin")
    shutil.copyfile(folder / f"{TOP}.pcf", work / f"{TOP}.pcf")
    find_tool("iceunpack")
    run_tool("iceunpack", [f"{TOP}.bin", "unpacked.asc"], cwd=work, log=work / "unpack.log")
    with working("Turning the bitstream into Verilog"):
        text = run_tool(
            "icebox_vlog",
            ["-s", "-n", TOP, "-p", f"{TOP}.pcf", "unpacked.asc"],
            cwd=work,
            log=work / "bitstream.log",
        )
    path = work / "bitstream.v"
    path.write_text(PAD.sub(r"\1clk)", text[text.index("module ") :]))
    return path


def _simulate(folder: Path, work: Path, board: Board, name: str, source: Path) -> dict[str, Any]:
    """The words and the edges of one design."""
    for image in folder.glob("*.mem"):
        shutil.copyfile(image, work / image.name)
    result = work / "proof.json"
    result.unlink(missing_ok=True)
    top, others = _surroundings(folder, work, board)
    try:
        made = work / name.replace(" ", "-")
        with working(f"Simulating the {name}"):
            build(made, [source, work / "cells.v", *others], top, simulator="icarus")
            passed = run(made, "bcsim.rtl.bench.board_bench", top, simulator="icarus", cwd=work)
    except SimulatorError as error:
        raise BcsimError(str(error)) from error
    if not passed:
        log = (work / "simulation.log").read_text().strip().splitlines()
        reasons = [line for line in log if "AssertionError" in line or "rror:" in line]
        raise BcsimError(
            f"The {name} does not answer as it should: {(reasons or log or ['no log'])[-1].strip()}"
        )
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def _surroundings(folder: Path, work: Path, board: Board) -> tuple[str, tuple[Path, ...]]:
    """The module to simulate, and the files that it needs: with a flash beside the design where weights stream."""
    contents = folder / WEIGHTS
    if not contents.exists():
        return TOP, ()
    begin, held = json.loads((folder / "board.json").read_text())["flash"]["begin"], contents.read_bytes()
    write_flash(work, held)
    text = PROOF_TOP.read_text().replace("@begin@", str(begin)).replace("@bytes@", str(len(held)))
    for place, value in zip(("@clock_port@", "@clock_assignment@"), _flash_clock(board), strict=True):
        text = text.replace(place, value)
    (work / PROOF_TOP.name).write_text(text)
    return PROOF_TOP.stem, (FLASH_MODEL, work / PROOF_TOP.name)


def _flash_clock(board: Board) -> tuple[str, str]:
    """How a simulation has the flash's clock: at a port, or in the cell that drives the configuration's pin."""
    if board.flash and board.flash.clock:
        return "      .flash_clock(clock),", ""
    return "", "  assign clock = board.flash_clock.USRMCLKTS ? 1'b0 : board.flash_clock.USRMCLKI;"


def _compare(name: str, found: dict[str, Any], verilog: dict[str, Any], machine_run: MachineRun) -> None:
    expected = [int(word) & WORD for word in machine_run.outputs.data]
    for index, (wanted, word) in enumerate(zip(expected, found["words"], strict=True)):
        if wanted != word:
            raise BcsimError(f"The {name} differs from the simulator: word {index} is {word}, not {wanted}")
    changes = enumerate(zip_longest(found["edges"], verilog["edges"]))
    for index, (came, wanted) in changes:
        if came != wanted:
            raise BcsimError(
                f"The {name} differs from the Verilog: change {index} of its line comes in cycle {came}, not {wanted}"
            )
