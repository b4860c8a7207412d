"""Cycles of a program on a machine from its schedule alone: no weights are laid out and no value is computed."""

from __future__ import annotations

from dataclasses import dataclass

from bcsim.common.shares import per_image
from bcsim.compiler.mapping.fitted_machine import cycle_machine
from bcsim.compiler.mapping.hazards import pass_intervals, pass_steps
from bcsim.compiler.mapping.mapping import Placement, place_program
from bcsim.compiler.program.layers import Program
from bcsim.machine.latency import LAYER_GAP
from bcsim.machine.parameters import Machine
from bcsim.simulator.schedule import schedule_images
from bcsim.simulator.utilisation import WARM_UP
from bcsim.simulator.weight_stream import memory_gaps

__all__ = ["ScheduledCycles", "cycles_of", "least_cycles", "place_for_cycles", "scheduled_cycles"]


@dataclass(frozen=True, slots=True)
class ScheduledCycles:
    """What MachineRun says of a run, from the schedule.

    per_image : between images once they follow each other. latency : of the first image.
    placement : of the program on the machine that was scheduled, whose memories are as deep as the program needs.
    """

    per_image: float
    latency: int
    placement: Placement


def scheduled_cycles(program: Program, machine: Machine) -> ScheduledCycles:
    """The cycles of `program` on the machine that `map_fitted` makes of `machine`; equal to what MachineRun counts.

    Raises BcsimError where no machine of these lanes and elements takes the program.
    """
    return cycles_of(place_for_cycles(program, machine))


def place_for_cycles(program: Program, machine: Machine) -> Placement:
    """The program on the machine with all that decides its cycles. Raises BcsimError as `scheduled_cycles` does."""
    return place_program(program, cycle_machine(program, machine))


def cycles_of(placement: Placement) -> ScheduledCycles:
    """The cycles of a placed program."""
    schedules = schedule_images(placement, WARM_UP + 1)
    return ScheduledCycles(
        per_image=per_image(schedules[-1].last_step - schedules[-2].last_step, placement.images),
        latency=int(schedules[0].scores[placement.program.classes]) + 1,
        placement=placement,
    )


def least_cycles(placement: Placement) -> float:
    """No more than the cycles between images, without a schedule.

    Layers follow each other with the waits of their hazards, or all streamed words one another; that one of the two
    waits for the other, or either for input and output, is left out.
    """
    steps = 0
    for layer in placement.layers:
        nest = layer.nest
        passes = int(pass_steps(nest)[0]) + int(pass_intervals(nest).sum())
        steps += max(LAYER_GAP, layer.wait) - 1 + passes
    gaps = memory_gaps(placement, 1)
    return per_image(max(steps, int(gaps.sum()) + len(gaps)), placement.images)
