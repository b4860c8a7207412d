"""The memory plan: where tensors lie in the activation memory while they live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Tensor", "place_tensors"]


@dataclass(frozen=True, slots=True)
class Tensor:
    """`words` words that live from layer `first`, which writes them, to layer `last`, the last that reads them.

    distance : the overwrite distance. A tensor that layer `first` is the last to read may begin as little as this many
        words above this one: by the time a word of it is overwritten it has been read. None where it must lie clear.
    """

    words: int
    first: int
    last: int
    distance: int | None = None

    def meets(self, other: Tensor) -> bool:
        """Whether both live at the same time."""
        return self.first <= other.last and other.first <= self.last

    def clearance(self, above: Tensor) -> int:
        """Least words from this tensor's first to the first of one that lies above it."""
        if self.distance is not None and above.last == self.first:
            return min(self.distance, self.words)
        return self.words


def place_tensors(tensors: Sequence[Tensor]) -> tuple[list[int], int]:
    """An address for each tensor, and the words used; tensors that meet overlap no more than overwrite distances allow.

    A chain, where each meets only its neighbours, gets the least space there is. Otherwise the best of first fits by
    size, by time and by time reversed.
    """
    if not tensors:
        return [], 0
    if all(
        later.first == earlier.last == index + 1 for index, (earlier, later) in enumerate(pairwise(tensors))
    ):
        return _place_chain(tensors)
    plans = [
        _first_fit(tensors, lambda t: (-t.words, t.first)),
        _first_fit(tensors, lambda t: (t.first, -t.words)),
        _first_fit(tensors, lambda t: (-t.first, -t.words)),
    ]
    return min(plans, key=lambda plan: plan[1])


def _place_chain(tensors: Sequence[Tensor]) -> tuple[list[int], int]:
    """The least space of a chain, found by bisection."""
    least, enough = max(tensor.words for tensor in tensors), sum(tensor.words for tensor in tensors)
    while least < enough:
        space = (least + enough) // 2
        if _chain_ends(tensors, space):
            enough = space
        else:
            least = space + 1
    ends = _chain_ends(tensors, least)
    bases = [ends[-1][0]]
    for (lowest, highest), tensor, after in zip(ends[-2::-1], tensors[-2::-1], tensors[:0:-1], strict=True):
        bases.append(lowest if bases[-1] >= lowest + tensor.clearance(after) else highest)
    return bases[::-1], least


def _chain_ends(tensors: Sequence[Tensor], space: int) -> list[tuple[int, int]]:
    """The lowest and the highest base of every tensor that those before it allow; [] where one does not fit.

    A tensor may lie below the one before it, at best below its highest base, or above, at best above its lowest.
    """
    ends = [(0, space - tensors[0].words)]
    for before, tensor in pairwise(tensors):
        lowest, highest = ends[-1]
        top = space - tensor.words
        below = min(top, highest - tensor.clearance(before))
        above = lowest + before.clearance(tensor)
        if below < 0 and above > top:
            return []
        ends.append((0 if below >= 0 else above, top if above <= top else below))
    return ends


def _first_fit(
    tensors: Sequence[Tensor], order: Callable[[Tensor], tuple[int, int]]
) -> tuple[list[int], int]:
    bases: dict[int, int] = {}
    for index in sorted(range(len(tensors)), key=lambda i: order(tensors[i])):
        tensor, base = tensors[index], 0
        taken = sorted(
            (bases[i] - tensor.clearance(tensors[i]), bases[i] + tensors[i].clearance(tensor))
            for i in bases
            if tensors[i].meets(tensor)
        )
        for highest_below, lowest_above in taken:
            if base <= highest_below:
                break
            base = max(base, lowest_above)
        bases[index] = base
    used = max(bases[index] + tensors[index].words for index in bases)
    return [bases[index] for index in range(len(tensors))], used
