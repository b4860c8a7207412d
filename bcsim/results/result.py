"""What a simulation found, as plain data; `to_json` gives the documented form (docs/json.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcsim.common.formatting import count, energy, percent
from bcsim.common.version import __version__
from bcsim.machine.parameters import Machine
from bcsim.results.input_meaning import InputMeaning
from bcsim.simulator.simulator import MachineRun

__all__ = ["SCHEMA", "Cycles", "EnergyReport", "Histogram", "LayerResult", "Result", "to_json"]

SCHEMA = 1
"""Rises when a key changes its meaning or goes; new keys do not change it."""


@dataclass(frozen=True, slots=True)
class Cycles:
    """Cycles of the machine.

    per_image : from one image to the next once they follow each other; latency: of the first image.
    busy, stalls : lane-cycles of one image's interval, by cause; their sum is slots, lanes * pes * per_image.
    run_images, run_cycles : of the run they were taken from.
    """

    per_image: int
    latency: int
    slots: int
    busy: int
    stalls: Mapping[str, int]
    run_images: int
    run_cycles: int

    @property
    def utilisation(self) -> float:
        """Useful lane-cycles over all."""
        return self.busy / self.slots


@dataclass(frozen=True, slots=True)
class EnergyReport:
    """Energy of one image in pJ. range_pj: the total with every table in the package and the one used."""

    table: str
    technology: str
    by_part: Mapping[str, float]
    total_pj: float
    float32_by_part: Mapping[str, float]
    float32_pj: float
    int8_by_part: Mapping[str, float]
    int8_pj: float
    range_pj: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often a layer's float values fall into equal bins of low..high, and the range that q can mean.

    clipped : the fraction of the values outside that range.
    """

    counts: tuple[int, ...]
    low: float
    high: float
    range_low: float
    range_high: float
    clipped: float


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One layer: its shape, its fidelity to the float network and its cost per image.

    sqnr_db : signal to quantisation noise of its decoded output; None where unknown or without noise.
    cycles, slots : of one image, images following each other; slots by cause, busy among them.
    streamed_weight_words : words of the weight memory that an image brings for it; 0 where they stay on the chip.
    """

    name: str
    inputs: int
    outputs: int
    planes: int
    source_bits: int
    target_bits: int
    exact: bool
    sqnr_db: float | None = None
    cycles: int = 0
    slots: Mapping[str, int] = field(default_factory=dict)
    operations: Mapping[str, int] = field(default_factory=dict)
    energy_pj: float = 0.0
    streamed_weight_words: int = 0
    histogram: Histogram | None = None

    @property
    def utilisation(self) -> float:
        """Useful lane-cycles over all of the layer's."""
        return self.slots["busy"] / max(1, sum(self.slots.values()))


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one simulation found.

    level : "program", or "machine" where every image went through the machine cycle by cycle, bit for bit equal.
    accuracy_float, accuracy_program, agreement : fractions of the images, None without labels or float network.
    exact : the program equals the float network's own quantisers for every possible input.
    score_error : of an exact program the most by which a score differs from the float network's, for every possible
        input; None where it is not exact, or where a stored program does not say.
    advice : changes of the machine that would make it faster, with the cycles that they would take.
    input : what the numbers of the data were read as.
    machine_run : the machine level's own record: cycles, writes, output words; of an ensemble, its first member's.
    members : networks whose scores were averaged; above 1, everything counted is the sum over them.
    scores_float, scores_program : (n, classes), real-valued. classes_float, classes_program : int64 (n,).
    """

    model: str
    path: str
    data: str
    images: int
    level: str
    input: InputMeaning
    exact: bool
    engine: str | None
    accuracy_float: float | None
    accuracy_program: float | None
    agreement: float | None
    machine: Machine
    cycles: Cycles
    operations: Mapping[str, int]
    unit_bits: Mapping[str, int]
    memory: Mapping[str, Mapping[str, int]]
    energy: EnergyReport
    layers: tuple[LayerResult, ...]
    notes: tuple[str, ...]
    advice: tuple[str, ...]
    scores_program: NDArray[np.float64]
    classes_program: NDArray[np.int64]
    scores_float: NDArray[np.float64] | None
    classes_float: NDArray[np.int64] | None
    machine_run: MachineRun
    members: int = 1
    score_error: float | None = None

    def __repr__(self) -> str:
        known = "" if self.accuracy_program is None else f"accuracy {percent(self.accuracy_program)}, "
        return (
            f"<Result of {self.model} on {self.data}: {count(self.images)} images, {known}"
            f"{count(self.cycles.per_image)} cycles per image on {self.machine.name}, "
            f"{energy(self.energy.total_pj)} per image>"
        )

    @property
    def images_per_second(self) -> float:
        """At the machine's clock, images following each other."""
        return self.machine.clock_mhz * 1e6 / self.cycles.per_image

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `--outputs` stores: program and classes_program, float and classes_float where known."""
        arrays: dict[str, NDArray[Any]] = {
            "program": self.scores_program,
            "classes_program": self.classes_program,
        }
        if self.scores_float is not None and self.classes_float is not None:
            arrays |= {"float": self.scores_float, "classes_float": self.classes_float}
        return arrays


def to_json(result: Result) -> dict[str, Any]:
    """The result with the stable keys of docs/json.md; numbers, strings, lists and objects alone."""
    return {
        "schema": SCHEMA,
        "bcsim": __version__,
        "model": {"name": result.model, "path": result.path},
        "members": result.members,
        "data": result.data,
        "images": result.images,
        "level": result.level,
        "input": _input_json(result.input),
        "accuracy": {"float": result.accuracy_float, "program": result.accuracy_program},
        "agreement": result.agreement,
        "exact": result.exact,
        "score_error": result.score_error,
        "float_engine": result.engine,
        "machine": asdict(result.machine),
        "cycles": _cycles_json(result),
        "operations": dict(result.operations),
        "unit_bits": dict(result.unit_bits),
        "memory": {name: dict(entry) for name, entry in result.memory.items()},
        "energy": _energy_json(result.energy),
        "layers": [_layer_json(layer) for layer in result.layers],
        "notes": list(result.notes),
        "advice": list(result.advice),
    }


def _input_json(meaning: InputMeaning) -> dict[str, Any]:
    return {name: value for name, value in asdict(meaning).items() if name != "notes"}


def _cycles_json(result: Result) -> dict[str, Any]:
    cycles = result.cycles
    return {
        "per_image": cycles.per_image,
        "latency": cycles.latency,
        "images_per_second": result.images_per_second,
        "slots": cycles.slots,
        "busy": cycles.busy,
        "stalls": dict(cycles.stalls),
        "utilisation": cycles.utilisation,
        "run": {"images": cycles.run_images, "cycles": cycles.run_cycles},
    }


def _energy_json(energy: EnergyReport) -> dict[str, Any]:
    return {
        name: dict(value) if isinstance(value, Mapping) else value for name, value in asdict(energy).items()
    }


def _layer_json(layer: LayerResult) -> dict[str, Any]:
    values = asdict(layer)
    slots = values.pop("slots")
    busy = slots.pop("busy")
    cycles = {"cycles": values.pop("cycles"), "busy": busy, "stalls": slots, "utilisation": layer.utilisation}
    return {**values, **cycles}
