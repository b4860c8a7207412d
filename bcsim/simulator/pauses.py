"""Pauses: the cycles for which the sources and the sink around a machine let it wait.

Letters in shapes: n images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.mapping.mapping import Mapping
from bcsim.simulator.weight_stream import memory_gaps

__all__ = ["READY", "Pauses", "random_cycles", "random_pauses"]


@dataclass(frozen=True, slots=True)
class Pauses:
    """Idle cycles of the streams of a run, over all its images.

    gaps : one per input word: cycles between the acceptance of the word before and this word's offer.
    holds : one per output word: cycles for which the sink leaves it waiting.
    weight_gaps : one per word of the weight stream, as `gaps`; its source starts in cycle WEIGHT_START.

    None means a source and a sink that are always ready, and for the weight stream the memory that the machine's
    parameters describe.
    """

    gaps: Sequence[int] | None = None
    holds: Sequence[int] | None = None
    weight_gaps: Sequence[int] | None = None

    @property
    def none(self) -> bool:
        """Whether nothing was said: each image is like the one before, then."""
        return self.gaps is None and self.holds is None and self.weight_gaps is None

    def before_words(self, batch: int, words: int) -> NDArray[np.int64]:
        """Gaps of a batch of so many input words, int64 (words,)."""
        return _of_batch(self.gaps, batch, words)

    def behind_words(self, batch: int, words: int) -> NDArray[np.int64]:
        """Holds of a batch of so many output words, int64 (words,)."""
        return _of_batch(self.holds, batch, words)


READY = Pauses()
"""Sources and a sink that never pause."""


def random_pauses(generator: np.random.Generator, mapping: Mapping, images: int) -> Pauses:
    """Pauses of every stream of a run of so many images and those that fill their last batch."""
    batches = mapping.batches(images)
    counts = (
        batches * mapping.images * mapping.beats,
        batches * mapping.images * (mapping.program.classes + 1),
        len(memory_gaps(mapping, batches)),
    )
    return Pauses(*(random_cycles(generator, count).tolist() for count in counts))


def random_cycles(generator: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Cycles to pause before each of `count` words: mostly none, sometimes a few, seldom many."""
    longest = generator.choice([0, 3, 40], size=count, p=[0.7, 0.25, 0.05])
    return generator.integers(0, longest, endpoint=True)


def _of_batch(cycles: Sequence[int] | None, batch: int, words: int) -> NDArray[np.int64]:
    if cycles is None:
        return np.zeros(words, dtype=np.int64)
    return np.asarray(cycles[batch * words : (batch + 1) * words], dtype=np.int64)
