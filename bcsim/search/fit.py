"""The best machine for a network on a part: every shape that fits, as far as its bound could still be the best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from math import ceil

from bcsim.common.console import track
from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.batch import batch_obstacle
from bcsim.compiler.program.layers import Program
from bcsim.costs.energy import TABLES, EnergyTable, load_table
from bcsim.costs.external_memories import with_memory
from bcsim.costs.fpga_model import piped
from bcsim.costs.parts import Part, larger_part
from bcsim.machine.limits import DIGITS
from bcsim.machine.parameters import Machine
from bcsim.search.point import Point, evaluate

__all__ = ["OBJECTIVES", "Fit", "fit_part"]

OBJECTIVES: Mapping[str, Callable[[Point], float]] = {
    "fps": lambda point: -point.images_per_second,
    "latency": lambda point: point.latency_us,
    "energy": lambda point: point.energy_pj,
    "area": lambda point: point.size.luts + 100 * point.size.memories,
}
"""What is made as small as it can be; a block memory counts as 100 LUTs in the area."""

LANES = (2, 4, 8, 16, 32, 64, 128, 256)
ROUNDS = (1, 2, 4, 8, 16)
"""Elements for each requantiser."""
STRIPS = (1, 2, 4, 8)
LUTS_OF_LANE = {8: 8.0, 4: 5.0, 2: 3.2, 1: 2.3}
"""Of a processing element's lane, at least, on any family, by digit: what is larger than the part is left out."""
TRIED = 400
"""Machines that are scheduled at most; they are tried in the order of their bounds."""
FULL = 0.9
"""Of a part's LUTs, what place and route still finds room for."""


@dataclass(frozen=True, slots=True)
class Fit:
    """best : the machine found. tried, possible : machines scheduled, and those that were not ruled out before.

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
    table = load_table(energy_table)
    value = OBJECTIVES[objective]
    # Several images at once save energy alone, and cost latency and memory.
    shapes = _candidates(program, part, clock, memory, batches=objective == "energy")
    candidates = sorted(shapes, key=lambda pair: pair[0])
    best: Point | None = None
    faster: Point | None = None
    tried = 0
    for bound, machine in track(candidates[:TRIED], f"Machines for {part.name}"):
        if objective in ("fps", "latency") and best and bound >= best.cycles * _clock_room(best, clock):
            break
        point = _sized(program, machine, part, table, clock)
        tried += 1
        if point is None:
            continue
        if not _fits(point, part):
            if faster is None or value(point) < value(faster):
                faster = point
            continue
        if best is None or value(point) < value(best):
            best = point
    if best is None:
        raise BcsimError(_nothing_fits(program, part, faster, memory))
    larger = larger_part(part) if look_larger else None
    more = _on_larger(program, larger, objective, clock, memory, energy_table) if larger else None
    return Fit(best, part, objective, tried, len(candidates), _limit(best, faster, part, value), more, larger)


def _clock_room(best: Point, clock: float | None) -> float:
    """By how much a machine of more cycles could be better: smaller ones clock up to a fifth faster."""
    return 1.0 if clock else 1.2


def _candidates(
    program: Program, part: Part, clock: float | None, memory: str | None, *, batches: bool = False
) -> Iterator[tuple[float, Machine]]:
    """Every shape that might fit, with the least cycles that it could take.

    batches : whether to try several images at once, of a network that can be taken so.
    """
    spatial = not all(layer.geometry.point for layer in program.layers)
    batches = batches and not batch_obstacle(program.layers)
    strips = STRIPS if spatial or batches else (1,)
    widest = max(layer.source.bits for layer in program.layers)
    for lanes, digit, rounds, reuse in product(LANES, DIGITS, ROUNDS, strips):
        for pes in LANES:
            requantisers = max(1, pes // rounds)
            if pes % requantisers or lanes % requantisers or digit > widest:
                continue
            if (reuse > 1 or (memory and spatial)) and pes % lanes:
                continue
            if lanes * pes * LUTS_OF_LANE[digit] > part.luts or pes < rounds:
                continue
            shape = Machine(
                name="fitted",
                lanes=lanes,
                pes=pes,
                digit=digit,
                activation_bits=8,
                requantisers=requantisers,
                reuse=reuse,
                batch=reuse if batches else 1,
                spatial=spatial or reuse > 1,
                input_bytes=min(4, lanes & -lanes),
                clock_mhz=100.0 if clock is None else clock,
                loading=False,
                counters=False,
                readable_parameters=False,
                watchdog=False,
            )
            machine = piped(shape, part)
            yield _bound(program, machine), with_memory(machine, memory) if memory else machine


def _bound(program: Program, machine: Machine) -> float:
    """Cycles that no schedule goes below: of the array, or of the requantisers, layer by layer.

    Of several images at once more of a layer's drain may overlap with the next layer: there it is an estimate, by which
    machines are put in order and none is left out.
    """
    total = 0.0
    for layer in program.layers:
        geometry = layer.geometry
        rows, columns = geometry.windows
        digits = ceil(layer.source.bits / machine.digit)
        taps = layer.inputs
        steps = ceil(taps / machine.lanes) * ceil(layer.outputs / machine.pes) * digits * len(layer.planes)
        drain = ceil(layer.outputs / machine.requantisers) * layer.target.bits
        total += rows * columns * max(steps, drain)
    return total


def _sized(
    program: Program, machine: Machine, part: Part, table: EnergyTable, clock: float | None
) -> Point | None:
    """The point, with as many weights on the chip as the part has room for where the others can stream."""
    try:
        if not machine.weight_stream_bytes:
            return evaluate(program, machine, part, table, clock)
        whole = evaluate(program, replace(machine, weight_words=1 << 24), part, table, clock)
        words = whole.machine.weight_words
        while not whole.size.memories <= part.memories and words > 64:
            words //= 2
            whole = evaluate(program, replace(machine, weight_words=words), part, table, clock)
        return whole
    except BcsimError:
        return None


def _fits(point: Point, part: Part) -> bool:
    return point.size.fits(part) and point.size.luts <= FULL * part.luts


def _lacks(point: Point, part: Part) -> str:
    size = point.size
    wants = (
        ("LUTs", size.luts, round(FULL * part.luts)),
        ("flip-flops", size.flip_flops, part.flip_flops),
        ("block memories", size.memories, part.memories),
    )
    return ", ".join(f"{used:,} {noun} of {most:,}" for noun, used, most in wants if used > most)


def _limit(best: Point, faster: Point | None, part: Part, value: Callable[[Point], float]) -> str:
    if faster is None or value(faster) >= value(best):
        return "nothing: no machine that was tried would be better on a larger part"
    m = faster.machine
    return f"a better one of {m.lanes} x {m.pes} lanes, p = {m.digit}, would take {_lacks(faster, part)}"


def _nothing_fits(program: Program, part: Part, least: Point | None, memory: str | None) -> str:
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
