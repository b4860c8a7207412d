"""A candidate with as much of what is shared as the part has room for: weights on the chip, input buffers."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.layers import Program
from bcsim.costs.external_memories import with_memory
from bcsim.costs.fpga_model import estimate
from bcsim.costs.memory_use import memory_use
from bcsim.costs.parts import Part
from bcsim.machine.parameters import Machine
from bcsim.search.point import Point, SizedMachine, size_machine

__all__ = ["FULL", "excess", "fits", "largest_memory", "least_luts", "sized"]

FULL = 0.9
"""Of a part's LUTs, what place and route still finds room for."""
WORDS, MOST_WORDS = 64, 1 << 24
"""Steps of a weight memory whose other weights stream, and one for every network."""
LEAST_ACCUMULATOR = 10


def sized(
    program: Program, machine: Machine, part: Part, clock: float | None, memory: str | None = None
) -> SizedMachine | None:
    """The machine, with as many weights on the chip as the part has room for where the others can stream.

    None where no such machine takes the network. One input buffer is enough where two keep the activations out of the
    part's memories of one port. The others stream from `memory` at the clock that the machine is found to have.
    """
    try:
        found = _with_room(program, machine, part, clock)
        if machine.activation_banks > 1 and not found.size.single_ports:
            machine = replace(machine, input_buffers=1)
            found = _with_room(program, machine, part, clock)
        return _at_clock(program, machine, part, memory, found) if memory else found
    except BcsimError:
        return None


def _at_clock(
    program: Program, machine: Machine, part: Part, memory: str, found: SizedMachine
) -> SizedMachine:
    """The same with the port that the memory fills at its clock, which then is given: the port changes it little."""
    clock = found.clock_mhz
    streamed = with_memory(replace(machine, clock_mhz=clock), memory)
    if replace(streamed, clock_mhz=machine.clock_mhz) == machine:
        return found
    return _with_room(program, streamed, part, clock)


def _with_room(program: Program, machine: Machine, part: Part, clock: float | None) -> SizedMachine:
    if not machine.weight_stream_bytes:
        return size_machine(program, machine, part, clock)
    whole = size_machine(program, replace(machine, weight_words=MOST_WORDS), part, clock)
    if whole.size.memories <= part.memories:
        return whole
    words = _words_for(whole.machine, part)
    return size_machine(program, replace(machine, weight_words=words), part, clock)


def _words_for(machine: Machine, part: Part) -> int:
    """The most weight words, in steps, with which the machine's memories are no more than the part's."""

    def blocks(steps: int) -> int:
        smaller = replace(machine, weight_words=steps * WORDS)
        return sum(use.blocks for use in memory_use(smaller, part.family, part.single_ports))

    return WORDS * max(
        1, bisect_right(range(1, machine.weight_words // WORDS + 1), part.memories, key=blocks)
    )


def fits(point: Point | SizedMachine, part: Part) -> bool:
    """Whether the part holds the machine, with room to place and route it."""
    return point.size.fits(part) and point.size.cells(part) <= FULL * part.luts


def excess(point: Point | SizedMachine, part: Part) -> float:
    """How many times what the part has the machine takes of what it lacks most."""
    size = point.size
    return max(
        size.cells(part) / (FULL * part.luts),
        size.flip_flops / part.flip_flops,
        size.memories / part.memories,
    )


def least_luts(machine: Machine, part: Part) -> int:
    """LUTs that the machine takes for any network, about: accumulators and memories as small as they could be."""
    least = replace(
        machine,
        activation_bits=machine.digit,
        accumulator_bits=LEAST_ACCUMULATOR,
        fraction_bits=0,
        activation_words=2,
        weight_words=1,
        parameter_words=2,
        layers=1,
        outputs=1,
        record_bits="",
    )
    return estimate(least, part.family).luts


def largest_memory(point: Point | SizedMachine, part: Part) -> str:
    """Which memory takes most of the blocks, and how many; empty where none does."""
    uses = memory_use(point.machine, part.family, part.single_ports)
    largest = max(uses, key=lambda use: use.blocks)
    return f"the {largest.name} memory alone {largest.blocks:,}" if largest.blocks else ""
