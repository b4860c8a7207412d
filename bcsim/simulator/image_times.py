"""What a schedule says of a batch, the image or images that are taken at once: cycles of words, steps and writes, and
the cycles without a step by cause.

Letters in shapes: Q passes of a layer, K rounds that a layer writes, B stream words of a batch, C words that leave
for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.mapping.hazards import round_writes, writing_passes
from bcsim.compiler.mapping.loop_nest import LoopNest

__all__ = ["Cycles", "ImageSchedule", "ImageTimes", "LayerSchedule", "Stalls"]

Cycles: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stalls:
    """Cycles without a step before and within one layer, by cause."""

    fill: int = 0
    drain: int = 0
    input: int = 0
    output: int = 0
    weight_load: int = 0

    @property
    def total(self) -> int:
        return self.fill + self.drain + self.input + self.output + self.weight_load


@dataclass(frozen=True, slots=True)
class LayerSchedule:
    """first : cycle of the layer's first step. last : int64 (Q,), cycle of every pass's last step.

    arrived : cycles in which its tiles' last words are accepted from the weight stream; none where nothing streams.
    """

    first: int
    last: Cycles
    stalls: Stalls
    arrived: tuple[int, ...] = ()

    def delayed(self, delay: int) -> LayerSchedule:
        """The same, `delay` cycles later."""
        return replace(
            self,
            first=self.first + delay,
            last=self.last + delay,
            arrived=tuple(cycle + delay for cycle in self.arrived),
        )

    def repeats(self, other: LayerSchedule, delay: int) -> bool:
        """Whether every cycle is `delay` later than in `other`."""
        return (
            self.first == other.first + delay
            and self.stalls == other.stalls
            and np.array_equal(self.last, other.last + delay)
            and self.arrived == tuple(cycle + delay for cycle in other.arrived)
        )

    def round_writes(self, nest: LoopNest, latency: int) -> Cycles:
        """int64 (K,): the first write's cycle of every round that is written, in order of the words written."""
        start = self.last[writing_passes(nest)] + latency
        writes = start[:, np.arange(nest.rounds) // nest.rounds_full] + round_writes(nest) + nest.write_cycles
        return np.asarray(writes, dtype=np.int64).ravel()


@dataclass(frozen=True, slots=True)
class ImageTimes:
    """A batch's way through the machine, in cycles of the batch that was scheduled.

    beats : int64 (B,), cycles in which its stream words are accepted.
    load_writes : int64 (chunks * digits,), cycles in which the loader writes, in order of address.
    layers : the array's work.
    round_writes : for every layer int64 (K,), see LayerSchedule.round_writes.
    scores : int64 (C,), cycles in which every image's scores and class are accepted.
    """

    beats: Cycles
    load_writes: Cycles
    layers: tuple[LayerSchedule, ...]
    round_writes: tuple[Cycles, ...]
    scores: Cycles

    def repeats(self, other: ImageTimes, delay: int) -> bool:
        """Whether every cycle is `delay` later than in `other`."""
        return (
            np.array_equal(self.beats, other.beats + delay)
            and np.array_equal(self.load_writes, other.load_writes + delay)
            and np.array_equal(self.scores, other.scores + delay)
            and all(a.repeats(b, delay) for a, b in zip(self.layers, other.layers, strict=True))
        )


@dataclass(frozen=True, slots=True)
class ImageSchedule:
    """A batch's way through the machine: `image_times`, `delay` cycles later. Thousands of batches share one.

    buffer : the input buffer it is loaded into.
    """

    buffer: int
    image_times: ImageTimes
    delay: int = 0

    @property
    def beats(self) -> Cycles:
        """See ImageTimes."""
        return self.image_times.beats + self.delay

    @property
    def load_writes(self) -> Cycles:
        """See ImageTimes."""
        return self.image_times.load_writes + self.delay

    @property
    def layers(self) -> tuple[LayerSchedule, ...]:
        """See ImageTimes."""
        return tuple(layer.delayed(self.delay) for layer in self.image_times.layers)

    @property
    def round_writes(self) -> tuple[Cycles, ...]:
        """See ImageTimes."""
        return tuple(writes + self.delay for writes in self.image_times.round_writes)

    @property
    def scores(self) -> Cycles:
        """See ImageTimes."""
        return self.image_times.scores + self.delay

    @property
    def last_step(self) -> int:
        return int(self.image_times.layers[-1].last[-1]) + self.delay

    @property
    def end(self) -> int:
        """The cycle in which the last class is accepted."""
        return int(self.image_times.scores[-1]) + self.delay
