"""A program on a board: machine, bitstream and proof."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bcsim.common.console import errors
from bcsim.common.errors import BcsimError
from bcsim.common.extras import missing_package
from bcsim.common.files import write_text
from bcsim.compiler.mapping.fitted_machine import map_fitted
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.compiler.program.layers import Program
from bcsim.compiler.program.onnx_format import save_program
from bcsim.interface.arguments import Data, require_machine, require_program
from bcsim.interface.hardware import bench_images
from bcsim.machine.parameters import Machine, parse_machine
from bcsim.results.input_meaning import InputMeaning
from bcsim.simulator.simulator import run_machine

if TYPE_CHECKING:
    from bcsim.rtl.boards.board import Board
    from bcsim.rtl.flow.build import Built
    from bcsim.rtl.flow.prove import Proof

__all__ = ["SMALL_NETWORK", "BoardBuild", "build", "mapped"]

SMALL_NETWORK = 100_000
"""Weights up to which a board gives a network its smaller machine."""

TIMED_IMAGES = 8


@dataclass(frozen=True, slots=True)
class BoardBuild:
    """What `build` made.

    machine : as it was fitted. cycles_per_image : of images that follow each other, streams waiting for nothing.
    proof : None where none was asked for. meaning : how the proof's images were read.
    """

    built: Built
    machine: Machine
    cycles_per_image: float
    proof: Proof | None
    meaning: InputMeaning | None

    @property
    def images_per_second(self) -> float:
        """Of the accelerator; the serial line is slower."""
        return self.built.clock_hz / self.cycles_per_image


def build(
    program: Program,
    folder: str | Path,
    *,
    board: str,
    machine: str | Machine | None = None,
    clock_mhz: float | None = None,
    baud: int | None = None,
    seeds: Sequence[int] = (1,),
    prove: int = 0,
    data: Data | None = None,
    force: bool = False,
) -> BoardBuild:
    """Write a board's bitstream for a program, with all that led to it, into `folder`.

    board : a name of `bcsim boards`.
    machine : by default the board's; its lanes, processing elements, digit and requantisers are kept, the rest is
        fitted to the program.
    clock_mhz : that must be reached; by default the board's, or what the design reaches.
    seeds : of placements, of which the fastest is kept.
    prove : images that the netlist and, for iCE40, the bitstream are simulated on. data : where they come from.
    force : replace the folder with all that it holds.

    Raises BcsimError where the program does not fit, the proof fails, a tool fails, or the extra [fpga] is missing.
    """
    try:
        from bcsim.rtl.boards.catalogue import find_board
        from bcsim.rtl.flow.build import build_board
        from bcsim.rtl.flow.prove import check_provable, prove_build
        from bcsim.rtl.generate.folder import check_new_folder, new_folder
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    chosen = find_board(board)
    check_new_folder(Path(folder), force=force)
    if prove:
        check_provable(chosen)
    mapping = mapped(require_program(program), require_machine(machine), chosen)
    _, q, meaning = bench_images(mapping.program, data, prove or 1)
    with new_folder(Path(folder), force=force) as made, _kept_logs(made, Path(folder)):
        save_program(mapping.program, made / "program.onnx")
        built = build_board(
            made, mapping, chosen, clock_mhz=clock_mhz, baud=baud, seeds=seeds, prove=bool(prove)
        )
        proof = prove_build(made, mapping, chosen, built, q) if prove else None
    cycles = run_machine(mapping, q[:1].repeat(TIMED_IMAGES, axis=0)).per_image
    return BoardBuild(built, mapping.machine, cycles, proof, meaning)


@contextmanager
def _kept_logs(made: Path, folder: Path) -> Iterator[None]:
    """What the tools said of a build that failed goes to a file beside the folder, which is not written then."""
    try:
        yield
    except BcsimError:
        logs = sorted(made.glob("*.log"))
        if logs:
            kept = folder.with_name(f"{folder.name}.log")
            write_text(kept, "".join(f"==> {log.name}\n{log.read_text(errors='replace')}\n" for log in logs))
            errors.print(f"What the tools said is in {kept}")
        raise


def mapped(program: Program, machine: str | Machine | None, board: Board) -> Mapping:
    """The program on a machine fitted to it; the program is in the bitstream, so that nothing loads one."""
    weights = sum(layer.inputs * layer.outputs for layer in program.layers)
    large = weights > SMALL_NETWORK and board.large_machine
    given = machine or (board.large_machine if large else board.machine)
    base = parse_machine(given) if isinstance(given, str) else given
    if base.weight_stream_bytes:
        from bcsim.rtl.flow.flash import with_flash

        base = with_flash(base, board)
    return map_fitted(
        program, replace(base, loading=False, counters=False, readable_parameters=False, watchdog=False)
    )
