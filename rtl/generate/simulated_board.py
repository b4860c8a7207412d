"""A board that is none: an accelerator and its link in Verilator, behind a pseudo-terminal."""

from __future__ import annotations

import os
import subprocess
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bcsim.common.console import working
from bcsim.common.errors import BcsimError
from bcsim.common.leftovers import scratch_folder
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.bench.simulator import FLASH_MODEL, SimulatorError, build_executable, write_flash
from bcsim.rtl.generate.flashed_board import FlashedBoard
from bcsim.rtl.generate.vectors import weight_words
from bcsim.rtl.generate.verilog import to_verilog
from bcsim.rtl.link.flash_reader import FlashReader, flash_contents, flash_mark
from bcsim.rtl.link.linked import LinkedAccelerator

__all__ = ["DIVISOR", "simulated_board"]

TOP = "board"
HARNESS = Path(__file__).parents[1] / "bench" / "board_harness.cpp"

DIVISOR = 4
"""Cycles of a bit: the fewest, as the line is what takes time."""


@contextmanager
def simulated_board(mapping: Mapping, *, registers: bool = True) -> Iterator[str]:
    """The name of a port behind which the mapping's accelerator answers, within the block.

    Weights that stream come from a simulated flash. Raises BcsimError where Verilator is missing or fails.
    """
    with scratch_folder() as folder:
        program = _build(folder, mapping, registers)
        board, terminal = os.openpty()
        tty.setraw(terminal)
        process = subprocess.Popen(
            [str(program), str(DIVISOR)], cwd=program.parents[1], stdin=board, stdout=board
        )
        try:
            yield os.ttyname(terminal)
        finally:
            process.kill()
            process.wait()
            os.close(board)
            os.close(terminal)


def _build(folder: Path, mapping: Mapping, registers: bool) -> Path:
    accelerator = Accelerator(mapping.machine, image=mapping.image)
    with working("Generating the simulated board"):
        linked = LinkedAccelerator(accelerator, divisor=DIVISOR, registers=registers)
        flashed = _with_flash(folder, mapping, linked) if mapping.slots else None
        verilog = to_verilog(flashed or linked, TOP)
        model = FLASH_MODEL.read_text() if flashed else ""
        (folder / f"{TOP}.v").write_text(verilog.text + model)
        for name, text in verilog.images.items():
            (folder / name).write_text(text)
    try:
        with working("Building the simulated board"):
            return build_executable(folder / "build", folder / f"{TOP}.v", TOP, HARNESS, optimised=False)
    except SimulatorError as error:
        raise BcsimError(str(error)) from error


def _with_flash(folder: Path, mapping: Mapping, linked: LinkedAccelerator) -> FlashedBoard:
    """The board with a flash, whose contents are left in the folder."""
    size, packet = mapping.machine.weight_stream_bytes, weight_words(mapping)[0].tobytes()
    contents = flash_contents(packet, size)
    write_flash(folder, contents)
    reader = FlashReader(size=size, words=len(packet) // size, begin=0, mark=flash_mark(packet, size))
    return FlashedBoard(linked, reader, size=len(contents))
