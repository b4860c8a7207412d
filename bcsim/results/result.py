"""What a simulation found, as plain data; `to_json` gives the documented form (docs/json.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.common.formatting import count, energy, percent
from bcsim.common.version import __version__
from bcsim.machine.parameters import Machine
from bcsim.results.input_meaning import InputMeaning
from bcsim.results.machine_result import Cycles, EnergyReport, LayerCost, MachineResult
from bcsim.simulator.simulator import MachineRun

__all__ = ["SCHEMA", "Histogram", "LayerResult", "Result", "to_json"]

SCHEMA = 1
"""Rises when a key changes its meaning or goes; new keys do not change it."""


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
    cost : None where no machine takes the program; then `cycles`, `slots`, `operations`, `energy_pj`, `utilisation` and
        `streamed_weight_words`, which are read from it, raise BcsimError.
    """

    name: str
    inputs: int
    outputs: int
    planes: int
    source_bits: int
    target_bits: int
    exact: bool
    sqnr_db: float | None = None
    histogram: Histogram | None = None
    cost: LayerCost | None = None

    def _found(self) -> LayerCost:
        if self.cost is None:
            raise BcsimError(f"No machine ran layer {self.name!r}")
        return self.cost

    @property
    def cycles(self) -> float:
        """Of one image, images following each other."""
        return self._found().cycles

    @property
    def slots(self) -> Mapping[str, float]:
        """Lane-cycles by cause, busy among them."""
        return self._found().slots

    @property
    def utilisation(self) -> float:
        """Useful lane-cycles over all of the layer's."""
        return self._found().utilisation

    @property
    def operations(self) -> Mapping[str, float]:
        """Of one image, without padding."""
        return self._found().operations

    @property
    def energy_pj(self) -> float:
        """Of one image, without the streams."""
        return self._found().energy_pj

    @property
    def streamed_weight_words(self) -> float:
        """Words of the weight memory that an image brings for it; 0 where they stay on the chip."""
        return self._found().streamed_weight_words


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one simulation found.

    level : "program", or "machine" where every image went through the machine cycle by cycle, bit for bit equal.
    accuracy_float, accuracy_program, agreement : fractions of the images, None without labels or float network.
    exact : the program equals the float network's own quantisers for every possible input.
    score_error : of an exact program the most by which a score differs from the float network's, for every possible
        input; None where it is not exact, or where a stored program does not say.
    input : what the numbers of the data were read as.
    on_machine : cycles, counts and energy; None where no machine takes the program, and `no_machine` says why. Then
        `machine`, `cycles`, `operations`, `unit_bits`, `memory`, `energy` and `machine_run` raise BcsimError.
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
    layers: tuple[LayerResult, ...]
    notes: tuple[str, ...]
    scores_program: NDArray[np.float64]
    classes_program: NDArray[np.int64]
    scores_float: NDArray[np.float64] | None
    classes_float: NDArray[np.int64] | None
    on_machine: MachineResult | None
    no_machine: str = ""
    members: int = 1
    score_error: float | None = None

    def __repr__(self) -> str:
        known = "" if self.accuracy_program is None else f"accuracy {percent(self.accuracy_program)}, "
        cost = (
            f"{count(self.cycles.per_image)} cycles per image on {self.machine.name}, "
            f"{energy(self.energy.total_pj)} per image"
            if self.on_machine
            else "on no machine"
        )
        return f"<Result of {self.model} on {self.data}: {count(self.images)} images, {known}{cost}>"

    def _found(self) -> MachineResult:
        if self.on_machine is None:
            raise BcsimError(f"No machine takes {self.model}: {self.no_machine}")
        return self.on_machine

    @property
    def machine(self) -> Machine:
        """The machine that images ran on."""
        return self._found().machine

    @property
    def cycles(self) -> Cycles:
        """The machine's cycles."""
        return self._found().cycles

    @property
    def operations(self) -> Mapping[str, float]:
        """Of one image, without padding."""
        return self._found().operations

    @property
    def unit_bits(self) -> Mapping[str, float]:
        """Bits at work by unit, of one image."""
        return self._found().unit_bits

    @property
    def memory(self) -> Mapping[str, Mapping[str, float]]:
        """Sizes and traffic of the memories, of one image."""
        return self._found().memory

    @property
    def energy(self) -> EnergyReport:
        """Energy of one image, beside arrays of multipliers."""
        return self._found().energy

    @property
    def machine_run(self) -> MachineRun:
        """The machine level's own record: cycles, writes, output words; of an ensemble, its first member's."""
        return self._found().run

    @property
    def advice(self) -> tuple[str, ...]:
        """Changes of the machine that would make it faster, with the cycles that they would take."""
        return self.on_machine.advice if self.on_machine else ()

    @property
    def images_per_second(self) -> float:
        """At the machine's clock, images following each other."""
        return self._found().images_per_second

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
        "machine_missing": result.no_machine or None,
        **_machine_json(result.on_machine),
        "layers": [_layer_json(layer) for layer in result.layers],
        "notes": list(result.notes),
        "advice": list(result.advice),
    }


def _input_json(meaning: InputMeaning) -> dict[str, Any]:
    return {name: value for name, value in asdict(meaning).items() if name != "notes"}


def _machine_json(found: MachineResult | None) -> dict[str, Any]:
    if found is None:
        return dict.fromkeys(("machine", "cycles", "operations", "unit_bits", "memory", "energy"))
    return {
        "machine": asdict(found.machine),
        "cycles": _cycles_json(found),
        "operations": dict(found.operations),
        "unit_bits": dict(found.unit_bits),
        "memory": {name: dict(entry) for name, entry in found.memory.items()},
        "energy": _energy_json(found.energy),
    }


def _cycles_json(found: MachineResult) -> dict[str, Any]:
    cycles = found.cycles
    return {
        "per_image": cycles.per_image,
        "latency": cycles.latency,
        "at_once": cycles.at_once,
        "images_per_second": found.images_per_second,
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
    del values["cost"]
    return {**values, **_cost_json(layer.cost)}


def _cost_json(cost: LayerCost | None) -> dict[str, Any]:
    if cost is None:
        names = (
            "cycles",
            "busy",
            "stalls",
            "utilisation",
            "operations",
            "energy_pj",
            "streamed_weight_words",
        )
        return dict.fromkeys(names)
    return {
        "cycles": cost.cycles,
        "busy": cost.slots["busy"],
        "stalls": {cause: slots for cause, slots in cost.slots.items() if cause != "busy"},
        "utilisation": cost.utilisation,
        "operations": dict(cost.operations),
        "energy_pj": cost.energy_pj,
        "streamed_weight_words": cost.streamed_weight_words,
    }
