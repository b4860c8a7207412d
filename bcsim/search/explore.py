"""A sweep over machines: every point a row of a table, which goes on where it was interrupted."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

from bcsim.common.errors import BcsimError
from bcsim.common.files import read_file, write_text
from bcsim.compiler.program.layers import Program
from bcsim.costs.energy import EnergyTable
from bcsim.costs.parts import Part
from bcsim.machine.parameters import Machine
from bcsim.search.point import Point, evaluate, machine_text

__all__ = ["COLUMNS", "ERRORS", "Row", "Sweep", "explore", "grid", "pareto", "read_table", "write_table"]

Row: TypeAlias = dict[str, Any]

COLUMNS = (
    *(
        "bits",
        "machine",
        "cycles",
        "latency",
        "clock_mhz",
        "images_per_second",
        "energy_nj",
        "luts",
        "flip_flops",
    ),
    *("memories", "fits", "utilisation", "accuracy", "slots", "gops", "peak_gops", "traffic", "bandwidth"),
    "refused",
)
NUMBERS = frozenset(COLUMNS) - {"bits", "machine", "refused"}
ERRORS = "errors.json"
"""The file of a sweep's folder that keeps errors by bits; it may be there before the sweep."""
MOST_CLAIM, MOST_TABLE = 1 << 20, 1 << 28
"""Bytes of the files that are read back."""
SAVED = 25
"""Points after which the table is written."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What all points share. programs : by the bits they were compiled with. accuracy : of each, on a sample."""

    programs: Mapping[str, Program]
    accuracy: Mapping[str, float | None]
    part: Part
    table: EnergyTable
    clock: float | None


def grid(values: Mapping[str, Sequence[int]], spatial: bool, clock: float = 100.0) -> list[Machine]:
    """Every machine of these values that there is, for a clock in MHz; by default pes are lanes, and requantisers an
    eighth of them. Raises BcsimError where there is none."""
    machines, refusals = [], []
    names = [name for name in values if values[name]]
    for choice in product(*(values[name] for name in names)):
        given = dict(zip(names, choice, strict=True))
        lanes = given.setdefault("lanes", 32)
        pes = given.setdefault("pes", lanes)
        given.setdefault("requantisers", max(1, min(lanes, pes) // 8))
        try:
            machines.append(
                Machine(
                    name="fitted",
                    spatial=spatial,
                    clock_mhz=clock,
                    input_bytes=min(4, lanes & -lanes),
                    **given,  # type: ignore[arg-type]
                )
            )
        except BcsimError as error:
            refusals.append(str(error))
    if not machines:
        raise BcsimError(f"No machine has these values: {refusals[0]}")
    return machines


def evaluate_row(sweep: Sweep, bits: str, machine: Machine) -> Row:
    """One point as a row; a machine that does not take the network says why in `refused`."""
    row: Row = dict.fromkeys(COLUMNS, "") | {"bits": bits, "machine": machine_text(machine)}
    try:
        point = evaluate(sweep.programs[bits], machine, sweep.part, sweep.table, sweep.clock)
    except BcsimError as error:
        return row | {"refused": str(error)}
    return row | _figures(point, sweep, bits)


def _figures(point: Point, sweep: Sweep, bits: str) -> Row:
    machine = point.machine
    return {
        "cycles": point.cycles,
        "latency": point.latency,
        "clock_mhz": round(point.clock_mhz, 1),
        "images_per_second": round(point.images_per_second, 1),
        "energy_nj": round(point.energy_pj / 1000, 3),
        "luts": point.size.luts,
        "flip_flops": point.size.flip_flops,
        "memories": point.size.memories,
        "fits": int(point.size.fits(sweep.part)),
        "utilisation": round(point.utilisation, 4),
        "accuracy": "" if sweep.accuracy[bits] is None else sweep.accuracy[bits],
        "slots": machine.slots,
        "gops": round(point.gops, 4),
        "peak_gops": round(point.peak_gops, 4),
        "traffic": round(point.traffic, 2),
        "bandwidth": round(point.bandwidth, 2),
    }


Runner: TypeAlias = Callable[[Sweep, Sequence[tuple[str, Machine]]], Iterable[Row]]
"""Evaluates points in any order."""


def in_turn(sweep: Sweep, points: Sequence[tuple[str, Machine]]) -> Iterator[Row]:
    """One point after another, here."""
    for bits, machine in points:
        yield evaluate_row(sweep, bits, machine)


def explore(
    sweep: Sweep,
    machines: Sequence[Machine],
    folder: Path,
    runner: Runner = in_turn,
    advance: Callable[[], None] = lambda: None,
) -> list[Row]:
    """Rows of all points, those in the folder's table included; the table is written as points arrive, and at the end.

    Raises BcsimError where the folder holds a sweep of something else, or files and no sweep.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(sweep, folder)
    path = folder / "table.csv"
    known = {(row["bits"], row["machine"]): row for row in read_table(path)} if path.exists() else {}
    points = [(bits, machine) for bits in sweep.programs for machine in machines]
    left = [point for point in points if (point[0], machine_text(point[1])) not in known]
    try:
        for number, row in enumerate(runner(sweep, left), 1):
            known[row["bits"], row["machine"]] = row
            advance()
            if number % SAVED == 0:
                write_table(path, known.values())
    finally:
        write_table(path, known.values())
    wanted = {(bits, machine_text(machine)) for bits, machine in points}
    return [row for key, row in known.items() if key in wanted]


def _claim(sweep: Sweep, folder: Path) -> None:
    """Write what the sweep is of, or hold it to what the folder says."""
    program = next(iter(sweep.programs.values()))
    mine = {
        "network": program.name,
        "part": sweep.part.name,
        "energy": sweep.table.name,
        "clock": sweep.clock,
    }
    path = folder / "sweep.json"
    if not path.exists() and any(entry.name != ERRORS for entry in folder.iterdir()):
        raise BcsimError(f"Folder {folder} has files and no sweep: give another --out, or an empty folder")
    if path.exists():
        theirs = _read_claim(path)
        if theirs != mine:
            raise BcsimError(f"Folder {folder} holds a sweep of {theirs}, not of {mine}: give another --out")
    write_text(path, json.dumps(mine, indent=2) + "\n")


def _read_claim(path: Path) -> object:
    try:
        return json.loads(read_file(path, MOST_CLAIM, "Sweep"))
    except (ValueError, RecursionError) as error:
        raise BcsimError(f"File {path} is not what a sweep wrote: {error}") from error


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows as CSV, in order of bits and machine."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: (row["bits"], row["machine"])))
    write_text(path, text.getvalue())


def read_table(path: Path) -> list[Row]:
    """The rows of a table. Raises BcsimError where it is none."""
    try:
        reader = csv.DictReader(io.StringIO(read_file(path, MOST_TABLE, "Table").decode(), newline=""))
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise BcsimError(
                f"File {path} is no table of a sweep: its first line must be {','.join(COLUMNS)}"
            )
        return [_numbers(row, f"Line {reader.line_num} of {path}") for row in reader]
    except (csv.Error, ValueError) as error:
        raise BcsimError(f"File {path} is no table of a sweep: {error}") from error


def _numbers(row: Mapping[str, str], where: str) -> Row:
    if row.keys() != set(COLUMNS) or None in row.values():
        raise BcsimError(f"{where} has not the {len(COLUMNS)} values of a row of a sweep's table")
    return {name: _number(name, text) for name, text in row.items()}


def _number(name: str, text: str) -> Any:
    if name not in NUMBERS or text == "":
        return text
    return float(text) if "." in text or "e" in text else int(text)


def pareto(rows: Iterable[Row], cost: str, gain: str) -> list[Row]:
    """The rows that no other one beats in both: less of `cost`, more of `gain`; in order of cost."""
    front: list[Row] = []
    measured = [row for row in rows if row[cost] != "" and row[gain] != ""]
    for row in sorted(measured, key=lambda row: (row[cost], -row[gain])):
        if not front or row[gain] > front[-1][gain]:
            front.append(row)
    return front
