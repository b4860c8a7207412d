"""Compiled layers that add table entries: five one-bit weights cost one addition for 32 images.

For weights of -1 and +1, sum_i w[i] * q[i] = 2 * U - S with U the sum of the q whose weight is +1 and S the sum of
all. Inputs are taken five at a time (a group): the 32 sums that five weights can select are formed once, each a
vector of 32 images, and every output adds the one that its five weight bits select. This is the method of the four
Russians (Arlazarov, Dinic, Kronrod and Faradzhev, 1970) with images in the lanes: 0.2 additions per weight.

Letters in shapes: B planes, O outputs, P passes of 8 groups, I inputs padded to whole passes (40 * P), R rows of a
block, one value of 32 images each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bcsim.common.compile_cache import compiled
from bcsim.common.vectors import (
    LANES,
    greatest,
    load_u16,
    load_wide,
    splat_u16,
    splat_wide,
    store,
    widen,
)

__all__ = ["GROUP", "GROUPS", "PASS", "ROW", "TABLE", "accumulate", "accumulate_pair", "selection"]

# 8 tables of 32 entries of 64 bytes are 16 KiB: they stay in a first-level cache of 32 or 48 KiB, even if two threads
# share it, while sums stream by. With 16 tables filling one took twice as long.
GROUP, GROUPS = 5, 8
PASS = GROUP * GROUPS
ROW = 2 * LANES
ENTRIES = 1 << GROUP
TABLE = GROUPS * ENTRIES
DIGIT_BITS = 8
FULL = (1 << 16) - 1


@compiled
def _build(q: Any, second: Any, rows: Any, digit: Any, table: Any) -> Any:
    """Fill the tables of the pass whose inputs are at byte offsets `rows`, int64 (40,); the sum of all its inputs.

    q, second : uint16 (R, 32), the images in the low and, unless `second` is None, the high byte of each lane.
    """
    shift, mask = splat_u16(DIGIT_BITS * digit), splat_u16((1 << DIGIT_BITS) - 1)
    total = splat_u16(0)
    for group in range(GROUPS):
        base = group * ENTRIES * ROW
        store(table, base, splat_u16(0))
        for bit in range(GROUP):
            source = rows[group * GROUP + bit]
            value = (load_u16(q, source) >> shift) & mask
            if second is not None:
                value = value + (load_u16(second, source) << splat_u16(8))
            total = total + value
            half = ROW << bit
            for entry in range(base, base + half, ROW):
                store(table, entry + half, load_u16(table, entry) + value)
    return total


@compiled
def _four(table: Any, offsets: Any) -> Any:
    """The sum of the entries at four byte offsets, packed in 64 bits."""
    low = np.uint64(0xFFFF)
    first = load_u16(table, offsets & low) + load_u16(table, (offsets >> np.uint64(16)) & low)
    second = load_u16(table, (offsets >> np.uint64(32)) & low) + load_u16(table, offsets >> np.uint64(48))
    return first + second


@compiled
def _eight(table: Any, offsets: Any) -> Any:
    """The sum of one entry of every table; offsets uint64 (GROUPS / 4,)."""
    return _four(table, offsets[0]) + _four(table, offsets[1])


@compiled
def _add(sums: Any, byte: Any, fresh: Any, value: Any) -> None:
    store(sums, byte, value if fresh else load_u16(sums, byte) + value)


@compiled
def _lookup(table: Any, offsets: Any, sums: Any, fresh: Any) -> None:
    """Add a pass to every sum, or start them; offsets uint64 (B * O, GROUPS / 4), sums uint16 (B * O, 32)."""
    for output in range(len(offsets)):
        _add(sums, output * ROW, fresh, _eight(table, offsets[output]))


@compiled
def _lookup_pair(table: Any, offsets: Any, sums: Any, fresh: Any) -> None:
    """The same for two images in a lane, whose sums (2, B * O, 32) are parted at once."""
    low, byte = splat_u16(0xFF), splat_u16(8)
    for output in range(len(offsets)):
        both = _eight(table, offsets[output])
        _add(sums[0], output * ROW, fresh, both & low)
        _add(sums[1], output * ROW, fresh, both >> byte)


@compiled
def selection(sums: Any, shifts: Any, digit: Any, wide: Any, flushed: Any, output: Any) -> Any:
    """An output's 16-bit sums (B * O, 32), each plane by its weight, and the wide sum (O, 32) if there is one."""
    total = load_wide(wide, output * 2 * ROW) if flushed else splat_wide(0)
    for plane in range(len(shifts)):
        part = widen(load_u16(sums, (plane * len(wide) + output) * ROW))
        total = total + (part << splat_wide(shifts[plane] + DIGIT_BITS * digit))
    return total


@compiled
def _flush(sums: Any, shifts: Any, digit: Any, wide: Any, flushed: Any) -> None:
    """Move the 16-bit sums into the wide ones."""
    for output in range(len(wide)):
        store(wide, output * 2 * ROW, selection(sums, shifts, digit, wide, flushed, output))


@compiled
def accumulate(
    q: Any, rows: Any, digits: Any, offsets: Any, shifts: Any, table: Any, sums: Any, wide: Any
) -> Any:
    """Add up a block's selected inputs; (the sum S of all, whether some sums are in `wide`).

    A 16-bit sum of selected inputs is at most the sum of all inputs so far, and that at most the sum of each pass's
    greatest over the images: before this would pass 65535, sums are flushed. Those since stay in `sums`. A pass of
    zeros (the blank border of a block of images) adds nothing and is left out.
    """
    flushed = False
    everything = splat_wide(0)
    for digit in range(digits - 1, -1, -1):
        bound = 0
        fresh = True
        for step in range(len(offsets)):
            added = _build(q, None, rows[step * PASS : (step + 1) * PASS], digit, table)
            most = greatest(added)
            if most == 0:
                continue
            bound += most
            if bound > FULL:
                _flush(sums, shifts, digit, wide, flushed)
                flushed = fresh = True
                bound = int(most)
            _lookup(table, offsets[step], sums, fresh)
            fresh = False
            everything = everything + (widen(added) << splat_wide(DIGIT_BITS * digit))
        if fresh:
            sums[:] = 0
        if digit:
            _flush(sums, shifts, digit, wide, flushed)
            flushed = True
    return everything, flushed


@compiled
def accumulate_pair(q: Any, second: Any, rows: Any, offsets: Any, table: Any, sums: Any) -> Any:
    """Add up two blocks' selected inputs, where no pass can exceed 8 bits and no sum 16; the sums S of all."""
    everything = splat_u16(0), splat_u16(0)
    for step in range(len(offsets)):
        added = _build(q, second, rows[step * PASS : (step + 1) * PASS], 0, table)
        everything = everything[0] + (added & splat_u16(0xFF)), everything[1] + (added >> splat_u16(8))
        _lookup_pair(table, offsets[step], sums, step == 0)
    return widen(everything[0]), widen(everything[1])
