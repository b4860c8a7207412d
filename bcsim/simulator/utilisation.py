"""Where the machine's lane-cycles go: each of a run has one cause, and the causes sum to the total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass

from bcsim.common.shares import per_image
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.mapping import Placement
from bcsim.machine.parameters import Machine
from bcsim.simulator.image_times import ImageSchedule, Stalls
from bcsim.simulator.schedule import schedule_images

__all__ = ["CAUSES", "LayerUtilisation", "count_lane_cycles", "steady_lane_cycles"]

CAUSES = (
    "busy",
    "fill",
    "drain",
    "chunk_padding",
    "tile_padding",
    "parameter_load",
    "weight_load",
    "input",
    "output",
)

WARM_UP = 5
"""Batches after which the interval between images no longer changes: more than any number of input buffers."""


@dataclass(frozen=True, slots=True)
class LayerUtilisation:
    """One layer over a whole run: its lane-cycles by cause (`CAUSES`), and the cycles they fill."""

    name: str
    lane_cycles: MappingType[str, float]
    cycles: float

    @property
    def utilisation(self) -> float:
        return self.lane_cycles["busy"] / max(1, sum(self.lane_cycles.values()))


def count_lane_cycles(
    mapping: Placement, schedules: Sequence[ImageSchedule]
) -> tuple[dict[str, int], tuple[LayerUtilisation, ...]]:
    """Lane-cycles by cause in the run, and layer by layer; what follows the last step belongs to the last layer.

    Raises AssertionError if they do not sum to cycles * lanes * pes.
    """
    machine = mapping.machine
    counters = [
        _layer_lane_cycles(
            nest, machine, [schedule.image_times.layers[index].stalls for schedule in schedules]
        )
        for index, nest in enumerate(mapping.nests)
    ]
    _add_tail(counters[-1], schedules[-1], machine)
    layers = tuple(
        LayerUtilisation(nest.layer.name, dict(counter), sum(counter.values()) // machine.slots)
        for nest, counter in zip(mapping.nests, counters, strict=True)
    )
    total = {cause: sum(counter[cause] for counter in counters) for cause in CAUSES}
    if sum(total.values()) != (schedules[-1].end + 1) * machine.slots:
        raise AssertionError("the causes do not sum to the cycles of the run")
    return total, layers


def _layer_lane_cycles(nest: LoopNest, machine: Machine, stalls: Sequence[Stalls]) -> Counter[str]:
    batches, layer = len(stalls), nest.layer
    passes = nest.digits * nest.positions * nest.window * batches
    lanes = nest.planes * nest.taps * nest.chunks * machine.lanes
    busy = len(layer.planes) * layer.inputs
    counter = Counter(dict.fromkeys(CAUSES, 0))
    counter["busy"] = layer.outputs * busy * passes
    counter["chunk_padding"] = layer.outputs * (lanes - busy) * passes
    counter["tile_padding"] = (nest.tiles * machine.pes - layer.outputs) * lanes * passes
    for cause in ("fill", "drain", "input", "output", "weight_load"):
        counter[cause] = sum(getattr(stall, cause) for stall in stalls) * machine.slots
    return counter


def _add_tail(counter: Counter[str], last: ImageSchedule, machine: Machine) -> None:
    """What follows the run's last step: draining the last tile, then sending the scores."""
    written = int(last.round_writes[-1][-1])
    counter["drain"] += (written - last.last_step) * machine.slots
    counter["output"] += (last.end - written) * machine.slots


def steady_lane_cycles(mapping: Placement) -> tuple[dict[str, float], float]:
    """Lane-cycles by cause, and cycles, of one image, once images follow each other: from last step to last step, an
    equal share of them where several images are taken at once."""
    schedules = schedule_images(mapping, WARM_UP + 1)
    interval = schedules[-1].last_step - schedules[-2].last_step
    total: Counter[str] = Counter()
    for index, nest in enumerate(mapping.nests):
        total += _layer_lane_cycles(nest, mapping.machine, [schedules[-1].image_times.layers[index].stalls])
    if sum(total.values()) != interval * mapping.machine.slots:
        raise AssertionError("the causes do not sum to the cycles between two batches")
    images = mapping.images
    return {cause: per_image(total[cause], images) for cause in CAUSES}, per_image(interval, images)
