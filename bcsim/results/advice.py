"""What would make a machine faster for a program: computed by scheduling the changed machine, never guessed."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import replace
from typing import NamedTuple

from bcsim.common.errors import BcsimError
from bcsim.common.formatting import count, percent, ratio
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.simulator.utilisation import steady_lane_cycles

__all__ = ["advise"]

SHARE = 0.2
"""Part of all lane-cycles from which on a stall is worth a word."""

GAIN = 0.9
"""Of the cycles, what a change must leave at most to be told."""


class Remedy(NamedTuple):
    """The parameter that is doubled against a stall, and what the lanes wait for."""

    parameter: str
    waits: str


REMEDIES: MappingType[str, Remedy] = {
    "drain": Remedy("requantisers", "the requantisers"),
    "input": Remedy("input_bytes", "the input stream"),
    "weight_load": Remedy("weight_stream_bytes", "the weight stream"),
}


def advise(mapping: Mapping, steady: MappingType[str, float], cycles: float) -> tuple[str, ...]:
    """A sentence for every cause that holds up a fifth of all lane-cycles and that one doubled parameter relieves.

    steady, cycles : lane-cycles by cause, and cycles, of one image once images follow each other.
    """
    found = []
    for cause, remedy in REMEDIES.items():
        share = steady[cause] / sum(steady.values())
        value = 2 * getattr(mapping.machine, remedy.parameter)
        faster = _cycles(mapping, remedy.parameter, value) if share >= SHARE else None
        if faster is not None and faster <= GAIN * cycles:
            found.append(
                f"{percent(share, 0)} of all lane-cycles wait for {remedy.waits}: {remedy.parameter}={value} would "
                f"take {count(faster)} cycles per image instead of {count(cycles)}, {ratio(faster / cycles)}"
            )
    return tuple(found)


def _cycles(mapping: Mapping, parameter: str, value: int) -> float | None:
    """Cycles per image on the machine with another value of a parameter; None where there is no such machine."""
    try:
        changed = replace(mapping.machine, name="custom", **{parameter: value})  # type: ignore[arg-type]
        return steady_lane_cycles(map_program(mapping.program, changed))[1]
    except BcsimError:
        return None
