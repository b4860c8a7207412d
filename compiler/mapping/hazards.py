"""Hazards: how long a layer's first step must hold back so that no word is read before it is written.

Letters in shapes: K words of a tensor, Q passes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.program.geometry import Pool, taps
from bcsim.machine.latency import LAYER_GAP, shadow_latency
from bcsim.machine.parameters import Machine

__all__ = [
    "drain_cycles",
    "first_reads",
    "hazard_cycles",
    "pass_intervals",
    "pass_steps",
    "round_writes",
    "writing_passes",
]

# Half of what int64 holds, so that a cycle can be added or taken away.
NEVER = np.iinfo(np.int64).max // 2


def hazard_cycles(
    nest: LoopNest, sources: Sequence[int], before: Sequence[LoopNest], machine: Machine
) -> int:
    """Least cycles from the last step of the layer before `nest` to its own first step.

    sources : indices, in `before`, of the layers that it reads; negative for the input.

    A source's words are written at latest as `_last_writes` says, counted from its own last step; the layers between
    it and `nest` take at least their steps. The layer before must also have written its last digits before the
    first of `nest` are written, which may come sooner behind a round's first cycle. Where activation memories have
    one port it must have written everything before the first step, which may read what it wrote to.
    """
    wait = 0
    # A search writes 3 cycles a bit behind its round's first cycle, a division 1 cycle a bit: with 8 bits 16 cycles
    # sooner, which may be before the last round of a searched layer has written its digits.
    if before:
        last = before[-1]
        drained = last.turns(last.strip_last) * last.drain_last
        behind = (last.strip_last - 1) % last.drains * last.target_digits
        digits_end = drained - last.round_cycles + last.write_cycles + behind + last.target_digits
        wait = max(0, digits_end - int(pass_steps(nest)[0]) - nest.write_cycles + 1)
        if machine.activation_banks > 1:
            wait = max(wait, shadow_latency(machine) + digits_end)
    reads = first_reads(nest)
    for number, source in enumerate(sources):
        if source < 0:
            continue
        # Without their waits, which depend on the same writes: what lies between can only take longer.
        between = sum(LAYER_GAP + layer.steps - 1 for layer in before[source + 1 :])
        early = _last_writes(before[source], machine) + 1 - reads[number]
        wait = max(wait, int(early.max()) - between)
    return wait


def drain_cycles(nest: LoopNest) -> NDArray[np.int64]:
    """int64 (Q,): K * V of every pass, for each turn of its positions, in order of issue."""
    per_tile = np.full(nest.tiles, nest.drain_full, dtype=np.int64)
    per_tile[-1] = nest.drain_last
    if nest.streamed:
        by_pass = np.repeat(per_tile, nest.passes_of_tile)
    else:
        by_pass = np.tile(np.repeat(per_tile, nest.window), nest.strips)
    return by_pass * nest.turns(nest.pass_positions)


def pass_steps(nest: LoopNest) -> NDArray[np.int64]:
    """int64 (Q,): steps of every pass, in order of issue."""
    return nest.pass_positions * nest.steps_per_tile


def pass_intervals(nest: LoopNest) -> NDArray[np.int64]:
    """int64 (Q - 1,): least cycles from each pass's last step to the next one's."""
    return np.maximum(pass_steps(nest)[1:], drain_cycles(nest)[:-1])


def writing_passes(nest: LoopNest) -> NDArray[np.int64]:
    """int64 (positions, tiles): the passes whose rounds are written, the last of each pooling window."""
    position = np.arange(nest.positions, dtype=np.int64)[:, None]
    return nest.first_pass(position, np.arange(nest.tiles, dtype=np.int64)) + nest.window - 1


def round_writes(nest: LoopNest) -> NDArray[np.int64]:
    """int64 (positions, rounds): from a pass' first write, were it its first round's, to that of each round, in cycles.

    A pass's rounds go through its strip, `drains` positions at a time, which are written one behind the other.
    """
    tile, in_tile = np.divmod(np.arange(nest.rounds), nest.rounds_full)
    of_position = np.where(tile == nest.tiles - 1, nest.rounds_last, nest.rounds_full)
    turn, behind = np.divmod(nest.place_in_strip(np.arange(nest.positions, dtype=np.int64)), nest.drains)
    starts = (turn[:, None] * of_position + in_tile) * nest.round_cycles
    return np.asarray(starts + behind[:, None] * nest.target_digits, dtype=np.int64)


def _last_writes(nest: LoopNest, machine: Machine) -> NDArray[np.int64]:
    """int64 (K,): the latest cycle in which a word's last group is written, from the layer's last step.

    The first digit's; a word's other digits follow one a cycle, as they are read one a cycle.
    """
    # From the last step back: whatever stalls the layer, no pass ends later than the least intervals say.
    from_last = np.zeros(nest.passes, dtype=np.int64)
    from_last[:-1] = -np.cumsum(pass_intervals(nest)[::-1])[::-1]
    chunks = nest.output_pixel_words // nest.target_digits
    last_round = (np.arange(chunks) + 1) * machine.groups - 1
    passes = writing_passes(nest)[:, last_round // nest.rounds_full]
    begin = from_last[passes] + shadow_latency(machine) + round_writes(nest)[:, last_round]
    return np.asarray(begin + nest.write_cycles, dtype=np.int64).ravel()


def first_reads(nest: LoopNest) -> NDArray[np.int64]:
    """int64 (sources, positions * chunks of a source): earliest cycle in which a word's first digit is read.

    Counted from the layer's first step, if nothing holds it back; NEVER for words that are not read.
    """
    geometry = nest.geometry
    shape = (len(geometry.channels), geometry.height, geometry.width, nest.chunks_in_source)
    reads = np.full(shape, NEVER, dtype=np.int64)
    # Tiles that all read the same words read them first in tile 0; only tiles of whole groups have words of their own.
    for tile in range(nest.tiles if nest.tile_chunks else 1):
        for size in dict.fromkeys((nest.strip_full, nest.strip_last)):
            _note_reads(reads, nest, tile, size * nest.digits, _window_starts(nest, tile, size))
    return reads.reshape(shape[0], -1)


def _window_starts(nest: LoopNest, tile: int, size: int) -> NDArray[np.int64]:
    """int64 (windows,): the step in which one tile first reads each window, in strips of `size` positions.

    NEVER for windows that are none of theirs. Windows that several poolings share are read several times.
    """
    geometry, pool = nest.geometry, nest.geometry.pool or Pool((1, 1), (1, 1))
    steps, columns = pass_steps(nest), geometry.windows[1]
    before = np.cumsum(steps) - steps
    position = np.arange(nest.positions, dtype=np.int64)
    position = position[nest.strip_sizes[nest.strip_of(position)] == size]
    row, column = np.divmod(position, geometry.output[1])
    corner = (row * pool.stride[0] * columns + column * pool.stride[1])[:, None]
    first = nest.first_pass(position, np.full_like(position, tile))[:, None]
    late = nest.place_in_strip(position)[:, None] * nest.digits
    starts = np.full(geometry.windows[0] * columns, NEVER, dtype=np.int64)
    across = np.arange(pool.kernel[1])
    for down in range(pool.kernel[0]):
        found = before[first + down * pool.kernel[1] + across] + late
        np.minimum.at(starts, corner + down * columns + across, found)
    return starts


def _note_reads(
    reads: NDArray[np.int64], nest: LoopNest, tile: int, of_chunk: int, starts: NDArray[np.int64]
) -> None:
    """Lower `reads` to what one tile reads in windows of which each chunk takes `of_chunk` steps.

    starts : int64 (windows,), the step of each window's first chunk; NEVER for those that are left out.
    """
    _sources, height, width, in_source = reads.shape
    geometry = nest.geometry
    chunks = np.arange(tile * nest.tile_chunks, min(tile * nest.tile_chunks + nest.chunks, in_source))
    window = np.flatnonzero(starts < NEVER)
    start, (row, column) = starts[window], np.divmod(window, geometry.windows[1])
    rows, columns = (
        row * geometry.stride[0] - geometry.pads[0],
        column * geometry.stride[1] - geometry.pads[1],
    )
    for tap, (source, y, x) in enumerate(taps(geometry)):
        inside = (rows + y >= 0) & (rows + y < height) & (columns + x >= 0) & (columns + x < width)
        cycles = start[inside][:, None] + (tap * nest.chunks + np.arange(len(chunks))) * of_chunk
        index = (source, (rows + y)[inside][:, None], (columns + x)[inside][:, None], chunks[None, :])
        reads[index] = np.minimum(reads[index], cycles)
