"""Verilator's coverage points: which lines, branches and toggles of each module were met, and why others cannot be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "CONSTANT",
    "UNREACHABLE",
    "Constants",
    "Module",
    "Point",
    "by_module",
    "kinds",
    "read_points",
    "reason",
    "without_time_zero",
]

POINT = re.compile(rb"^C '(.*)' (\d+)$", re.MULTILINE)
TOGGLE = re.compile(r"(?P<signal>.*?)(?:\[(?P<bit>\d+)\])?:[01]->[01]")
TIME_ZERO = re.compile(r"^.*at_time_zero.*\n|^  // Its change at time 0.*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Point:
    """A line or branch (`place` is its number) or one direction of a bit (`place` is its signal).

    path : of the module's instances, with * for what differs.
    """

    module: str
    path: str
    kind: str
    place: str
    bit: int
    detail: str


UNREACHABLE: tuple[tuple[str, str, int, str], ...] = (
    ("counters", r"value|signal\w*", 14, "2^14 of what is counted since a start"),
    ("counters", r"signature___05Fdata", 14, "2^14 of what is counted since a start"),
    ("counters", r"carry\w*", 0, "a carry into a high half comes behind 2^32 cycles"),
    ("registers", r"counters_value", 14, "2^14 of what is counted since a start"),
    ("watchdog", r"after|signal\w*", 1, "an image of 2 * 4,096 cycles and more"),
    (r".*", r"\w*fault\w*", 0, "a bit of a program memory that flips by itself"),
)
"""Toggles that no run of minutes sees, beside constants: patterns of module and signal, the first bit, and why."""
CONSTANT = "constant in this machine: Yosys drives it by 0 or 1"


@dataclass(slots=True)
class Module:
    """Points of a module that were met and all of them, by kind, and the toggles left out, by reason."""

    met: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    missed: list[Point] = field(default_factory=list)


def without_time_zero(verilog: str) -> str:
    """Verilog without the register that has Icarus evaluate constant blocks once: Verilator does so anyway."""
    return TIME_ZERO.sub("", verilog)


def read_points(data: bytes) -> dict[Point, int]:
    """How often each point of a coverage.dat was met. A module's instances count together."""
    found: Counter[Point] = Counter()
    for body, count in POINT.findall(data):
        fields = dict(part.split("\2", 1) for part in body.decode().split("\1") if part)
        kind, module = fields["page"].removeprefix("v_").split("/")
        toggle = TOGGLE.fullmatch(fields["o"]) if kind == "toggle" else None
        place, bit = (toggle["signal"], int(toggle["bit"] or 0)) if toggle else (fields["l"], 0)
        found[Point(module, fields["h"], kind, place, bit, fields["o"])] += int(count)
    return found


class Constants:
    """Which bits of a flat netlist are driven by a constant.

    netlist : what Yosys' write_json leaves of the optimised design. top : its module.
    """

    def __init__(self, netlist: Mapping[str, Any], top: str) -> None:
        self._nets = {name: net["bits"] for name, net in netlist["modules"][top]["netnames"].items()}
        self._top = top

    def holds(self, point: Point) -> bool:
        """Whether a toggle's bit is constant in every instance of its module."""
        path = point.path.removeprefix(self._top).lstrip(".")
        pattern = f"{path}.{point.place}" if path else point.place
        bits = [self._nets[name][point.bit] for name in self._named(pattern) if name in self._nets]
        return bool(bits) and all(isinstance(bit, str) for bit in bits)

    def _named(self, pattern: str) -> Iterable[str]:
        if "*" not in pattern:
            return (pattern,)
        wanted = re.compile(re.escape(pattern).replace(r"\*", r"[\w.]+"))
        return (name for name in self._nets if wanted.fullmatch(name))


def reason(point: Point, constants: Constants) -> str:
    """Why a toggle cannot be met in a run of minutes; nothing where it can."""
    if point.kind != "toggle":
        return ""
    for module, signal, first, why in UNREACHABLE:
        block = re.sub(r"_\d+$", "", point.module)
        if re.fullmatch(module, block) and re.fullmatch(signal, point.place) and point.bit >= first:
            return why
    return CONSTANT if constants.holds(point) else ""


def by_module(points: Mapping[Point, int], constants: Constants) -> dict[str, Module]:
    """The points of each module of one design: lines, where branches count among them, and toggles."""
    modules: dict[str, Module] = {}
    for point, count in points.items():
        module = modules.setdefault(point.module, Module())
        kind = "toggles" if point.kind == "toggle" else "lines"
        module.total[kind] += 1
        module.met[kind] += count > 0
        if not count and (why := reason(point, constants)):
            module.excused[why] += 1
        elif not count:
            module.missed.append(point)
    return modules


def kinds(modules: Iterable[str]) -> dict[str, str]:
    """The block that each module is a variant of: its name without a number."""
    return {module: re.sub(r"_\d+$", "", module) for module in modules}
