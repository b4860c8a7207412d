"""Energy of counted actions: tables of energy per action, and what an inference comes to with one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from itertools import pairwise
from math import exp, fsum, log
from pathlib import Path
from typing import Any

from bcsim.common.errors import BcsimError
from bcsim.common.files import read_file
from bcsim.costs.counts import Action, LayerCounts, NetworkCounts
from bcsim.costs.traffic import MEMORIES, MemoryTraffic

__all__ = ["PARTS", "TABLES", "Curve", "Energy", "EnergyTable", "energy_of", "load_table", "table_text"]

TABLES = ("horowitz-45nm", "aladdin-40nm-1ns", "aladdin-40nm-5ns")
"""The tables in the package; the first is the default."""

PARTS = (
    "adders",
    "select",
    "multipliers",
    "requantiser",
    "registers",
    *(f"{memory}_memory" for memory in MEMORIES),
    "io",
)

OPTIONAL_PART = "accumulator_memory"

KINDS = (
    "adder",
    "comparator",
    "bitwise",
    "register",
    "multiplier",
    "float_adder",
    "float_multiplier",
    "sram",
    "dram",
)
ACCESS_BITS = 64
"""The width of the memory access that `sram` and `dram` figures are for; energy is linear in the bits moved."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Energy in pJ against a size: a power law through neighbouring points, continued beyond the ends.

    One point is a line through the origin. Sizes are bits, or for `sram` a memory's bytes.
    """

    points: tuple[tuple[float, float], ...]
    source: str

    def at(self, size: float) -> float:
        """pJ at `size`, which must be positive."""
        if len(self.points) == 1:
            return self.points[0][1] * size / self.points[0][0]
        upper = next((i for i, point in enumerate(self.points) if point[0] >= size), len(self.points) - 1)
        (x0, y0), (x1, y1) = self.points[max(upper, 1) - 1 : max(upper, 1) + 1]
        return y0 * exp(log(size / x0) * log(y1 / y0) / log(x1 / x0))


@dataclass(frozen=True)
class EnergyTable:
    """Energy per action of one technology, each figure with its source; leakage and clock trees are in none."""

    name: str
    technology: str
    curves: Mapping[str, Curve]

    def action_pj(self, action: Action) -> float:
        """pJ of all of an action's counts."""
        return self.curves[action.kind].at(action.bits) * action.count

    def traffic_pj(self, traffic: MemoryTraffic) -> float:
        """pJ of what an image reads from and writes to a memory on the chip.

        A memory wider than the 64-bit access that the figures are for is as many such memories side by side,
        so what a bit costs depends on the depth.
        """
        bank_bytes = traffic.words * min(traffic.word_bits, ACCESS_BITS) / 8
        access = self.curves["sram"].at(bank_bytes)
        return access * (traffic.bits_read + traffic.bits_written) / ACCESS_BITS

    def stream_pj(self, bits: float) -> float:
        """pJ of bits that come from or go to DRAM."""
        return self.curves["dram"].at(ACCESS_BITS) * bits / ACCESS_BITS


def table_text(name: str) -> str:
    """The TOML text of a table of the package; raises BcsimError for another name."""
    if name not in TABLES:
        raise BcsimError(f"There is no energy table {name!r}; accepted are {', '.join(TABLES)}")
    return files("bcsim.costs").joinpath("tables", f"{name}.toml").read_text("utf-8")


SMALLEST, GREATEST = 1e-15, 1e15
"""Of the numbers in a table, pJ and sizes."""
STEEPEST = 10
"""The power of the size that pJ may follow: beyond the points a steeper one would soon leave what floats hold."""
MOST_TABLE = 1 << 20
"""Bytes of a user's table."""


def load_table(name_or_path: str) -> EnergyTable:
    """A table of the package by name, or the user's own TOML file; raises BcsimError saying what is wrong.

    A file with `base = NAME` takes the sections that it does not have from that table of the package.
    """
    content = _read_table(name_or_path)
    if "base" in content:
        content = _read_base(name_or_path, content["base"]) | content
    name = str(content.get("name", Path(name_or_path).stem))
    curves = {kind: _curve(name_or_path, kind, content.get(kind)) for kind in KINDS}
    return EnergyTable(name, str(content.get("technology", "not stated")), curves)


def _read_table(name_or_path: str) -> dict[str, Any]:
    if name_or_path in TABLES:
        return tomllib.loads(table_text(name_or_path))
    try:
        if not Path(name_or_path).exists():
            raise FileNotFoundError(name_or_path)
        return tomllib.loads(read_file(name_or_path, MOST_TABLE, "Energy table").decode("utf-8"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BcsimError(f"Energy table {name_or_path!r} is not valid TOML: {error}") from error
    except (OSError, ValueError) as error:
        raise BcsimError(
            f"Energy table {name_or_path!r} is neither one of {', '.join(TABLES)} nor a readable TOML file"
        ) from error


def _read_base(table: str, base: object) -> dict[str, Any]:
    """The sections of a table of the package, for one that is built on it; its name and technology stay behind."""
    if base not in TABLES:
        raise BcsimError(f"Energy table {table!r} has base = {base!r}; accepted are {', '.join(TABLES)}")
    return {kind: entry for kind, entry in _read_table(str(base)).items() if kind in KINDS}


def _curve(table: str, kind: str, entry: Any) -> Curve:
    """The checked curve of one section; sram needs two points, since one has no trend with the size."""
    source = entry.get("source") if isinstance(entry, dict) else None
    if not isinstance(source, str) or not source.strip():
        raise BcsimError(f"Energy table {table!r} needs a section [{kind}] with points and a source")
    points = entry.get("points")
    least = 2 if kind == "sram" else 1
    if not isinstance(points, list) or len(points) < least or not all(map(_is_point, points)):
        raise BcsimError(
            f"Energy table {table!r} needs at least {least} points [size, pJ] of numbers from {SMALLEST:g} to "
            f"{GREATEST:g} in [{kind}], not {points!r}"
        )
    pairs = tuple((float(size), float(pj)) for size, pj in points)
    if any(a[0] >= b[0] for a, b in pairwise(pairs)):
        raise BcsimError(f"Energy table {table!r} needs points of rising size in [{kind}], not {points!r}")
    if any(abs(log(b[1] / a[1])) > STEEPEST * log(b[0] / a[0]) for a, b in pairwise(pairs)):
        raise BcsimError(
            f"Energy table {table!r} needs points that rise or fall by the size to the power of {STEEPEST} at most "
            f"in [{kind}], not {points!r}"
        )
    return Curve(pairs, source)


def _is_point(point: object) -> bool:
    return (
        isinstance(point, list)
        and len(point) == 2
        and all(type(value) in (int, float) and SMALLEST <= value <= GREATEST for value in point)
    )


@dataclass(frozen=True)
class Energy:
    """Energy of one image in pJ, by layer and part; the streams (`io`) belong to no layer."""

    table: str
    layers: tuple[Mapping[str, float], ...]
    io: float

    @cached_property
    def by_part(self) -> dict[str, float]:
        """pJ of every part of PARTS; the accumulators' memories only where a machine has them."""
        parts = {part: fsum(layer.get(part, 0.0) for layer in self.layers) for part in PARTS}
        absent = [OPTIONAL_PART] if all(OPTIONAL_PART not in layer for layer in self.layers) else []
        return {part: pj for part, pj in parts.items() if part not in absent} | {"io": self.io}

    @property
    def total(self) -> float:
        """pJ of the whole image, the sum of by_part."""
        return fsum(self.by_part.values())


def _layer_energy(layer: LayerCounts, table: EnergyTable) -> dict[str, float]:
    terms: dict[str, list[float]] = {}
    for action in layer.actions:
        terms.setdefault(action.part, []).append(table.action_pj(action))
    for memory, traffic in layer.traffic.items():
        terms[f"{memory}_memory"] = [table.traffic_pj(traffic)]
    return {part: fsum(values) for part, values in terms.items()}


def energy_of(counts: NetworkCounts, table: EnergyTable) -> Energy:
    """Energy of the counted network with `table`, per image."""
    layers = tuple(_layer_energy(layer, table) for layer in counts.layers)
    return Energy(table.name, layers, table.stream_pj(counts.stream_bits))
