"""The machines that a search looks at: every shape that might fit a part, with the least cycles that it could take."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import ceil

from bcsim.compiler.mapping.batch import batch_obstacle
from bcsim.compiler.program.layers import Program
from bcsim.costs.external_memories import find_memory, with_memory
from bcsim.costs.fpga_model import estimate_clock, piped
from bcsim.costs.memory_blocks import block_bits
from bcsim.costs.parts import Part
from bcsim.machine.limits import DIGITS
from bcsim.machine.parameters import Machine

__all__ = ["candidates"]

LANES = (2, 4, 8, 16, 32, 64, 128, 256)
ROUNDS = (1, 2, 4, 8, 16)
"""Elements for each requantiser."""
STRIPS = (1, 2, 4, 8)
LUTS_OF_LANE = {8: 8.0, 4: 5.0, 2: 3.2, 1: 2.3}
"""Of a processing element's lane, at least, on any family, by digit: what is larger than the part is left out."""


def candidates(
    program: Program, part: Part, clock: float | None, memory: str | None, *, batches: bool = False
) -> Iterator[tuple[float, Machine]]:
    """Every shape that might fit, with the least cycles that it could take.

    batches : whether to try several images at once, of a network that can be taken so.
    """
    spatial = not all(layer.geometry.point for layer in program.layers)
    batches = batches and not batch_obstacle(program.layers)
    strips = STRIPS if spatial or batches else (1,)
    widest = max(layer.source.bits for layer in program.layers)
    banks = (1, 2) if part.single_ports else (1,)
    drains = (1, 2) if spatial else (1,)
    # Half a subtraction a cycle pays where the clock follows from it.
    halves = (1, 2) if clock is None and part.delay and part.delay.remainder else (1,)
    shapes = product(LANES, DIGITS, ROUNDS, strips, banks, drains, halves)
    for lanes, digit, rounds, reuse, bank, drain, divide in shapes:
        if drain > reuse:
            continue
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
                drains=drain,
                divide_cycles=divide,
                batch=reuse if batches else 1,
                spatial=spatial or reuse > 1,
                activation_banks=bank,
                input_bytes=min(4, lanes & -lanes),
                clock_mhz=clock or 100.0,
                loading=False,
                counters=False,
                readable_parameters=False,
                watchdog=False,
            )
            machine = piped(shape, part)
            machine = with_memory(machine, memory) if memory else machine
            streamed = _stream_bound(program, machine, part, clock, memory) if memory else 0.0
            yield max(_bound(program, machine), streamed), machine


def _bound(program: Program, machine: Machine) -> float:
    """Cycles that no schedule goes below: of the array, or of the requantisers, layer by layer.

    Of several images at once more of a layer's drain may overlap with the next layer: there it is an estimate, which
    only puts machines in order.
    """
    total = 0.0
    for layer in program.layers:
        geometry = layer.geometry
        rows, columns = geometry.windows
        digits = ceil(layer.source.bits / machine.digit)
        taps = layer.inputs
        steps = ceil(taps / machine.lanes) * ceil(layer.outputs / machine.pes) * digits * len(layer.planes)
        drain = ceil(layer.outputs / machine.requantisers) * layer.target.bits
        total += rows * columns * max(steps, drain / machine.drains)
    return total


def _stream_bound(program: Program, machine: Machine, part: Part, clock: float | None, memory: str) -> float:
    """Cycles that the weights take which the part has no room for, an image, at the least clock that it may have."""
    weights = sum(layer.outputs * layer.inputs * len(layer.planes) for layer in program.layers)
    left = max(0, weights - part.memories * block_bits(part.family))
    least = clock or estimate_clock(machine, part, part.memories) or machine.clock_mhz
    return left / 8 / find_memory(memory).rate(least) / machine.batch
