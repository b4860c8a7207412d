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
    behind : words from its values to those of a second position that drains at once; None where there is none.
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
    behind: int | None


def rounds(
    records: Sequence[Mapping[str, int]],
    *,
    groups: int,
    strips: Sequence[Sequence[int]] | None = None,
    divide: int = 1,
    drains: int = 1,
) -> Iterator[list[Round]]:
    """The rounds of every pass of one image after another.

    groups, divide : the machine's `groups` and `divide_cycles`.
    strips : for every record the positions of each strip; None where weights are not used again.
    drains : positions whose sums are divided at once.
    """
    while True:
        parameter = 0
        for index, record in enumerate(records):
            sizes = strips[index] if strips else [1] * (record.get("positions", 0) + 1)
            at_once = 1 if record["search"] or record["scores"] else drains
            yield from _layer_rounds(record, groups, parameter, sizes, divide, at_once)
            parameter += _layer_words(record)


def _layer_words(record: Mapping[str, int]) -> int:
    tiles = max(record["tiles"], record.get("streamed_tiles", 0))
    rounds_of_position = tiles * (record["rounds_full"] + 1) + record["rounds_last"] + 1
    return rounds_of_position << (record["bits"] + 1) * record["search"]


def _layer_rounds(
    record: Mapping[str, int], groups: int, parameter: int, sizes: Sequence[int], divide: int, drains: int
) -> Iterator[list[Round]]:
    bits, search, full = record["bits"] + 1, bool(record["search"]), record["rounds_full"] + 1
    window, digits = record.get("window", 0), record["digits"] + 1
    outer, tiles = record.get("streamed_tiles", 0), record["tiles"]
    of_position = max(outer, tiles) * full + record["rounds_last"] + 1
    loops = (range(trips) for trips in (outer + 1, len(sizes), tiles + 1, window + 1))
    for streamed, strip, tile, place in product(*loops):
        first = max(streamed, tile) * full
        of_tile = range(first, min(first + full, of_position))
        begin, end = sum(sizes[:strip]), sum(sizes[: strip + 1])
        order = [(position, index) for position in range(begin, end, drains) for index in of_tile]
        words = [divmod(position * of_position + index, groups) for position, index in order]
        ends = (streamed, strip, tile, place) == (outer, len(sizes) - 1, tiles, window)
        yield [
            Round(
                cycles=max(round_cycles(bits, search, divide), drains * digits if drains > 1 else 0),
                write=write_cycles(bits, search, divide),
                bits=bits,
                search=search,
                parameter=parameter + (index << bits * search),
                first=place == 0,
                silent=place != window,
                digits=digits,
                scores=bool(record["scores"]),
                last=ends and (position, index) == (order[-1][0], of_position - 1),
                group=group,
                address=record["write_base"] + word * digits,
                behind=of_position // groups * digits if position + 1 < end and drains > 1 else None,
            )
            for (position, index), (word, group) in zip(order, words, strict=True)
        ]
