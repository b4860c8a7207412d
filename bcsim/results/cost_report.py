"""What one image costs on a machine: cycles by cause, energy beside arrays with multipliers."""

from __future__ import annotations

from dataclasses import asdict, replace

from bcsim.common.errors import BcsimError
from bcsim.common.shares import per_image
from bcsim.compiler.mapping.batch import batch_obstacle
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.mapping.shortfall import MachineTooSmallError
from bcsim.compiler.program.layers import Program
from bcsim.costs.counts import NetworkCounts, count_mapping
from bcsim.costs.energy import TABLES, Energy, EnergyTable, energy_of, load_table
from bcsim.costs.float_counts import FLOAT32, INT8, count_macs
from bcsim.machine.limits import RANGES
from bcsim.machine.parameters import Machine
from bcsim.results.advice import advise
from bcsim.results.machine_result import Cycles, EnergyReport, LayerCost, MachineResult
from bcsim.simulator.schedule import schedule_images
from bcsim.simulator.simulator import MachineRun
from bcsim.simulator.utilisation import LayerUtilisation, count_lane_cycles

__all__ = [
    "batch_note",
    "cycles_of",
    "energy_report",
    "enlargement_note",
    "fitting_note",
    "machine_result",
    "map_enlarged",
    "steady_layers",
]

WARM_UP = 5
"""Batches after which the interval between images no longer changes."""

FITTED = (
    *("activation_bits", "accumulator_bits", "fraction_bits"),
    *("activation_words", "weight_words", "parameter_words"),
    *("layers", "outputs", "shift_planes", "spatial"),
)
"""Parameters that a program may need more of; of records' widths a preset has all that any program can need."""

ENLARGEMENTS = 3
"""Rounds of enlarging: a wider requantiser may need a wider accumulator."""


def machine_result(run: MachineRun, table: EnergyTable) -> MachineResult:
    """What a run on a machine says of one image, its energy with `table`."""
    counts = count_mapping(run.mapping)
    energy, by_layer = energy_report(counts, run.mapping, table)
    layers = tuple(
        LayerCost(
            cycles=used.cycles,
            slots=used.lane_cycles,
            operations=counted.operations,
            energy_pj=sum(parts.values()),
            streamed_weight_words=per_image(nest.streamed_words, run.mapping.images),
        )
        for used, counted, parts, nest in zip(
            steady_layers(run.mapping), counts.layers, by_layer.layers, run.mapping.nests, strict=True
        )
    )
    return MachineResult(
        machine=run.mapping.machine,
        cycles=cycles_of(run),
        operations=counts.operations,
        unit_bits=counts.bits,
        memory={name: asdict(traffic) for name, traffic in counts.memory.items()},
        energy=energy,
        layers=layers,
        advice=advise(run.mapping, run.steady, run.per_image),
        run=run,
    )


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
        at_once=run.mapping.images,
    )


def steady_layers(mapping: Mapping) -> tuple[LayerUtilisation, ...]:
    """Lane-cycles by cause of every layer in one image's interval, once images follow each other.

    The difference of a run of one more batch and a run: what belongs to starting and ending cancels.
    """
    schedules = schedule_images(mapping, WARM_UP + 1)
    _, longer = count_lane_cycles(mapping, schedules)
    _, shorter = count_lane_cycles(mapping, schedules[:-1])
    layers = []
    for more, less in zip(longer, shorter, strict=True):
        lane_cycles = {
            cause: per_image(more.lane_cycles[cause] - less.lane_cycles[cause], mapping.images)
            for cause in more.lane_cycles
        }
        cycles = per_image(more.cycles - less.cycles, mapping.images)
        layers.append(LayerUtilisation(more.name, lane_cycles, cycles))
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
    """The program on the machine or, where it does not fit, on one with more of what it lacks, as much as suffices.

    Raises BcsimError where no machine has enough.
    """
    name = machine.name.removesuffix(", enlarged")
    for _ in range(ENLARGEMENTS):
        try:
            return map_program(program, machine)
        except MachineTooSmallError as error:
            machine = _enlarged(machine, name, error)
    return map_program(program, machine)


def _enlarged(machine: Machine, name: str, lacking: MachineTooSmallError) -> Machine:
    for parameter, least in lacking.needed.items():
        most = RANGES.get(parameter, (0, least))[1]
        if least > most:
            raise BcsimError(f"{lacking}; no machine has {parameter} above {most}")
    return replace(machine, name=f"{name}, enlarged", **lacking.needed)  # type: ignore[arg-type]


def fitting_note(machine: Machine, base: Machine) -> str:
    """That a machine was fitted, and what it has more of than the preset whose array it has."""
    grown = _grown(machine, base)
    return (
        f"The machine has the array of {base.name}, all else as this network needs it; --machine {base.name} is the "
        f"general one{', which lacks ' + ', '.join(grown) if grown else ''}."
    )


def enlargement_note(machine: Machine, base: Machine) -> str:
    """What an enlarged machine has more of than the one it was made from; empty where that is nothing."""
    grown = _grown(machine, base)
    if not grown:
        return ""
    return (
        f"The {base.name} machine is too small for this network and was enlarged to fit: {', '.join(grown)}."
    )


def _grown(machine: Machine, base: Machine) -> list[str]:
    grown = []
    for name in FITTED:
        before, after = getattr(base, name), getattr(machine, name)
        if before < after:
            grown.append(f"{name}=true" if after is True else f"{name} {before} to {after}")
    return grown


def batch_note(mapping: Mapping) -> str:
    """Why images are taken one by one on a machine that could take several at once; empty where that is not so."""
    if mapping.images == mapping.machine.batch:
        return ""
    why = batch_obstacle(mapping.program.layers)
    return f"The machine could take {mapping.machine.batch} images at once and takes them one by one: {why}"
