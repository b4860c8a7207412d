"""Cards and tables of a report as text."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from bcsim.common.formatting import (
    UNKNOWN,
    count,
    decibels,
    energy,
    microseconds,
    parameter,
    percent,
    rate,
    ratio,
)
from bcsim.costs.energy import PARTS
from bcsim.results.machine_result import EnergyReport, MachineResult
from bcsim.results.result import Result

__all__ = ["Card", "Table", "cards", "tables"]


@dataclass(frozen=True, slots=True)
class Card:
    """A figure to see first."""

    label: str
    value: str
    remark: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column is text and whose others are numbers; the last row may be a total."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: bool = False


def cards(result: Result) -> tuple[Card, ...]:
    """Accuracy and agreement; cycles, latency, throughput, utilisation, energy and operations where a machine ran."""
    accuracy = Card(
        "Accuracy", percent(result.accuracy_program), f"float network {percent(result.accuracy_float)}"
    )
    agreement = Card("Same class as float", percent(result.agreement), f"on {count(result.images)} images")
    return (accuracy, agreement, *(_machine_cards(result.on_machine) if result.on_machine else ()))


def _machine_cards(machine: MachineResult) -> tuple[Card, ...]:
    cycles, found, clock = machine.cycles, machine.energy, machine.machine.clock_mhz
    against = f"int8 MACs {ratio(found.int8_pj / found.total_pj)}, float32 {ratio(found.float32_pj / found.total_pj)}"
    latest = f"first image of {cycles.at_once} taken at once" if cycles.at_once > 1 else "first image"
    return (
        Card("Cycles per image", count(cycles.per_image), "images following each other"),
        Card("Latency", microseconds(cycles.latency / clock), f"{count(cycles.latency)} cycles, {latest}"),
        Card("Throughput", rate(machine.images_per_second), f"images at {clock:g} MHz"),
        Card("Array utilisation", percent(cycles.utilisation, 1), "stalls included"),
        Card("Energy per image", energy(found.total_pj), against),
        Card(
            "Multiplications",
            count(machine.operations["multiply"]),
            f"{count(machine.operations['accumulate'])} accumulations",
        ),
    )


def tables(result: Result) -> tuple[Table, ...]:
    """Every table of the report; of the layers alone where no machine ran."""
    found = result.on_machine
    if found is None:
        return (_layers(result),)
    return (_layers(result), _energy(found.energy), _operations(found), _memory(found), _machine(found))


def _layers(result: Result) -> Table:
    rows = tuple(
        (
            layer.name,
            f"{layer.inputs} → {layer.outputs}",
            f"{layer.source_bits} → {layer.target_bits}",
            count(layer.cost.operations["accumulate"]) if layer.cost else UNKNOWN,
            count(layer.cost.cycles) if layer.cost else UNKNOWN,
            decibels(layer.sqnr_db),
            "yes" if layer.exact else "no",
            energy(layer.cost.energy_pj) if layer.cost else UNKNOWN,
        )
        for layer in result.layers
    )
    headings = ("layer", "inputs → outputs", "bits", "accumulations", "cycles", "SQNR", "exact", "energy")
    return Table("Layers, per image", headings, rows)


def _energy(found: EnergyReport) -> Table:
    columns = (found.by_part, found.int8_by_part, found.float32_by_part)
    rows = [
        (part.replace("_", " "), *(energy(column.get(part, 0.0)) for column in columns))
        for part in PARTS
        if any(column.get(part) for column in columns)
    ]
    rows.append(("total", energy(found.total_pj), energy(found.int8_pj), energy(found.float32_pj)))
    return Table("Energy per image", ("part", "bcsim", "int8 MACs", "float32 MACs"), tuple(rows), total=True)


def _operations(found: MachineResult) -> Table:
    operations = ((name.replace("_", " "), count(n)) for name, n in found.operations.items())
    bits = ((f"{name} bits at work", count(n)) for name, n in found.unit_bits.items())
    return Table("Operations, per image", ("operation", "count"), (*operations, *bits))


def _memory(found: MachineResult) -> Table:
    rows = tuple(
        (
            name,
            f"{entry['memories']} × {count(entry['words'])} × {entry['word_bits']}",
            count(entry["bits_read"]),
            count(entry["bits_written"]),
        )
        for name, entry in found.memory.items()
    )
    return Table("Memories, per image", ("memory", "words × bits", "bits read", "written"), rows)


def _machine(found: MachineResult) -> Table:
    rows = tuple((name.replace("_", " "), parameter(value)) for name, value in asdict(found.machine).items())
    return Table("Machine", ("parameter", "value"), rows)
