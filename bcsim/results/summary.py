"""A result as tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from bcsim.common.console import PlainConsole
from bcsim.common.formatting import UNKNOWN, count, decibels, energy, percent, rate, ratio
from bcsim.common.tables import new_table
from bcsim.compiler.program.layers import Program, Search
from bcsim.costs.energy import PARTS
from bcsim.results.machine_result import EnergyReport, MachineResult
from bcsim.results.result import LayerResult, Result

__all__ = ["overview", "print_program", "print_summary"]


def print_summary(result: Result, console: PlainConsole) -> None:
    """The whole result: fidelity, machine, layers, energy, notes."""
    console.print(_overview(result))
    console.print(_layers(result))
    if result.on_machine:
        _print_energy(result.energy, console)
    for line in result.advice:
        console.print(f"Advice: {line}")
    for note in result.notes:
        console.print(f"Note: {note}")


def _print_energy(found: EnergyReport, console: PlainConsole) -> None:
    console.print(_energy(found))
    low, high = min(found.range_pj.values()), max(found.range_pj.values())
    console.print(
        f"Energy with every table: {energy(low)} to {energy(high)} ({', '.join(found.range_pj)}); "
        "of counted actions, without leakage, clock tree and control"
    )


def _overview(result: Result) -> Table:
    table = new_table(f"{result.model} on {result.data}", "", "", header=False)
    for name, value in overview(result):
        table.add_row(name, value)
    return table


def overview(result: Result) -> Iterator[tuple[str, str]]:
    """The figures of the whole network, by name."""
    yield "images", count(result.images)
    yield "input read as", result.input.text
    if result.members > 1:
        yield "networks, scores averaged and costs added", count(result.members)
    if result.engine:
        yield f"accuracy, float ({result.engine})", percent(result.accuracy_float)
    yield "accuracy, integer program", percent(result.accuracy_program)
    if result.agreement is not None:
        yield "same class as the float network", percent(result.agreement)
    yield "exact for every possible input", exactness(result)
    if result.on_machine is None:
        yield "machine", "none takes it: see the notes"
        return
    yield from _machine_overview(result.on_machine, result.layers)


def _machine_overview(found: MachineResult, layers: Sequence[LayerResult]) -> Iterator[tuple[str, str]]:
    machine, cycles = found.machine, found.cycles
    yield "machine", f"{machine.name}: {machine.lanes} x {machine.pes} lanes"
    yield "images run cycle by cycle, equal bit for bit", count(cycles.run_images)
    if cycles.at_once > 1:
        yield "images taken at once", count(cycles.at_once)
    yield "cycles per image", count(cycles.per_image)
    behind = ", all taken with it loaded before" if cycles.at_once > 1 else ""
    yield "latency of the first image", f"{count(cycles.latency)} cycles{behind}"
    yield f"images at {machine.clock_mhz:g} MHz", rate(found.images_per_second)
    yield "array utilisation", percent(cycles.utilisation, 1)
    for cause, slots in cycles.stalls.items():
        if slots:
            yield f"  lost to {cause.replace('_', ' ')}", percent(slots / cycles.slots, 1)
    if bits := sum(layer.streamed_weight_words for layer in layers) * machine.slots:
        names = ", ".join(layer.name for layer in layers if layer.streamed_weight_words)
        yield "weights streamed per image", f"{count(bits // 8)} bytes: {names}"
    yield "accumulations per image", count(found.operations["accumulate"])
    yield "multiplications per image", count(found.operations["multiply"])


def exactness(result: Result) -> str:
    """What of a program is the float network's for every input: all, all but the rounding of the scores, or less.

    A program alone can only say it: what it stands for is not in it.
    """
    if not result.exact:
        return "no, rounded after training"
    source = "; so the program says" if result.agreement is None else ""
    if result.score_error is None:
        return f"yes, but for the rounding of the scores{source}"
    return (
        f"yes, scores to ±{result.score_error:.2g}{source}"
        if result.score_error
        else f"yes, scores too{source}"
    )


def _layers(result: Result) -> Table:
    headings = ("inputs", "outputs", "bits", "cycles", "useful", "SQNR", "energy")
    table = new_table("Layers, per image", "layer", *headings)
    for layer in result.layers:
        table.add_row(
            layer.name,
            count(layer.inputs),
            count(layer.outputs),
            f"{layer.source_bits} → {layer.target_bits}",
            count(layer.cost.cycles) if layer.cost else UNKNOWN,
            percent(layer.cost.utilisation, 1) if layer.cost else UNKNOWN,
            decibels(layer.sqnr_db),
            energy(layer.cost.energy_pj) if layer.cost else UNKNOWN,
        )
    return table


def _energy(found: EnergyReport) -> Table:
    title = f"Energy per image ({found.table}, {found.technology})"
    table = new_table(title, "part", "this machine", "int8 MACs", "float32 MACs")
    columns = (found.by_part, found.int8_by_part, found.float32_by_part)
    for part in PARTS:
        if any(column.get(part) for column in columns):
            table.add_row(part.replace("_", " "), *(energy(column.get(part, 0.0)) for column in columns))
    totals = (found.total_pj, found.int8_pj, found.float32_pj)
    table.add_section()
    table.add_row("total", *map(energy, totals))
    table.add_row("against this machine", *(ratio(total / found.total_pj) for total in totals))
    return table


def print_program(program: Program, console: PlainConsole, *, stored: bool = False) -> None:
    """A compiled program's layers and notes.

    stored : whether it comes from a file, which alone says what is exact.
    """
    headings = ("inputs", "outputs", "planes", "bits", "requantiser", "exact")
    table = new_table(f"Program {program.name}", "layer", *headings)
    for layer in program.layers:
        table.add_row(
            layer.name,
            count(layer.inputs),
            count(layer.outputs),
            count(len(layer.planes)),
            f"{layer.source.bits} → {layer.target.bits}",
            "threshold search" if isinstance(layer.requantiser, Search) else "division",
            "yes" if layer.exact else "no",
        )
    console.print(table)
    if stored:
        console.print("Exact is what the file says: the float network that it stands for is not in it.")
    for note in program.notes:
        console.print(f"Note: {note}")
