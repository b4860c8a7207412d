"""Images classified by a board over its serial port, and the answers held to the program's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.common.extras import missing_package
from bcsim.common.metadata import DATASET_KEY
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.data import Dataset, load_dataset
from bcsim.execution.execute import execute
from bcsim.execution.raw_levels import program_input
from bcsim.host.board import Board, open_port
from bcsim.host.folder import design_mapping, read_board
from bcsim.host.packing import pack_images
from bcsim.interface.arguments import Data, named_or_dataset
from bcsim.results.input_meaning import InputMeaning, input_meaning

__all__ = ["SIMULATED", "Inference", "infer"]

SIMULATED = "sim"
"""The port of a board in Verilator."""

SIMULATED_BAUD = 1_000_000
SIMULATED_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Inference:
    """What a board answered.

    equal : images whose scores and class are those of the program. accuracy : None without labels.
    seconds : from the first byte sent to the last result. cycles : by the accelerator's own counter, from the first
        input word to the last class, the line's waits included; None where the link has no registers.
    resent : frames that the line damaged or delayed.
    """

    port: str
    images: int
    equal: int
    accuracy: float | None
    seconds: float
    cycles: int | None
    resent: int
    meaning: InputMeaning

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds


def infer(
    folder: str | Path,
    port: str,
    *,
    data: Data | None = None,
    images: int | None = None,
    baud: int | None = None,
) -> Inference:
    """Send images to the board that a folder of `bcsim build` was loaded into, and compare its answers.

    port : of the board, such as /dev/ttyUSB1, or "sim": the folder's design in Verilator behind a pseudo-terminal,
        which takes folders of `bcsim verilog` too.
    data : by default the data set that the network was trained for. images : how many, by default all.
    baud : of the line, by default what the folder's board.json says.

    Raises BcsimError where the port or the board does not answer, or the board holds something else.
    """
    mapping = design_mapping(Path(folder))
    dataset = _dataset(mapping, data, images)
    meaning, q = input_meaning(mapping.program, dataset), program_input(mapping.program, dataset)
    packed = pack_images(mapping, q)
    with _board(Path(folder), mapping, port, baud) as board:
        results = board.infer(packed, mapping.program.classes, mapping.images)
        cycles = board.cycles() if board.greeting.registers and mapping.machine.counters else None
        resent = board.resent
    expected = execute(mapping.program, q)
    same = (results.scores == expected.scores).all(axis=1) & (results.classes == expected.classes)
    right = None if dataset.y is None else float(np.mean(results.classes == dataset.y))
    return Inference(port, len(q), int(same.sum()), right, results.seconds, cycles, resent, meaning)


def _dataset(mapping: Mapping, data: Data | None, images: int | None) -> Dataset:
    chosen = data if data is not None else mapping.program.metadata.get(DATASET_KEY)
    if chosen is None:
        raise BcsimError("The network names no data set: give images with --data")
    given = named_or_dataset(chosen)
    return given.head(images) if isinstance(given, Dataset) else load_dataset(given, "test", images)


@contextmanager
def _board(folder: Path, mapping: Mapping, port: str, baud: int | None) -> Iterator[Board]:
    try:
        from bcsim.rtl.bus.program_image import program_checksum
        from bcsim.rtl.generate.simulated_board import simulated_board
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    checksum = program_checksum(mapping.machine, mapping.image)
    if port == SIMULATED:
        with (
            simulated_board(mapping) as name,
            Board(open_port(name, SIMULATED_BAUD), baud=SIMULATED_BAUD, timeout=SIMULATED_TIMEOUT_S) as board,
        ):
            board.require(mapping.machine.fingerprint, checksum)
            yield board
        return
    if baud is None and not (folder / "board.json").exists():
        raise BcsimError(
            f"Folder {folder} has no board.json, as bcsim build writes it: give --baud, or --port {SIMULATED}"
        )
    speed = baud or read_board(folder).baud
    with Board(open_port(port, speed), baud=speed) as board:
        board.require(mapping.machine.fingerprint, checksum)
        yield board
