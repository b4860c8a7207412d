"""What one image costs on a machine: cycles by cause, energy beside arrays with multipliers."""

from __future__ import annotations

from dataclasses import replace

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.program.layers import Program
from bcsim.costs.counts import NetworkCounts
from bcsim.costs.energy import TABLES, Energy, EnergyTable, energy_of, load_table
from bcsim.costs.float_counts import FLOAT32, INT8, count_macs
from bcsim.machine.parameters import RANGES, Machine
from bcsim.results.result import Cycles, EnergyReport
from bcsim.simulator.schedule import schedule_images
from bcsim.simulator.simulator import MachineRun
from bcsim.simulator.utilisation import LayerUtilisation, count_lane_cycles

__all__ = ["cycles_of", "energy_report", "map_enlarged", "steady_layers"]

WARM_UP = 5
"""Images after which the interval between images no longer changes."""

GROWN = ("activation_words", "weight_words", "parameter_words", "layers", "outputs", "fraction_bits")


def cycles_of(run: MachineRun) -> Cycles:
    """The cycles of a run, its steady interval by cause."""
    stalls = {cause: count for cause, count in run.steady.items() if cause != "busy"}
    return Cycles(
        per_image=run.per_image,
        latency=run.latency,
        slots=run.mapping.machine.slots * run.per_image,
        busy=run.steady["busy"],
        stalls=stalls,
        run_images=len(run.classes),
        run_cycles=run.cycles,
    )


def steady_layers(mapping: Mapping) -> tuple[LayerUtilisation, ...]:
    """Lane-cycles by cause of every layer in one image's interval, once images follow each other.

    The difference of a run of one more image and a run: what belongs to starting and ending cancels.
    """
    schedules = schedule_images(mapping, WARM_UP + 1)
    _, longer = count_lane_cycles(mapping, schedules)
    _, shorter = count_lane_cycles(mapping, schedules[:-1])
    layers = []
    for more, less in zip(longer, shorter, strict=True):
        lane_cycles = {cause: more.lane_cycles[cause] - less.lane_cycles[cause] for cause in more.lane_cycles}
        layers.append(LayerUtilisation(more.name, lane_cycles, more.cycles - less.cycles))
    return tuple(layers)


def energy_report(counts: NetworkCounts, mapping: Mapping, table: EnergyTable) -> tuple[EnergyReport, Energy]:
    """Energy of counted images with `table` and, as a range, with every table of the package."""
    own = energy_of(counts, table)
    float32 = energy_of(count_macs(mapping, FLOAT32), table)
    int8 = energy_of(count_macs(mapping, INT8), table)
    others = {name: energy_of(counts, load_table(name)).total for name in TABLES if name != table.name}
    report = EnergyReport(
        table=table.name,
        technology=table.technology,
        by_part=own.by_part,
        total_pj=own.total,
        float32_by_part=float32.by_part,
        float32_pj=float32.total,
        int8_by_part=int8.by_part,
        int8_pj=int8.total,
        range_pj={table.name: own.total} | others,
    )
    return report, own


def map_enlarged(program: Program, machine: Machine) -> Mapping:
    """The program on the machine or, where it does not fit, on one whose memories and limits just suffice.

    Raises BcsimError where no memory helps, as for activations that are too wide.
    """
    try:
        return map_program(program, machine)
    except BcsimError:
        return map_program(program, _enlarged(program, machine))


def _enlarged(program: Program, machine: Machine) -> Machine:
    most = {name: RANGES[name][1] for name in GROWN}
    roomy = replace(machine, shift_planes=True, spatial=True, **most)  # type: ignore[arg-type]
    mapping = map_program(program, roomy)
    needed = {
        "activation_words": mapping.activation_words,
        "weight_words": mapping.weight_words,
        "parameter_words": sum(nest.parameter_span for nest in mapping.nests),
        "layers": len(mapping.layers),
        "outputs": program.classes,
        "fraction_bits": _fraction_bits(program),
    }
    sizes = {name: max(value, getattr(machine, name)) for name, value in needed.items()}
    doubles = any(nest.doubles for nest in mapping.nests)
    spatial = not all(nest.geometry.point for nest in mapping.nests)
    return replace(
        machine,
        name=f"{machine.name}, enlarged",
        shift_planes=machine.shift_planes or doubles,
        spatial=machine.spatial or spatial,
        **sizes,
    )


def _fraction_bits(program: Program) -> int:
    return max(getattr(layer.requantiser, "fraction_bits", 0) for layer in program.layers)
