"""The memory plan: where tensors lie in the activation memory while they live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Tensor", "place_tensors"]


@dataclass(frozen=True, slots=True)
class Tensor:
    """`words` words that live from layer `first`, which writes them, to layer `last`, the last that reads them."""

    words: int
    first: int
    last: int

    def meets(self, other: Tensor) -> bool:
        """Whether both live at the same time."""
        return self.first <= other.last and other.first <= self.last


def place_tensors(tensors: Sequence[Tensor]) -> tuple[list[int], int]:
    """An address for each tensor such that no two that meet overlap, and the words used.

    A chain, where each meets only its neighbours, is placed at alternate ends of the least space that holds
    every neighbouring pair, which is optimal. Otherwise the best of two first fits: by size, and by time.
    """
    if not tensors:
        return [], 0
    plans = [
        _first_fit(tensors, lambda t: (-t.words, t.first)),
        _first_fit(tensors, lambda t: (t.first, -t.words)),
    ]
    if all(
        later.first == earlier.last == index + 1 for index, (earlier, later) in enumerate(pairwise(tensors))
    ):
        plans.append(_alternate(tensors))
    return min(plans, key=lambda plan: plan[1])


def _pairs(tensors: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return list(pairwise(tensors))


def _alternate(tensors: Sequence[Tensor]) -> tuple[list[int], int]:
    sizes = [tensor.words for tensor in tensors]
    space = max([*sizes, *(a + b for a, b in pairwise(sizes))])
    return [0 if index % 2 == 0 else space - size for index, size in enumerate(sizes)], space


def _first_fit(
    tensors: Sequence[Tensor], order: Callable[[Tensor], tuple[int, int]]
) -> tuple[list[int], int]:
    bases: dict[int, int] = {}
    for index in sorted(range(len(tensors)), key=lambda i: order(tensors[i])):
        tensor, base = tensors[index], 0
        taken = sorted((bases[i], bases[i] + tensors[i].words) for i in bases if tensors[i].meets(tensor))
        for start, stop in taken:
            if base + tensor.words <= start:
                break
            base = max(base, stop)
        bases[index] = base
    used = max(bases[index] + tensors[index].words for index in bases)
    return [bases[index] for index in range(len(tensors))], used
