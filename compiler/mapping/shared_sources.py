"""Tensors that a layer reads together: three or more lie at equal distances.

The walker has one stride from source to source.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.memory_plan import Tensor, place_tensors
from bcsim.compiler.mapping.overwrite_distance import overwrite_distance
from bcsim.compiler.program.dependencies import Reads, last_reader

__all__ = ["place_outputs", "source_rows"]


def source_rows(reads: Reads) -> list[tuple[int, ...]]:
    """Tensors, each once, that must lie one behind the other so that layers find three or more at equal distances.

    Layers whose orders contradict each other are left out.
    """
    rows: list[tuple[int, ...]] = []
    for tensors in reads:
        # Two tensors are at one distance wherever they lie, negative ones included; it takes three to disagree.
        if len(tensors) > 2 and len(set(tensors)) == len(tensors):
            rows = _with_row(rows, tensors)
    return rows


def place_outputs(
    nests: Sequence[LoopNest], reads: Reads, layers: Collection[int]
) -> tuple[dict[int, int], int]:
    """An address for the output of each of these hidden layers, and the words used.

    Layers that some layer reads together are all among them or none.
    """
    readers, rows = last_reader(reads), [row for row in source_rows(reads) if row[0] in layers]
    placed = {tensor for row in rows for tensor in row}
    rows += [(number,) for number in layers if number not in placed]
    # One tensor may slide over the source it replaces. A row of several is written by several layers, each of which
    # reads other words while its part is filled: rows lie clear of everything.
    tensors = [
        Tensor(
            sum(nests[number].output_words for number in row),
            min(row),
            max(readers.get(number, number) for number in row),
            overwrite_distance(nests[row[0]]) if len(row) == 1 else None,
        )
        for row in rows
    ]
    starts, space = place_tensors(tensors)
    return {
        number: start + place * nests[number].output_words
        for row, start in zip(rows, starts, strict=True)
        for place, number in enumerate(row)
    }, space


def _with_row(rows: Sequence[tuple[int, ...]], row: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The rows with one more, merged with those that share tensors with it; as they were where that is impossible."""
    apart = []
    for other in rows:
        if not set(other) & set(row):
            apart.append(other)
        elif joined := _joined(row, other):
            row = joined
        else:
            return list(rows)
    return [*apart, row]


def _joined(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """A row in which both a and b stand; empty if there is none."""
    for first, second in ((a, b), (b, a)):
        for start in range(len(first)):
            common = first[start:]
            row = first + second[len(common) :]
            if second[: len(common)] == common[: len(second)] and len(set(row)) == len(row):
                return row
    return ()
