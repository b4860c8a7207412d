"""What a machine takes of an FPGA, from measured blocks, in a millisecond: LUT sites, flip-flops, block memories."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bcsim.costs.calibration import Weights, family_model, feature_row, known
from bcsim.costs.memory_use import memory_use
from bcsim.costs.parts import Part
from bcsim.costs.single_ports import single_port_memories
from bcsim.machine.parameters import Machine

__all__ = ["Estimate", "estimate", "estimate_clock", "piped"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """LUT sites, flip-flops, block memories (of 18 Kbit, of 4 Kbit on iCE40) and DSP blocks: none.

    single_ports : the part's memories of one port that hold the activations.
    """

    luts: int
    flip_flops: int
    memories: int
    dsps: int = 0
    single_ports: int = 0

    def cells(self, part: Part) -> int:
        """Of the part's LUTs, those that are taken, by flip-flops that no LUT shares a cell with as well."""
        return self.luts + round(part.lone * self.flip_flops)

    def fits(self, part: Part) -> bool:
        """Whether the part holds it."""
        return (
            self.cells(part) <= part.luts
            and self.flip_flops <= part.flip_flops
            and self.memories <= part.memories
        )


def estimate(
    machine: Machine, family: str, single_ports: int = 0, model: tuple[Weights, Weights] | None = None
) -> Estimate:
    """What Yosys would count of the machine on the family; on a part with so many memories of one port.

    model : weights in place of the family's own.
    """
    luts, flip_flops = (
        known(machine, family, kind, single_ports=single_ports)
        + round(float(np.dot(feature_row(machine, family, kind, single_ports=single_ports), weights)))
        for kind, weights in enumerate(model or family_model(family))
    )
    return Estimate(
        luts=luts,
        flip_flops=flip_flops,
        memories=sum(use.blocks for use in memory_use(machine, family, single_ports)),
        single_ports=apart if (apart := single_port_memories(machine)) <= single_ports else 0,
    )


LARGE_ARRAY = 512
"""Lanes of an array from which its wires need registers on their way, where the part has a die for it."""


def piped(machine: Machine, part: Part) -> Machine:
    """The machine with the pipeline registers that a large array needs on the part, unless it has some already."""
    if part.family != "ecp5" or machine.slots < LARGE_ARRAY or machine.pipeline_registers:
        return machine
    return replace(machine, pipeline_registers=2)


def estimate_clock(machine: Machine, part: Part, memories: int | None = None) -> float | None:
    """MHz that place and route would reach; None where nothing of the family was placed.

    memories : blocks that the machine takes, where they are known, or the most that it may take.
    """
    if part.delay is None:
        return None
    delay = part.delay
    if memories is None:
        memories = sum(use.blocks for use in memory_use(machine, part.family, part.single_ports))
    decided = -(-machine.remainder_bits // machine.divide_cycles)
    logic = max(delay.base + delay.remainder * decided, delay.walk if machine.spatial else delay.control)
    return 1000 / (logic + (delay.piped if machine.pipeline_registers else delay.memory) * memories)
