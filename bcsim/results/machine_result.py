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
class LayerCost:
    """One layer's cost per image.

    cycles, slots : of one image, images following each other; slots by cause, busy among them.
    streamed_weight_words : words of the weight memory that an image brings for it; 0 where they stay on the chip.
    """

    cycles: int
    slots: Mapping[str, int]
    operations: Mapping[str, int]
    energy_pj: float
    streamed_weight_words: int

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
    operations: Mapping[str, int]
    unit_bits: Mapping[str, int]
    memory: Mapping[str, Mapping[str, int]]
    energy: EnergyReport
    layers: tuple[LayerCost, ...]
    advice: tuple[str, ...]
    run: MachineRun

    @property
    def images_per_second(self) -> float:
        """At the machine's clock, images following each other."""
        return self.machine.clock_mhz * 1e6 / self.cycles.per_image
