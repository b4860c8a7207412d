"""A program on images and on a machine: scores, accuracy, cycles, counts and energy in one result."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.common.console import track, working
from bcsim.common.errors import BcsimError
from bcsim.common.metadata import DATASET_KEY, SCORE_ERROR_KEY
from bcsim.compiler.mapping.fitted_machine import map_fitted
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.program.classes import classes_of_levels
from bcsim.compiler.program.layers import Program
from bcsim.costs.energy import TABLES, load_table
from bcsim.data import Dataset, load_dataset
from bcsim.execution.execute import execute
from bcsim.execution.float_reference import FloatRun, run_float
from bcsim.execution.input_origin import program_reading
from bcsim.execution.raw_levels import program_input
from bcsim.machine.parameters import MEDIUM, TINY, Machine, parse_machine
from bcsim.results.cost_report import batch_note, fitting_note, machine_result
from bcsim.results.fidelity import LayerFidelity, compare_layers, fidelity_images, fraction_equal
from bcsim.results.input_meaning import input_meaning, label_note
from bcsim.results.machine_result import MachineResult
from bcsim.results.model import Model
from bcsim.results.result import LayerResult, Result
from bcsim.simulator.simulator import MachineRun, run_machine

__all__ = ["Level", "base_machine", "simulate"]

Level: TypeAlias = Literal["program", "machine"]

MACHINE_IMAGES = 16
"""Images that go through the machine cycle by cycle unless more are asked for."""
BATCH = 2000


def simulate(
    program: Program,
    data: str | Dataset,
    *,
    machine: str | Machine | None = None,
    level: Level = "program",
    images: int | None = None,
    reference: Model | None = None,
    energy_table: str = TABLES[0],
    record: int = 0,
) -> Result:
    """Run images through a program and through a machine.

    data : a data set, or what `load_dataset` takes (its test split).
    machine : a machine, a preset's name or `lanes=32,pes=32,...`; by default the array of "medium" ("tiny" for
        networks of the digits), everything else as small as the program allows. Where no machine takes the program
        and none was asked for (by `machine`, `level` or `record`), the result has what the program level finds, and
        says why.
    level : "program" runs every image through the program and a few through the machine, for its cycles;
        "machine" runs every image through both and holds them equal.
    images : the first so many; by default all at level program, 16 at level machine.
    reference : the float network to compare with.
    energy_table : a table of the package or a TOML file.
    record : of how many images the machine run keeps every write.

    Raises BcsimError for images that do not fit the program and for machines that the program does not fit.
    """
    table = load_table(energy_table)
    dataset = _dataset(data, images, level)
    meaning = input_meaning(program, dataset)
    optional = machine is None and level == "program" and not record
    mapping, no_machine = _mapping(program, machine, optional=optional)
    q = program_input(program, dataset)
    scores = _program_scores(program, q)
    found = machine_result(_run(mapping, q, scores, level, record), table) if mapping else None
    floats = _float_run(program, dataset, reference)
    classes = classes_of_levels(program, scores)
    fitted = fitting_note(mapping.machine, base_machine(program)) if mapping and machine is None else ""
    missing = f"No machine takes this network, so cycles, counts and energy are missing: {no_machine}"
    notes = (
        *(*program.notes, fitted, *meaning.notes, label_note(program, dataset), dataset.note),
        *(batch_note(mapping) if mapping else "", missing if no_machine else ""),
    )
    return Result(
        model=program.name,
        path=str(reference.path) if reference else "",
        data=dataset.name,
        images=len(dataset),
        level=level,
        input=meaning,
        exact=program.exact,
        score_error=_score_error(program),
        engine=floats.engine if floats else None,
        accuracy_float=fraction_equal(dataset.y, floats.classes) if floats else None,
        accuracy_program=fraction_equal(dataset.y, classes),
        agreement=fraction_equal(floats.classes, classes) if floats else None,
        layers=_layers(program, found, _fidelity(program, dataset, reference, q)),
        notes=tuple(filter(None, notes)),
        scores_program=program.layers[-1].target.decode(scores),
        classes_program=classes,
        scores_float=floats.scores if floats else None,
        classes_float=floats.classes if floats else None,
        on_machine=found,
        no_machine=no_machine,
    )


def _score_error(program: Program) -> float | None:
    """What the program's metadata say; a stored one may say anything."""
    try:
        error = float(program.metadata.get(SCORE_ERROR_KEY, "nan"))
    except ValueError:
        return None
    return error if program.exact and isfinite(error) and error >= 0 else None


def _dataset(data: str | Dataset, images: int | None, level: Level) -> Dataset:
    if level not in ("program", "machine"):
        raise BcsimError(f"Level must be program or machine, not {level!r}")
    limit = MACHINE_IMAGES if images is None and level == "machine" else images
    return data.head(limit) if isinstance(data, Dataset) else load_dataset(data, "test", limit)


def _mapping(
    program: Program, machine: str | Machine | None, *, optional: bool
) -> tuple[Mapping | None, str]:
    """The program on the user's machine as it is, or on the one fitted to it; or, where that is optional, why no
    machine takes it."""
    if machine is not None:
        return map_program(program, parse_machine(machine) if isinstance(machine, str) else machine), ""
    try:
        return map_fitted(program, base_machine(program)), ""
    except BcsimError as error:
        if not optional:
            raise
        return None, str(error)


def base_machine(program: Program) -> Machine:
    """Whose array the default machine has."""
    return TINY if program.metadata.get(DATASET_KEY) == "digits" else MEDIUM


def _program_scores(program: Program, q: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Scores uint16 (n, classes) of all images, batch by batch."""
    starts = range(0, len(q), BATCH)
    batches = track(starts, "Program")
    return np.concatenate([execute(program, q[start : start + BATCH]).scores for start in batches])


def _run(
    mapping: Mapping, q: NDArray[np.uint16], scores: NDArray[np.uint16], level: Level, record: int
) -> MachineRun:
    """A run of everything, or of as much as tells the cycles, held equal to the program."""
    images = (q if level == "machine" else q[:MACHINE_IMAGES]).astype(np.uint8)
    with working("Machine"):
        run = run_machine(mapping, images, record=record)
    _hold_equal(run, scores)
    return run


def _hold_equal(run: MachineRun, scores: NDArray[np.uint16]) -> None:
    """Raise AssertionError where machine and program differ: a defect of bcsim, never of the user's input."""
    different = int((run.scores != scores[: len(run.scores)]).any(axis=1).sum())
    if different:
        raise AssertionError(f"machine and program differ in {different} of {len(run.scores)} images")


def _float_run(program: Program, dataset: Dataset, reference: Model | None) -> FloatRun | None:
    if reference is None or reference.graph is None:
        return None
    x = program_reading(program, dataset).inputs(dataset, program.input_shape)
    return run_float(reference.path, reference.graph, x)


def _fidelity(
    program: Program, dataset: Dataset, reference: Model | None, q: NDArray[np.uint16]
) -> Sequence[LayerFidelity | None]:
    if reference is None or reference.graph is None:
        return [None] * len(program.layers)
    sample = dataset.head(fidelity_images(program))
    x = program_reading(program, sample).inputs(sample, program.input_shape)
    return compare_layers(program, reference.graph, x, q[: len(sample)])


def _layers(
    program: Program, found: MachineResult | None, fidelity: Sequence[LayerFidelity | None]
) -> tuple[LayerResult, ...]:
    costs = found.layers if found else [None] * len(program.layers)
    return tuple(
        LayerResult(
            name=layer.name,
            inputs=layer.inputs,
            outputs=layer.outputs,
            planes=len(layer.planes),
            source_bits=layer.source.bits,
            target_bits=layer.target.bits,
            exact=layer.exact,
            sqnr_db=close.sqnr_db if close else None,
            histogram=close.histogram if close else None,
            cost=cost,
        )
        for layer, close, cost in zip(program.layers, fidelity, costs, strict=True)
    )
