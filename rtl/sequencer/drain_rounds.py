"""The rounds that a drain walker should drive, in plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from bcsim.machine.latency import round_cycles, write_cycles

__all__ = ["Round", "rounds"]


@dataclass(frozen=True, slots=True)
class Round:
    """A round as docs/machine.md orders it.

    cycles : V. write : from its first cycle to its first write.
    parameter : its first word in the parameter memories.
    first, silent : it belongs to its window's first pass; not to its last one.
    last : of the layer.
    """

    cycles: int
    write: int
    bits: int
    search: bool
    parameter: int
    first: bool
    silent: bool
    digits: int
    scores: bool
    last: bool
    group: int
    address: int


def rounds(
    records: Sequence[Mapping[str, int]],
    *,
    groups: int,
    strips: Sequence[Sequence[int]] | None = None,
    divide: int = 1,
) -> Iterator[list[Round]]:
    """The rounds of every pass of one image after another.

    groups, divide : the machine's `groups` and `divide_cycles`.
    strips : for every record the positions of each strip; None where weights are not used again.
    """
    while True:
        parameter = 0
        for index, record in enumerate(records):
            sizes = strips[index] if strips else [1] * (record.get("positions", 0) + 1)
            yield from _layer_rounds(record, groups, parameter, sizes, divide)
            parameter += _layer_words(record)


def _layer_words(record: Mapping[str, int]) -> int:
    tiles = max(record["tiles"], record.get("streamed_tiles", 0))
    rounds_of_position = tiles * (record["rounds_full"] + 1) + record["rounds_last"] + 1
    return rounds_of_position << (record["bits"] + 1) * record["search"]


def _layer_rounds(
    record: Mapping[str, int], groups: int, parameter: int, sizes: Sequence[int], divide: int
) -> Iterator[list[Round]]:
    bits, search, full = record["bits"] + 1, bool(record["search"]), record["rounds_full"] + 1
    window = record.get("window", 0)
    outer, tiles = record.get("streamed_tiles", 0), record["tiles"]
    of_position = max(outer, tiles) * full + record["rounds_last"] + 1
    loops = (range(trips) for trips in (outer + 1, len(sizes), tiles + 1, window + 1))
    for streamed, strip, tile, place in product(*loops):
        first = max(streamed, tile) * full
        of_tile = range(first, min(first + full, of_position))
        begin = sum(sizes[:strip])
        order = [(position, index) for position in range(begin, begin + sizes[strip]) for index in of_tile]
        words = [divmod(position * of_position + index, groups) for position, index in order]
        ends = (streamed, strip, tile, place) == (outer, len(sizes) - 1, tiles, window)
        yield [
            Round(
                cycles=round_cycles(bits, search, divide),
                write=write_cycles(bits, search, divide),
                bits=bits,
                search=search,
                parameter=parameter + (index << bits * search),
                first=place == 0,
                silent=place != window,
                digits=record["digits"] + 1,
                scores=bool(record["scores"]),
                last=ends and (position, index) == (sum(sizes) - 1, of_position - 1),
                group=group,
                address=record["write_base"] + word * (record["digits"] + 1),
            )
            for (position, index), (word, group) in zip(order, words, strict=True)
        ]
