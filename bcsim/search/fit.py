"""The best machine for a network on a part: every shape that fits, as far as its bound could still be the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bcsim.common.console import track
from bcsim.common.errors import BcsimError
from bcsim.compiler.program.layers import Program
from bcsim.costs.energy import TABLES, EnergyTable, load_table
from bcsim.costs.parts import Part, larger_part
from bcsim.machine.parameters import Machine
from bcsim.search.candidates import candidates
from bcsim.search.point import Point, SizedMachine, at_best, schedule
from bcsim.search.room import FULL, excess, fits, largest_memory, least_luts, sized
from bcsim.simulator.cycles import least_cycles

__all__ = ["OBJECTIVES", "Fit", "fit_part"]

OBJECTIVES: Mapping[str, Callable[[Point], float]] = {
    "fps": lambda point: -point.images_per_second,
    "latency": lambda point: point.latency_us,
    "energy": lambda point: point.energy_pj,
    "area": lambda point: point.size.luts + 100 * point.size.memories,
}
"""What is made as small as it can be; a block memory counts as 100 LUTs in the area."""

TRIED = 400
"""Machines that are scheduled at most; they are tried in the order of their bounds."""


@dataclass(frozen=True, slots=True)
class Fit:
    """best : the machine found. tried : machines scheduled. possible : those that were not ruled out by their lanes.

    limit : what keeps the next faster machine off the part. larger : the best on the next larger part, if there is one.
    """

    best: Point
    part: Part
    objective: str
    tried: int
    possible: int
    limit: str
    larger: Point | None = None
    larger_part: Part | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every machine.

    clock : MHz, None for what place and route is estimated to reach. memory : from which weights stream, or None.
    """

    program: Program
    part: Part
    objective: str
    clock: float | None
    table: EnergyTable
    memory: str | None = None

    def sized(self, machine: Machine) -> SizedMachine | None:
        """The machine, sized for the network and the part; None where it takes no such network."""
        return sized(self.program, machine, self.part, self.clock, self.memory)

    def point(self, machine: SizedMachine) -> Point:
        """The machine with its cycles."""
        return schedule(machine, self.table)

    def value(self, point: Point) -> float:
        """What is to be small."""
        return OBJECTIVES[self.objective](point)

    def could_beat(self, best: Point | None, machine: SizedMachine, bound: float) -> bool:
        """Whether the machine would be better if it took no more cycles than its bound."""
        return best is None or self.value(at_best(machine, self.table, bound)) < self.value(best)

    def room(self, best: Point | None) -> float:
        """The bound from which on no machine is better; others clock up to a quarter faster."""
        if best is None or self.objective not in ("fps", "latency"):
            return float("inf")
        return best.cycles * (1.0 if self.clock or self.part.delay is None else 1.25)


@dataclass(slots=True)
class Search:
    """What was found so far. tried : machines scheduled.

    outside : machines that do not fit, behind what they take of what they lack most and their bounds; large : those
    that were not even sized, behind the least LUTs that they take.
    """

    question: Question
    best: Point | None = None
    outside: list[tuple[float, float, Machine]] = field(default_factory=list)
    large: list[tuple[int, float, Machine]] = field(default_factory=list)
    tried: int = 0

    def run(self, ordered: Sequence[tuple[float, Machine]]) -> None:
        """Look at machines in the order of their bounds until none could be better, or TRIED were scheduled."""
        part = self.question.part
        for bound, machine in track(ordered, f"Machines for {part.name}"):
            if bound >= self.question.room(self.best) or self.tried >= TRIED:
                break
            if (luts := least_luts(machine, part)) > FULL * part.luts:
                self.large.append((luts, bound, machine))
            else:
                self._try(bound, machine)

    def _try(self, bound: float, machine: Machine) -> None:
        question = self.question
        found = question.sized(machine)
        if found is None:
            return
        if not fits(found, question.part):
            self.outside.append((excess(found, question.part), bound, machine))
        elif question.could_beat(self.best, found, max(bound, least_cycles(found.placement))):
            self.tried += 1
            point = question.point(found)
            if self.best is None or question.value(point) < question.value(self.best):
                self.best = point

    def nearest(self) -> SizedMachine | None:
        """Of the machines that would be better and do not fit, the one that lacks least."""
        found = [self._first_better(sorted(self.outside, key=lambda entry: entry[:2]))]
        if self.large:
            found.append(self._first_better([min(self.large, key=lambda entry: entry[:2])]))
        return min(filter(None, found), key=lambda machine: excess(machine, self.question.part), default=None)

    def _first_better(self, ordered: Sequence[tuple[float, float, Machine]]) -> SizedMachine | None:
        found = ((bound, self.question.sized(machine)) for _, bound, machine in ordered)
        return next((machine for bound, machine in found if machine and self._better(machine, bound)), None)

    def _better(self, machine: SizedMachine, bound: float) -> bool:
        question, best = self.question, self.best
        if best is None:
            return True
        return question.could_beat(best, machine, bound) and question.value(
            question.point(machine)
        ) < question.value(best)


def fit_part(
    program: Program,
    part: Part,
    *,
    objective: str = "fps",
    clock: float | None = None,
    memory: str | None = None,
    energy_table: str = TABLES[0],
    look_larger: bool = True,
) -> Fit:
    """The best machine for `program` on `part`.

    clock : MHz, by default what place and route is estimated to reach, or 100.
    memory : a named external memory from which weights stream that do not fit; without one all weights are on the chip.
    look_larger : whether to say what the next larger part would give.

    Raises BcsimError where no machine fits the part, with what each one lacks.
    """
    if objective not in OBJECTIVES:
        raise BcsimError(f"Objective must be one of {', '.join(OBJECTIVES)}, not {objective!r}")
    # Several images at once save energy alone, and cost latency and memory.
    shapes = candidates(program, part, clock, memory, batches=objective == "energy")
    ordered = sorted(shapes, key=lambda pair: pair[0])
    search = Search(Question(program, part, objective, clock, load_table(energy_table), memory))
    search.run(ordered)
    nearest = search.nearest()
    if search.best is None:
        raise BcsimError(_nothing_fits(program, part, nearest, memory))
    larger = larger_part(part) if look_larger else None
    more = _on_larger(program, larger, objective, clock, memory, energy_table) if larger else None
    limit = _limit(nearest, part)
    return Fit(search.best, part, objective, search.tried, len(ordered), limit, more, larger)


def _lacks(point: SizedMachine, part: Part) -> str:
    size, memory = point.size, largest_memory(point, part)
    wants = (
        ("logic cells" if part.lone else "LUTs", size.cells(part), round(FULL * part.luts)),
        ("flip-flops", size.flip_flops, part.flip_flops),
        (f"block memories{memory and f' ({memory})'}", size.memories, part.memories),
    )
    return ", ".join(f"{used:,} of {most:,} {noun}" for noun, used, most in wants if used > most)


def _limit(nearest: SizedMachine | None, part: Part) -> str:
    if nearest is None:
        return "nothing: no machine that was tried would be better on a larger part"
    m = nearest.machine
    return f"a better one of {m.lanes} x {m.pes} lanes, p = {m.digit}, would take {_lacks(nearest, part)}"


def _nothing_fits(program: Program, part: Part, least: SizedMachine | None, memory: str | None) -> str:
    hint = "" if memory else "; weights may stream from a memory beside it: --memory NAME"
    lacking = f", the nearest takes {_lacks(least, part)}" if least else ""
    return f"No machine for {program.name} fits the {part.name}{lacking}{hint}"


def _on_larger(
    program: Program, part: Part, objective: str, clock: float | None, memory: str | None, energy_table: str
) -> Point | None:
    try:
        return fit_part(
            program,
            part,
            objective=objective,
            clock=clock,
            memory=memory,
            energy_table=energy_table,
            look_larger=False,
        ).best
    except BcsimError:
        return None
