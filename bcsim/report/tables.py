"""Cards and tables of a report as text."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from bcsim.common.formatting import count, decibels, energy, microseconds, parameter, percent, rate, ratio
from bcsim.costs.energy import PARTS
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
    """Accuracy, agreement, cycles, latency, throughput, utilisation, energy, operations."""
    cycles, found, clock = result.cycles, result.energy, result.machine.clock_mhz
    against = f"int8 MACs {ratio(found.int8_pj / found.total_pj)}, float32 {ratio(found.float32_pj / found.total_pj)}"
    return (
        Card("Accuracy", percent(result.accuracy_program), f"float network {percent(result.accuracy_float)}"),
        Card("Same class as float", percent(result.agreement), f"on {count(result.images)} images"),
        Card("Cycles per image", count(cycles.per_image), "images following each other"),
        Card("Latency", microseconds(cycles.latency / clock), f"{count(cycles.latency)} cycles, first image"),
        Card("Throughput", rate(result.images_per_second), f"images at {clock:g} MHz"),
        Card("Array utilisation", percent(cycles.utilisation, 1), "stalls included"),
        Card("Energy per image", energy(found.total_pj), against),
        Card(
            "Multiplications",
            count(result.operations["multiply"]),
            f"{count(result.operations['accumulate'])} accumulations",
        ),
    )


def tables(result: Result) -> tuple[Table, ...]:
    """Every table of the report."""
    return (_layers(result), _energy(result), _operations(result), _memory(result), _machine(result))


def _layers(result: Result) -> Table:
    rows = tuple(
        (
            layer.name,
            f"{layer.inputs} → {layer.outputs}",
            f"{layer.source_bits} → {layer.target_bits}",
            count(layer.operations["accumulate"]),
            count(layer.cycles),
            decibels(layer.sqnr_db),
            "yes" if layer.exact else "no",
            energy(layer.energy_pj),
        )
        for layer in result.layers
    )
    headings = ("layer", "inputs → outputs", "bits", "accumulations", "cycles", "SQNR", "exact", "energy")
    return Table("Layers, per image", headings, rows)


def _energy(result: Result) -> Table:
    found = result.energy
    columns = (found.by_part, found.int8_by_part, found.float32_by_part)
    rows = [
        (part.replace("_", " "), *(energy(column.get(part, 0.0)) for column in columns))
        for part in PARTS
        if any(column.get(part) for column in columns)
    ]
    rows.append(("total", energy(found.total_pj), energy(found.int8_pj), energy(found.float32_pj)))
    return Table("Energy per image", ("part", "bcsim", "int8 MACs", "float32 MACs"), tuple(rows), total=True)


def _operations(result: Result) -> Table:
    operations = ((name.replace("_", " "), count(n)) for name, n in result.operations.items())
    bits = ((f"{name} bits at work", count(n)) for name, n in result.unit_bits.items())
    return Table("Operations, per image", ("operation", "count"), (*operations, *bits))


def _memory(result: Result) -> Table:
    rows = tuple(
        (
            name,
            f"{entry['memories']} × {count(entry['words'])} × {entry['word_bits']}",
            count(entry["bits_read"]),
            count(entry["bits_written"]),
        )
        for name, entry in result.memory.items()
    )
    return Table("Memories, per image", ("memory", "words × bits", "bits read", "written"), rows)


def _machine(result: Result) -> Table:
    rows = tuple((name.replace("_", " "), parameter(value)) for name, value in asdict(result.machine).items())
    return Table("Machine", ("parameter", "value"), rows)
