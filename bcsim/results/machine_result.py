"""What a program costs on a machine, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bcsim.machine.parameters import Machine
from bcsim.simulator.simulator import MachineRun

__all__ = ["Cycles", "EnergyReport", "LayerCost", "MachineResult"]


@dataclass(frozen=True, slots=True)
class Cycles:
    """Cycles of the machine.

    per_image : from one image to the next once they follow each other; latency: of the first image.
    at_once : images that the machine takes at once: per_image is an equal share of their cycles, all of whose images
        are loaded before the first one's layers begin.
    busy, stalls : lane-cycles of one image's interval, by cause; their sum is slots, lanes * pes * per_image.
    run_images, run_cycles : of the run they were taken from.
    """

    per_image: float
    latency: int
    slots: float
    busy: float
    stalls: Mapping[str, float]
    run_images: int
    run_cycles: int
    at_once: int = 1

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
class LayerCost:
    """One layer's cost per image, an equal share where several are taken at once.

    cycles, slots : of one image, images following each other; slots by cause, busy among them.
    streamed_weight_words : words of the weight memory that an image brings for it; 0 where they stay on the chip.
    """

    cycles: float
    slots: Mapping[str, float]
    operations: Mapping[str, float]
    energy_pj: float
    streamed_weight_words: float

    @property
    def utilisation(self) -> float:
        """Useful lane-cycles over all of the layer's."""
        return self.slots["busy"] / max(1, sum(self.slots.values()))


@dataclass(frozen=True, slots=True)
class MachineResult:
    """What running images on a machine found, per image.

    unit_bits : bits at work by unit. memory : traffic of each memory.
    layers : in the order of the program's.
    advice : changes of the machine that would make it faster, with the cycles that they would take.
    run : the machine level's own record: cycles, writes, output words.
    """

    machine: Machine
    cycles: Cycles
    operations: Mapping[str, float]
    unit_bits: Mapping[str, float]
    memory: Mapping[str, Mapping[str, float]]
    energy: EnergyReport
    layers: tuple[LayerCost, ...]
    advice: tuple[str, ...]
    run: MachineRun

    @property
    def images_per_second(self) -> float:
        """At the machine's clock, images following each other."""
        return self.machine.clock_mhz * 1e6 / self.cycles.per_image
