"""Compiled layers that add table entries: five one-bit weights cost one addition for 32 images.

For weights of -1 and +1, sum_i w[i] * q[i] = 2 * U - S with U the sum of the q whose weight is +1 and S the sum of
all. Inputs are taken five at a time (a group): the 32 sums that five weights can select are formed once, each a
vector of 32 images, and every output adds the one that its five weight bits select. This is the method of the four
Russians (Arlazarov, Dinic, Kronrod and Faradzhev, 1970) with images in the lanes: 0.2 additions per weight.

Letters in shapes: B planes, O outputs, P passes of 16 groups, N blocks of 32 images, R rows (80 * P, inputs padded
with zeros).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from bcsim.kernels.lanes import (
    LANES,
    clamp,
    compiled,
    greatest,
    load_u16,
    load_wide,
    multiply_add,
    narrow,
    real,
    splat_real,
    splat_u16,
    splat_wide,
    store,
    transpose,
    truncate,
    widen,
)

__all__ = ["GROUP", "GROUPS", "PASS", "ROW", "TABLE", "dense", "gather", "scatter"]

Function = TypeVar("Function", bound=Callable[..., Any])

# 16 tables of 32 entries of 64 bytes are 32 KiB: they stay in a first-level cache of 48 KiB while sums stream by.
GROUP, GROUPS = 5, 16
PASS = GROUP * GROUPS
ROW = 2 * LANES
ENTRIES = 1 << GROUP
TABLE = GROUPS * ENTRIES
DIGIT_BITS = 8
FULL = (1 << 16) - 1


def _cached(function: Function) -> Function:
    """An entry point: compiled at the first call and kept on disk where some folder can be written."""
    try:
        return cast(Function, njit(nogil=True, cache=True)(function))
    except RuntimeError:
        return cast(Function, njit(nogil=True)(function))


@compiled
def _build(q: Any, second: Any, row: Any, digit: Any, table: Any) -> Any:
    """Fill the tables of the pass whose inputs start at `row`; the sum of all its inputs.

    q, second : uint16 (R, 32), the images in the low and, unless `second` is None, the high byte of each lane.
    """
    shift, mask = splat_u16(DIGIT_BITS * digit), splat_u16((1 << DIGIT_BITS) - 1)
    total = splat_u16(0)
    for group in range(GROUPS):
        base = group * ENTRIES * ROW
        store(table, base, splat_u16(0))
        for bit in range(GROUP):
            source = (row + group * GROUP + bit) * ROW
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
def _sixteen(table: Any, offsets: Any) -> Any:
    """The sum of one entry of every table; offsets uint64 (GROUPS / 4,)."""
    first = _four(table, offsets[0]) + _four(table, offsets[1])
    return first + (_four(table, offsets[2]) + _four(table, offsets[3]))


@compiled
def _add(sums: Any, byte: Any, fresh: Any, value: Any) -> None:
    store(sums, byte, value if fresh else load_u16(sums, byte) + value)


@compiled
def _lookup(table: Any, offsets: Any, sums: Any, fresh: Any) -> None:
    """Add a pass to every sum, or start them; offsets uint64 (B * O, GROUPS / 4), sums uint16 (B * O, 32)."""
    for output in range(len(offsets)):
        _add(sums, output * ROW, fresh, _sixteen(table, offsets[output]))


@compiled
def _lookup_pair(table: Any, offsets: Any, sums: Any, fresh: Any) -> None:
    """The same for two images in a lane, whose sums (2, B * O, 32) are parted at once."""
    low, byte = splat_u16(0xFF), splat_u16(8)
    for output in range(len(offsets)):
        both = _sixteen(table, offsets[output])
        _add(sums[0], output * ROW, fresh, both & low)
        _add(sums[1], output * ROW, fresh, both >> byte)


@compiled
def _selected(sums: Any, shifts: Any, digit: Any, wide: Any, flushed: Any, output: Any) -> Any:
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
        store(wide, output * 2 * ROW, _selected(sums, shifts, digit, wide, flushed, output))


@compiled
def _accumulate(q: Any, digits: Any, offsets: Any, shifts: Any, table: Any, sums: Any, wide: Any) -> Any:
    """Add up a block's selected inputs; (the sum S of all, whether some sums are in `wide`).

    A 16-bit sum of selected inputs is at most the sum of all inputs so far, so it is flushed only where that, in some
    image, would pass 65535. The sums since the last flush stay in `sums`. A pass of zeros (the blank border of a
    block of images) adds nothing and is left out.
    """
    flushed = False
    everything = splat_wide(0)
    for digit in range(digits - 1, -1, -1):
        running = splat_wide(0)
        fresh = True
        for step in range(len(offsets)):
            added = widen(_build(q, None, step * PASS, digit, table))
            if greatest(added) == 0:
                continue
            if greatest(running + added) > FULL:
                _flush(sums, shifts, digit, wide, flushed)
                flushed = fresh = True
                running = splat_wide(0)
            _lookup(table, offsets[step], sums, fresh)
            fresh = False
            running = running + added
            everything = everything + (added << splat_wide(DIGIT_BITS * digit))
        if fresh:
            sums[:] = 0
        if digit:
            _flush(sums, shifts, digit, wide, flushed)
            flushed = True
    return everything, flushed


@compiled
def _accumulate_pair(q: Any, second: Any, offsets: Any, table: Any, sums: Any) -> Any:
    """Add up two blocks' selected inputs, where no pass can exceed 8 bits and no sum 16; the sums S of all."""
    everything = splat_u16(0), splat_u16(0)
    for step in range(len(offsets)):
        added = _build(q, second, step * PASS, 0, table)
        everything = everything[0] + (added & splat_u16(0xFF)), everything[1] + (added >> splat_u16(8))
        _lookup_pair(table, offsets[step], sums, step == 0)
    return widen(everything[0]), widen(everything[1])


@compiled
def _search(accumulator: Any, thresholds: Any, bits: Any, q: Any) -> None:
    """q[lane] = how many thresholds are <= accumulator[lane], all lanes in step."""
    q[:] = 0
    for bit in range(bits - 1, -1, -1):
        for lane in range(LANES):
            candidate = q[lane] | (1 << bit)
            if accumulator[lane] >= thresholds[candidate - 1]:
                q[lane] = candidate


@compiled
def _requantise(
    everything: Any, flushed: Any, shifts: Any, sums: Any, wide: Any, constants: Any, out: Any
) -> None:
    """out[o] of a block from its sums; constants as in `dense`."""
    m, c, top, thresholds, bits = constants
    everything = everything * splat_wide((1 << shifts).sum())
    for output in range(len(wide)):
        selected = _selected(sums, shifts, 0, wide, flushed, output)
        accumulator = selected + selected - everything
        if bits:
            store(wide, output * 2 * ROW, accumulator)
            _search(wide[output], thresholds[output], bits, out[output])
        else:
            quotient = multiply_add(real(accumulator), splat_real(m[output]), splat_real(c[output]))
            store(out, output * ROW, narrow(truncate(clamp(quotient, splat_real(top)))))


@_cached
def dense(
    q: Any, digits: Any, paired: Any, offsets: Any, shifts: Any, scratch: Any, constants: Any, out: Any
) -> None:
    """A layer and its requantiser on N blocks; N is even.

    q, out : uint16 (N, R, 32).
    digits : 8-bit digits of a source value, 1 or 2.
    paired : two images to a lane: an input's greatest value times PASS is below 2**8, times all inputs below 2**16.
    offsets : uint64 (P, B * O, GROUPS / 4), the table offsets of four groups in each.
    shifts : int32 (B,), of the planes.
    scratch : table uint16 (TABLE, 32), sums uint16 (2, B * O, 32), wide int32 (O, 32).
    constants : (m, c, top, thresholds, bits). With bits = 0, out = clip(floor(m[o] * accumulator + c[o]), 0, top),
        m and c float64 (O,); else out = how many of thresholds, int32 (O, 2**bits - 1), are <= accumulator.
    """
    table, sums, wide = scratch
    for block in range(0, len(q), 2):
        if paired:
            totals = _accumulate_pair(q[block], q[block + 1], offsets, table, sums)
            for half in range(2):
                _requantise(totals[half], False, shifts, sums[half], wide, constants, out[block + half])
        else:
            for half in range(2):
                one = q[block + half]
                total, flushed = _accumulate(one, digits, offsets, shifts, table, sums[0], wide)
                _requantise(total, flushed, shifts, sums[0], wide, constants, out[block + half])


@compiled
def _scatter_edge(images: Any, lanes: Any, start: Any) -> None:
    for i in range(start, images.shape[1]):
        for lane in range(len(images)):
            lanes[i, lane] = images[lane, i]


@_cached
def scatter(images: Any, q: Any) -> None:
    """Images (n, I) into lanes: q uint16 (N, R, 32) with n <= 32 * N; lanes beyond n keep what they hold."""
    stride = images.shape[1] * images.itemsize
    whole = images.shape[1] // LANES * LANES
    for block in range(len(q)):
        some = images[block * LANES : (block + 1) * LANES]
        start = whole if len(some) == LANES else 0
        for i in range(0, start, LANES):
            transpose(some, i * images.itemsize, stride, q[block], i * ROW)
        _scatter_edge(some, q[block], start)


@_cached
def gather(q: Any, images: Any) -> None:
    """The inverse of scatter: lanes of q into images (n, I)."""
    for image in range(len(images)):
        for i in range(images.shape[1]):
            images[image, i] = q[image // LANES, i, image % LANES]
