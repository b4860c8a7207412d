"""Several programs as one classifier: their scores are averaged, their costs added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.classes import classes_of_scores
from bcsim.compiler.program.layers import Program
from bcsim.machine.parameters import Machine
from bcsim.results.cost_report import map_enlarged
from bcsim.results.fidelity import fraction_equal
from bcsim.results.machine_result import Cycles, EnergyReport, MachineResult
from bcsim.results.result import LayerResult, Result
from bcsim.results.simulation import base_machine

__all__ = ["combine", "common_machine", "member_paths"]

V = TypeVar("V")


def member_paths(model: str) -> list[str]:
    """The networks to run: the ONNX files of a folder in the order of their names, else `model` itself.

    Raises BcsimError for a folder without ONNX files.
    """
    folder = Path(model)
    if not model or not folder.is_dir():
        return [model]
    found = sorted(str(path) for path in folder.glob("*.onnx"))
    if not found:
        raise BcsimError(f"Folder {folder} has no .onnx files; an ensemble is a folder of them")
    return found


def common_machine(programs: Sequence[Program]) -> Machine | None:
    """The preset of the default machine, enlarged as far as each of the programs needs; None where none takes them.

    Machines that are fitted to one member each would not be one machine.
    """
    machine = base_machine(programs[0])
    try:
        for program in programs:
            machine = map_enlarged(program, machine).machine
    except BcsimError:
        return None
    return machine


def combine(name: str, results: Sequence[Result], labels: NDArray[np.int64] | None) -> Result:
    """The result of networks that run one after the other on one machine for each image.

    Scores are means; cycles, counts and energy are sums, and per_image goes from one image's first network to the
    next image's. Weights are taken to be in memory: what changing them costs is not counted.

    labels : classes of the images, and perhaps of more behind them.
    Raises BcsimError where the members have different classes or machines.
    """
    first = results[0]
    if len(results) == 1:
        return first
    _check_alike(results)
    labels = None if labels is None else labels[: first.images]
    scores = _mean([result.scores_program for result in results])
    classes = classes_of_scores(scores)
    floats = [result.scores_float for result in results if result.scores_float is not None]
    scores_float = _mean(floats) if floats else None
    classes_float = None if scores_float is None else classes_of_scores(scores_float)
    return replace(
        first,
        model=name,
        members=len(results),
        exact=all(result.exact for result in results),
        score_error=_score_error(results),
        accuracy_float=fraction_equal(labels, classes_float),
        accuracy_program=fraction_equal(labels, classes),
        agreement=fraction_equal(classes_float, classes),
        on_machine=_on_machine(results),
        no_machine=next((result.no_machine for result in results if result.no_machine), ""),
        layers=tuple(_layers(results)),
        notes=_notes(results),
        scores_program=scores,
        classes_program=classes,
        scores_float=scores_float,
        classes_float=classes_float,
    )


def _score_error(results: Sequence[Result]) -> float | None:
    """A mean is no further off than its members are on average."""
    errors = [result.score_error for result in results if result.score_error is not None]
    return sum(errors) / len(errors) if len(errors) == len(results) else None


def _check_alike(results: Sequence[Result]) -> None:
    first = results[0]
    for result in results[1:]:
        if result.scores_program.shape != first.scores_program.shape:
            raise BcsimError(
                f"Networks of an ensemble must have the same classes: {first.model} has "
                f"{first.scores_program.shape[1]} and {result.model} has {result.scores_program.shape[1]}"
            )
        if _machine(result) != _machine(first):
            raise BcsimError(
                f"Networks of an ensemble must run on one machine: {first.model} and {result.model} were given "
                "different ones; name one that holds each (--machine)"
            )


def _machine(result: Result) -> Machine | None:
    return result.machine if result.on_machine else None


def _on_machine(results: Sequence[Result]) -> MachineResult | None:
    """The sums over the members; None where no machine takes one of them."""
    found = [result.on_machine for result in results if result.on_machine]
    if len(found) < len(results):
        return None
    return replace(
        found[0],
        cycles=_cycles([member.cycles for member in found]),
        operations=_added([member.operations for member in found]),
        unit_bits=_added([member.unit_bits for member in found]),
        memory=_added([member.memory for member in found]),
        energy=_energy([member.energy for member in found]),
        layers=tuple(layer for member in found for layer in member.layers),
    )


def _mean(scores: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.asarray(np.mean(scores, axis=0), np.float64)


def _added(counts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The entry by entry sum of mappings of numbers, or of such mappings, with the same keys."""
    return {
        key: _added([entry[key] for entry in counts])
        if isinstance(value, Mapping)
        else sum(entry[key] for entry in counts)
        for key, value in counts[0].items()
    }


def _sums(members: Sequence[V], names: Iterable[str]) -> dict[str, Any]:
    """The fields called `names` of dataclasses, each added up over the members."""
    values = [{name: getattr(member, name) for name in names} for member in members]
    return _added(values)


def _cycles(members: Sequence[Cycles]) -> Cycles:
    alike = ("run_images", "at_once")
    sums = _sums(members, [field.name for field in fields(Cycles) if field.name not in alike])
    return replace(members[0], **sums)


def _energy(members: Sequence[EnergyReport]) -> EnergyReport:
    names = [field.name for field in fields(EnergyReport) if field.name not in ("table", "technology")]
    return replace(members[0], **_sums(members, names))


def _layers(results: Sequence[Result]) -> Iterable[LayerResult]:
    for result in results:
        for layer in result.layers:
            yield replace(layer, name=f"{result.model}/{layer.name}")


def _notes(results: Sequence[Result]) -> tuple[str, ...]:
    """What the members say, each with the member's name but for what all say."""
    shared = [note for note in results[0].notes if all(note in result.notes for result in results)]
    own = [f"{r.model}: {note}" for r in results for note in r.notes if note not in shared]
    said = f"An ensemble of {len(results)} networks: scores are averaged, cycles, counts and energy added."
    return (said, *shared, *own)
