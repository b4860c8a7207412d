"""A standard-cell library in Liberty format: what switching its cells takes, in pJ."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean

from bcsim.common.errors import BcsimError

__all__ = ["Cell", "Library", "read_library"]

LOAD_PF, SLEW_NS = 0.025, 0.18
"""Where a cell's tables of internal energy are read: a fan-out of two to three, and the slope that such a load has."""
TOKEN = re.compile(r'"[^"]*"|[^\s"(){};:,]+|[(){};:]')
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Group:
    """`name(argument) { ... }`, with its attributes and inner groups in the file's order."""

    name: str
    argument: str
    attributes: Mapping[str, str]
    groups: tuple[Group, ...]

    def named(self, *names: str) -> Iterator[Group]:
        return (group for group in self.groups if group.name in names)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. Energies in pJ a transition, the mean of rise and fall.

    loads : the capacitance of each input, pF. internal : what the cell itself takes when a pin changes.
    clock : the clock input of a flip-flop, else empty.
    """

    name: str
    area: float
    leakage_nw: float
    loads: Mapping[str, float]
    internal: Mapping[str, float]
    outputs: frozenset[str]
    clock: str


@dataclass(frozen=True)
class Library:
    """The cells of a file, at one supply voltage."""

    path: Path
    volts: float
    cells: Mapping[str, Cell]

    @cached_property
    def half_square(self) -> float:
        """V * V / 2: pJ a transition and pF."""
        return self.volts * self.volts / 2


def read_library(path: Path) -> Library:
    """The library of a file; raises BcsimError where it is none, or has no energies."""
    try:
        text = COMMENT.sub("", path.read_text("utf-8"))
        library = next(_groups(iter(TOKEN.findall(text.replace("\\\n", " ")))))
        volts = float(library.attributes["nom_voltage"])
    except (OSError, UnicodeDecodeError, StopIteration, KeyError, ValueError) as error:
        raise BcsimError(f"{path} is not a readable Liberty file of cells with a nom_voltage") from error
    cells = {cell.name: cell for cell in map(_cell, library.named("cell"))}
    if not any(cell.internal for cell in cells.values()):
        raise BcsimError(f"{path} has no internal_power; a library with energies is needed")
    return Library(path, volts, cells)


def _groups(tokens: Iterator[str]) -> Iterator[Group]:
    """The groups from here to the end of the enclosing one."""
    yield from _body(tokens)[1]


def _body(tokens: Iterator[str]) -> tuple[dict[str, str], list[Group]]:
    attributes: dict[str, str] = {}
    groups: list[Group] = []
    for name in tokens:
        if name == "}":
            break
        if name == ";":
            continue
        if next(tokens) == ":":
            attributes[name] = next(tokens).strip('"')
            continue
        argument = " ".join(iter(lambda: next(tokens), ")")).replace('"', "")
        if (following := next(tokens, ";")) == "{":
            groups.append(Group(name, argument, *_frozen(_body(tokens))))
        else:
            attributes[name] = argument
            if following == "}":
                break
    return attributes, groups


def _frozen(body: tuple[dict[str, str], list[Group]]) -> tuple[Mapping[str, str], tuple[Group, ...]]:
    return body[0], tuple(body[1])


def _cell(cell: Group) -> Cell:
    pins = list(cell.named("pin"))
    inputs = [pin for pin in pins if pin.attributes.get("direction") == "input"]
    internal = {pin.argument: energy for pin in pins if (energy := _internal(pin))}
    return Cell(
        cell.argument,
        float(cell.attributes.get("area", 0)),
        float(cell.attributes.get("cell_leakage_power", 0)),
        {pin.argument: float(pin.attributes.get("capacitance", 0)) for pin in inputs},
        internal,
        frozenset(pin.argument for pin in pins if pin.attributes.get("direction") == "output"),
        next((pin.argument for pin in inputs if pin.attributes.get("clock") == "true"), ""),
    )


def _internal(pin: Group) -> float:
    """pJ a transition: the mean over rise and fall, and over the inputs that may cause it."""
    tables = [
        table
        for power in pin.named("internal_power")
        for table in power.named("rise_power", "fall_power", "power")
    ]
    return mean(map(_entry, tables)) if tables else 0.0


def _entry(table: Group) -> float:
    """The table's entry nearest to LOAD_PF and SLEW_NS; a table of one index has slopes only."""
    axes = [_numbers(table.attributes[name]) for name in ("index_1", "index_2") if name in table.attributes]
    wanted = (SLEW_NS,) if len(axes) == 1 else (LOAD_PF, SLEW_NS)
    place = 0
    for axis, value in zip(axes, wanted, strict=True):
        place = place * len(axis) + min(range(len(axis)), key=lambda i: abs(axis[i] - value))
    return _numbers(table.attributes["values"])[place]


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.replace(",", " ").split()]
