"""A point: one machine for a network, with its cycles, its size, its clock and its energy, all without simulating."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bcsim.compiler.mapping.fitted_machine import sized_machine
from bcsim.compiler.mapping.mapping import Placement
from bcsim.compiler.program.layers import Program
from bcsim.costs.counts import count_mapping, count_stream_bits
from bcsim.costs.energy import EnergyTable, energy_of
from bcsim.costs.fpga_model import Estimate, estimate, estimate_clock
from bcsim.costs.parts import Part
from bcsim.machine.parameters import Machine
from bcsim.simulator.cycles import cycles_of, place_for_cycles

__all__ = ["KEPT", "Point", "SizedMachine", "at_best", "evaluate", "machine_text", "schedule", "size_machine"]

KEPT = (
    "lanes",
    "pes",
    "digit",
    "requantisers",
    "reuse",
    "input_bytes",
    "weight_words",
    "weight_stream_bytes",
)
"""Parameters that a search chooses, in the order of its command lines; all others follow from the network."""


@dataclass(frozen=True, slots=True)
class Point:
    """machine : about as `map_fitted` makes it. cycles : an image, back to back. latency : cycles of a first image.

    size : on the part's family. clock_mhz : given, estimated, or 100 where the family has no estimate.
    energy_pj : of an image by the energy table. utilisation : useful accumulations a lane and cycle.
    operations : accumulations of an image. traffic : bytes of an image from the memory beside the part; where no
        weights stream from one, of its pixels and scores.
    """

    machine: Machine
    cycles: float
    latency: int
    size: Estimate
    clock_mhz: float
    energy_pj: float
    utilisation: float
    operations: int
    traffic: float

    @property
    def images_per_second(self) -> float:
        return self.clock_mhz * 1e6 / self.cycles

    @property
    def latency_us(self) -> float:
        return self.latency / self.clock_mhz

    @property
    def gops(self) -> float:
        """1e9 accumulations a second."""
        return self.operations * self.images_per_second / 1e9

    @property
    def peak_gops(self) -> float:
        """The same, were every lane useful in every cycle."""
        return self.gops / self.utilisation

    @property
    def bandwidth(self) -> float:
        """MB/s of the port that `traffic` goes through, were it never idle."""
        machine = self.machine
        if machine.weight_stream_bytes:
            return self.clock_mhz * machine.weight_stream_bytes / machine.weight_stream_interval
        return self.clock_mhz * machine.input_bytes


@dataclass(frozen=True, slots=True)
class SizedMachine:
    """A machine with what a network needs, before its cycles are known.

    placement : of the network, on a machine that decides the same cycles. machine, size, clock_mhz : as Point has them.
    """

    placement: Placement
    machine: Machine
    size: Estimate
    clock_mhz: float


def size_machine(program: Program, machine: Machine, part: Part, clock: float | None = None) -> SizedMachine:
    """The machine, sized for the network. Raises BcsimError where no such machine takes the network."""
    placement = place_for_cycles(program, machine)
    sized = sized_machine(placement)
    return SizedMachine(
        placement=placement,
        machine=sized,
        size=estimate(sized, part.family, part.single_ports),
        clock_mhz=clock or estimate_clock(sized, part) or machine.clock_mhz,
    )


def evaluate(
    program: Program, machine: Machine, part: Part, table: EnergyTable, clock: float | None = None
) -> Point:
    """The network on the machine, fitted, and the part. Raises BcsimError where no such machine takes the network."""
    return schedule(size_machine(program, machine, part, clock), table)


def schedule(sized: SizedMachine, table: EnergyTable) -> Point:
    """The machine with its cycles, which take most of a point's time."""
    found = cycles_of(sized.placement)
    return _point(sized, table, found.per_image, found.latency)


def at_best(sized: SizedMachine, table: EnergyTable, cycles: float) -> Point:
    """The machine, did an image take no more than these cycles, nor longer."""
    return _point(sized, table, cycles, int(cycles))


def _point(sized: SizedMachine, table: EnergyTable, cycles: float, latency: int) -> Point:
    placement, machine = replace(sized.placement, machine=sized.machine), sized.machine
    layers = zip(placement.program.layers, placement.nests, strict=True)
    work = [
        (len(layer.planes) * layer.inputs * layer.outputs * nest.results, nest.digits)
        for layer, nest in layers
    ]
    counts, streams = count_mapping(placement), count_stream_bits(placement)
    return Point(
        machine=replace(machine, clock_mhz=round(sized.clock_mhz, 1)),
        cycles=cycles,
        latency=latency,
        size=sized.size,
        clock_mhz=sized.clock_mhz,
        energy_pj=energy_of(counts, table).total,
        utilisation=sum(count * digits for count, digits in work)
        / (placement.images * cycles * machine.slots),
        operations=sum(count for count, _ in work) // placement.images,
        traffic=((counts.stream_bits - streams) or streams) / 8,
    )


def machine_text(machine: Machine) -> str:
    """What `--machine` takes, with `--fit`, to make this machine again."""
    chosen = [
        name
        for name in KEPT
        if name not in ("weight_words", "weight_stream_bytes", "reuse") or machine.weight_stream_bytes
    ]
    parts = [f"{name}={getattr(machine, name)}" for name in chosen]
    if machine.reuse > 1 and not machine.weight_stream_bytes:
        parts.append(f"reuse={machine.reuse}")
    # A machine with reuse must be spatial; whether any other is, the fitting finds out.
    if machine.reuse > 1:
        parts.append("spatial=true")
    if machine.pipeline_registers:
        parts.append(f"pipeline_registers={machine.pipeline_registers}")
    if machine.drains > 1:
        parts.append(f"drains={machine.drains}")
    if machine.divide_cycles > 1:
        parts.append(f"divide_cycles={machine.divide_cycles}")
    if machine.batch > 1:
        parts.append(f"batch={machine.batch}")
    if machine.activation_banks > 1:
        parts.append(f"activation_banks={machine.activation_banks}")
    if machine.input_buffers < Machine().input_buffers:
        parts.append(f"input_buffers={machine.input_buffers}")
    if machine.weight_stream_bytes:
        parts += [
            f"{name}={getattr(machine, name)}" for name in ("weight_stream_latency", "weight_stream_interval")
        ]
    lean = [
        f"{name}=false"
        for name in ("loading", "counters", "readable_parameters", "watchdog")
        if not getattr(machine, name)
    ]
    return ",".join([*parts, *lean])
