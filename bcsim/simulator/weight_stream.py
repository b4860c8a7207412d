"""When streamed weights arrive: the words of the weight stream, tile by tile, into two slots (docs/machine.md).

Letters in shapes: W words of the stream in a run, T streamed tiles of an image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.mapping.mapping import Placement
from bcsim.compiler.mapping.weight_streaming import SLOTS
from bcsim.machine.latency import WEIGHT_START

__all__ = ["WeightArrivals", "memory_gaps", "stream_beats"]


def stream_beats(mapping: Placement) -> list[tuple[int, ...]]:
    """For every streamed layer the words of the stream in each of its tiles."""
    machine = mapping.machine
    return [(nest.tile_words * machine.weight_beats,) * nest.tiles for nest in mapping.nests if nest.streamed]


def memory_gaps(mapping: Placement, batches: int) -> NDArray[np.int64]:
    """int64 (W,): idle cycles before each word, as the machine's parameters describe the memory behind the stream."""
    machine = mapping.machine
    tiles = [beats for layer in stream_beats(mapping) for beats in layer]
    gaps = np.full(sum(tiles), machine.weight_stream_interval - 1, dtype=np.int64)
    gaps[np.cumsum([0, *tiles[:-1]]) if tiles else []] += machine.weight_stream_latency
    return np.tile(gaps, batches)


class WeightArrivals:
    """The streamed tiles of one image after another: when each has arrived, given when its slot came free.

    gaps : one per word of the stream, over all images, as in `Pauses.weight_gaps`; None for the machine's memory.
    """

    def __init__(self, mapping: Placement, gaps: Sequence[int] | None) -> None:
        self._opens = [tile == 0 for layer in stream_beats(mapping) for tile in range(len(layer))]
        beats = [beats for layer in stream_beats(mapping) for beats in layer]
        self._starts = np.cumsum([0, *beats])
        self._gaps = None if gaps is None else np.asarray(gaps, dtype=np.int64)
        self._memory = memory_gaps(mapping, 1)
        # From a stream's begin to before each of its words, were every one taken at once.
        idle = self._memory if self._gaps is None else self._gaps
        self._cycles = np.concatenate([[0], np.cumsum(idle + 1)])
        self._accepted = WEIGHT_START - 1
        self._released: list[int] = []

    def arrive(self) -> int:
        """The cycle in which the next tile's last word is accepted; the tiles before must have been released."""
        index = len(self._released)
        image, tile = divmod(index, len(self._opens))
        before = 0 if self._gaps is None else image * len(self._memory)
        begin, end = before + self._starts[tile], before + self._starts[tile + 1]
        gap = int(self._cycles[begin + 1] - self._cycles[begin]) - 1
        change = int(index > 0 and self._opens[tile])
        free = self._released[-SLOTS] + 1 if index >= SLOTS else 0
        first = max(self._accepted + 1 + max(gap, change), free)
        self._accepted = first + int(self._cycles[end] - self._cycles[begin + 1])
        return self._accepted

    def release(self, cycle: int) -> None:
        """The tile that arrived last has its last step in this cycle."""
        self._released.append(cycle)
