"""The hardware of a program: its Verilog, and that Verilog held to the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bcsim.common.arguments import require_path, require_switch, require_text, require_whole
from bcsim.common.errors import BcsimError
from bcsim.common.extras import missing_package
from bcsim.common.files import check_outputs
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.program.layers import Program
from bcsim.compiler.program.onnx_format import save_program
from bcsim.data import Dataset, load_dataset
from bcsim.execution.raw_levels import program_input
from bcsim.host.c_header import write_library
from bcsim.interface.arguments import Data, named_or_dataset, require_machine, require_program
from bcsim.machine.parameters import SMALL, Machine, parse_machine
from bcsim.results.cost_report import map_enlarged
from bcsim.results.input_meaning import InputMeaning, input_meaning
from bcsim.simulator.pauses import random_pauses

if TYPE_CHECKING:
    from bcsim.rtl.generate.project import Stimulus
    from bcsim.rtl.generate.verify import Verification

__all__ = ["Prepared", "bench_images", "prepare", "verify", "verilog", "write_folder"]


class Prepared(NamedTuple):
    """A program on its machine, what its bench streams in, and what that was read as (None for random values)."""

    mapping: Mapping
    stimulus: Stimulus
    meaning: InputMeaning | None


def verilog(
    program: Program,
    folder: str | Path,
    *,
    machine: str | Machine | None = None,
    data: Data | None = None,
    images: int = 2,
    pauses: int | None = None,
    name: str | None = None,
    force: bool = False,
) -> Path:
    """Write the accelerator of a program as Verilog, with its memory images and a bench; the folder.

    `pytest FOLDER` runs the bench.

    machine : by default "small", its memories enlarged where needed.
    data, images : what the bench streams in, and how many; random values by default.
    pauses : a seed, for sources and sink that pause at random.
    name : of the top module and before all other names, so that several accelerators can be in one design.
    force : replace the folder with all that it holds; by default what bcsim did not write stays.

    Raises BcsimError for machines that the program does not fit, and where the extra [hdl] is missing.
    """
    require_path("Folder", folder)
    require_switch("Option force", force)
    try:
        from bcsim.rtl.generate.folder import check_new_folder, new_folder

        check_new_folder(Path(folder), force=force)
        prepared = prepare(program, machine, data, images, pauses)
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    with new_folder(Path(folder), force=force) as made:
        write_folder(made, prepared.mapping, prepared.stimulus, name)
    return Path(folder)


def write_folder(folder: Path, mapping: Mapping, stimulus: Stimulus, name: str | None = None) -> None:
    """The accelerator as Verilog with its bench, the program, and what a host in C needs."""
    from bcsim.rtl.bus.program_image import program_checksum
    from bcsim.rtl.generate.project import TOP, write_project

    write_project(folder, mapping, stimulus, name=TOP if name is None else name)
    save_program(mapping.program, folder / "program.onnx")
    write_library(folder / "c", mapping, program_checksum(mapping.machine, mapping.image))


def verify(
    program: Program,
    *,
    machine: str | Machine | None = None,
    data: Data | None = None,
    images: int = 3,
    pauses: int | None = None,
    simulator: str = "verilator",
    waves: str | Path | None = None,
) -> Verification:
    """Run the generated hardware in an RTL simulator and hold it to the machine level, bit for bit and cycle for cycle.

    Options as in `verilog`. simulator : "verilator" or "icarus". waves : an .fst file to record.

    Raises BcsimError as `verilog` does; a difference is no error but in the Verification, whose `equal` tells.
    """
    require_text("Simulator", simulator, ("verilator", "icarus"))
    if waves is not None:
        require_path("File of waves", waves)
        check_outputs([waves])
    try:
        from bcsim.rtl.generate.verify import verify as verify_mapping
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    prepared = prepare(program, machine, data, images, pauses)
    return verify_mapping(
        prepared.mapping, prepared.stimulus, simulator=simulator, waves=None if waves is None else Path(waves)
    )


def prepare(
    program: Program, machine: str | Machine | None, data: Data | None, images: int, pauses: int | None
) -> Prepared:
    """The program on its machine with images for its bench."""
    program, machine = require_program(program), require_machine(machine)
    if isinstance(images, bool) or not isinstance(images, int) or images < 1:
        raise BcsimError(f"Number of images must be an integer of at least 1, not {images!r}")
    if pauses is not None:
        require_whole("Seed of pauses", pauses, 0)
    if machine is None:
        mapping = map_enlarged(program, SMALL)
    else:
        mapping = map_program(program, parse_machine(machine) if isinstance(machine, str) else machine)
    name, q, meaning = bench_images(program, data, images)
    return Prepared(mapping, _stimulus(mapping, name, q, pauses), meaning)


def bench_images(
    program: Program, data: Data | None, images: int
) -> tuple[str, NDArray[np.uint8], InputMeaning | None]:
    """Where images for a bench come from, the images, uint8 (n, inputs), and what they were read as."""
    if data is None:
        levels = program.input.stream.levels
        q = np.random.default_rng(0).integers(0, levels, (images, program.inputs), np.uint8)
        return "random values", q, None
    given = named_or_dataset(data)
    dataset = given.head(images) if isinstance(given, Dataset) else load_dataset(given, "test", images)
    meaning = input_meaning(program, dataset)
    return dataset.name, program_input(program, dataset).astype(np.uint8), meaning


def _stimulus(mapping: Mapping, name: str, q: NDArray[np.uint8], pauses: int | None) -> Stimulus:
    from bcsim.rtl.generate.project import Stimulus

    if pauses is None:
        return Stimulus(name, q)
    return Stimulus(name, q, random_pauses(np.random.default_rng(pauses), mapping, len(q)))
