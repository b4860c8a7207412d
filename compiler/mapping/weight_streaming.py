"""Weight streaming: which layers' weights stay on the chip, and which pass through two slots, tile by tile.

A slot holds the weight words of one tile. While a tile is computed from one slot, at all positions, the next
one's words arrive in the other. The slots lie behind the words that stay.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.shortfall import Shortfall

__all__ = ["SLOTS", "place_weights"]

SLOTS = 2


def place_weights(
    nests: Sequence[LoopNest], shortfall: Shortfall
) -> tuple[list[LoopNest], list[int], tuple[int, ...]]:
    """(the nests, tiles outermost in those that stream; every layer's first weight; the slots' first words).

    The first weights count from the start of the weight memory or, where they stream, of an image's weight stream.
    No slots where nothing streams. Where the weights do not fit, the words that would do are added to what the machine
    lacks.
    """
    streamed = _streamed(nests, shortfall)
    firsts, resident, passing = [], 0, 0
    for index, nest in enumerate(nests):
        if index in streamed:
            firsts.append(passing)
            passing += nest.weight_words
        else:
            firsts.append(resident)
            resident += nest.weight_words
    slot = _slot_words(nests, streamed)
    slots = tuple(resident + index * slot for index in range(SLOTS)) if streamed else ()
    return [replace(nest, streamed=index in streamed) for index, nest in enumerate(nests)], firsts, slots


def _streamed(nests: Sequence[LoopNest], shortfall: Shortfall) -> frozenset[int]:
    """Indices of the layers that stream.

    Those with the most passes for a tile go first, as these hide its transfer best, until the rest fits; then
    those that fit after all return, the largest first.
    """
    by_reuse = sorted(range(len(nests)), key=lambda index: -nests[index].results)
    choices = [frozenset(by_reuse[:count]) for count in range(len(nests) + 1)]
    if not shortfall.machine.weight_stream_bytes:
        choices = choices[:1]
    needed = [_needed(nests, choice) for choice in choices]
    shortfall.require("weight_words", min(needed))
    room = max(shortfall.machine.weight_words, min(needed))
    streamed = next(choice for choice, words in zip(choices, needed, strict=True) if words <= room)
    for index in sorted(streamed, key=lambda index: -nests[index].weight_words):
        if _needed(nests, streamed - {index}) <= room:
            streamed -= {index}
    return streamed


def _slot_words(nests: Sequence[LoopNest], streamed: Collection[int]) -> int:
    """The largest streamed tile's."""
    return max((nests[index].tile_words for index in streamed), default=0)


def _needed(nests: Sequence[LoopNest], streamed: Collection[int]) -> int:
    """Weight words of the layers that stay, and the slots'."""
    resident = sum(nest.weight_words for index, nest in enumerate(nests) if index not in streamed)
    return resident + SLOTS * _slot_words(nests, streamed)
