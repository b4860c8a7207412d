"""A small network's netlist for a board, and its proof without the rest of a build."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bcsim.compiler.mapping.mapping import Mapping
from bcsim.interface.board import mapped
from bcsim.rtl.boards.board import Board
from bcsim.rtl.boards.pll import clock_settings
from bcsim.rtl.flow.build import Built, write_top
from bcsim.rtl.flow.place import place
from bcsim.rtl.flow.prove import Proof, prove_build
from bcsim.rtl.flow.synthesis import synthesise_top
from tests.programs import random_images, random_program

__all__ = ["DIVISOR", "SMALLEST", "placed", "prove", "small_network", "synthesised"]

DIVISOR = 4
"""Cycles a bit of the serial line, the fewest."""

SMALLEST = "lanes=2,pes=2,digit=4,activation_bits=4,requantisers=1,input_bytes=1"


def small_network(board: Board, **parameters: int) -> Mapping:
    """A layer deep enough for weights in a block memory, on the smallest machine with these parameters."""
    program = random_program(np.random.default_rng(20), largest=12, layers=1, classes=4)
    machine = ",".join([SMALLEST, *(f"{name}={value}" for name, value in parameters.items())])
    return mapped(program, machine, board)


def synthesised(folder: Path, network: Mapping, board: Board) -> Path:
    """The folder with what place and route is given."""
    write_top(folder, network, board, clock_settings(board, board.clock_mhz), DIVISOR)
    synthesise_top(folder, board, large=network.machine.pipeline_registers > 0)
    return folder


def placed(folder: Path, network: Mapping, board: Board) -> Path:
    """The folder with what place and route writes."""
    synthesised(folder, network, board)
    place(folder, board, board.clock_mhz, [1], netlist=True)
    return folder


def prove(folder: Path, network: Mapping, board: Board) -> Proof:
    """Simulate the folder's netlist on an image."""
    clock = clock_settings(board, board.clock_mhz)
    built = Built(
        board=board.name,
        bitstream="",
        clock_hz=clock.hz,
        baud=round(clock.hz / DIVISOR),
        divisor=DIVISOR,
        of_logic_cells=board.luts,
        of_memories=board.memories,
        seconds={},
    )
    images = random_images(np.random.default_rng(5), network.program, 1)
    return prove_build(folder, network, board, built, images)
