"""The steps that an issue walker should issue, in plain Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bcsim.machine.latency import LAYER_GAP

__all__ = ["IssuedStep", "issue_steps"]


@dataclass(frozen=True, slots=True)
class IssuedStep:
    """A step as docs/machine.md orders it; `weight` counts in weight words, `first_digit` reads one."""

    cycle: int
    activation: int
    weight: int
    first_digit: bool
    last_digit: bool
    double: bool
    last: bool


def issue_steps(
    records: Sequence[Mapping[str, int]], loaded: Sequence[bool], free: Sequence[bool], *, buffers: int
) -> list[IssuedStep]:
    """What an IssueWalker does in the cycles 0 to len(loaded) - 1, of which 0 is the first that can start a layer.

    loaded, free : the walker's inputs in these cycles.
    """
    steps: list[IssuedStep] = []
    image, ready, timer = 0, 0, 0
    while True:
        weight = 0
        for record in records:
            start = next(
                (u for u in range(ready, len(loaded)) if _may_start(record, loaded[u], free[u])), None
            )
            if start is None:
                return [step for step in steps if step.cycle < len(loaded)]
            cycle = start + 1
            odd = record["first"] and image % buffers
            for tile in range(record["tiles"] + 1):
                walk = _tile(record, record["read_base_odd" if odd else "read_base"], weight)
                weight += (record["planes"] + 1) * (record["chunks"] + 1)
                cycles = list(range(cycle, cycle + len(walk)))
                cycles[-1] = max(cycles[-1], timer)
                last_tile = tile == record["tiles"]
                timer = cycles[-1] + record["drain_last" if last_tile else "drain_full"] + last_tile
                cycle = cycles[-1] + 1
                steps += [IssuedStep(at, *fields) for at, fields in zip(cycles, walk, strict=True)]
            following = records[(records.index(record) + 1) % len(records)]
            ready = cycles[-1] + max(LAYER_GAP, following["wait"]) - 1
        image += 1


def _may_start(record: Mapping[str, int], loaded: bool, free: bool) -> bool:
    return (loaded or not record["first"]) and (free or not record["scores"])


def _tile(record: Mapping[str, int], base: int, weight: int) -> list[tuple[int, int, bool, bool, bool, bool]]:
    """The fields of IssuedStep behind `cycle` for one tile."""
    planes, chunks, digits = record["planes"], record["chunks"], record["digits"]
    return [
        (
            base + chunk * (digits + 1) + digit,
            weight + plane * (chunks + 1) + chunk,
            digit == 0,
            digit == digits,
            chunk == 0 and bool(record["doubles"] >> plane & 1),
            (plane, chunk, digit) == (planes, chunks, digits),
        )
        for plane in range(planes + 1)
        for chunk in range(chunks + 1)
        for digit in range(digits + 1)
    ]
