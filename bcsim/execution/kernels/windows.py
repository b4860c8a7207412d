"""Compiled layers: at each of a layer's windows every output adds up the rows of a block that the window selects.

An output is one such sum, or the greatest or least over several windows (pooling), requantised.

Letters in shapes: B planes, G groups of channels, O outputs in one of them, W windows, P passes, I inputs of a window
(padded to 40 * P where tables are used), N blocks of 32 images, R rows of a block, one value of 32 images each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bcsim.common.compile_cache import cached, compiled
from bcsim.common.vectors import (
    LANES,
    clamp,
    larger,
    lesser,
    load_u16,
    load_wide,
    multiply_add,
    narrow,
    real,
    splat_real,
    splat_wide,
    store,
    truncate,
    widen,
)
from bcsim.execution.kernels.lookup import ROW, accumulate, accumulate_pair, selection

__all__ = ["windows"]


@compiled
def _keep(best: Any, output: Any, accumulator: Any, first: Any, least: Any) -> None:
    """Pool an accumulator with those of the windows before; requantisers rise, so the order of the two is free."""
    if not first:
        before = load_wide(best, output * 2 * ROW)
        accumulator = lesser(accumulator, before) if least else larger(accumulator, before)
    store(best, output * 2 * ROW, accumulator)


@compiled
def _finish(
    everything: Any, flushed: Any, shifts: Any, sums: Any, wide: Any, best: Any, first: Any, minimum: Any
) -> None:
    """2 * U - S of every output."""
    weight = 0
    for shift in shifts:
        weight += 1 << shift
    total = everything * splat_wide(weight)
    for output in range(len(best)):
        selected = selection(sums, shifts, 0, wide, flushed, output)
        _keep(best, output, selected + selected - total, first, minimum[output])


@compiled
def _direct(q: Any, rows: Any, weights: Any, best: Any, first: Any, minimum: Any) -> None:
    """Sums of few inputs for few outputs, weight by weight; weights int32 (O, inputs)."""
    for output in range(len(weights)):
        accumulator = splat_wide(0)
        for i in range(weights.shape[1]):
            accumulator = accumulator + widen(load_u16(q, rows[i])) * splat_wide(weights[output, i])
        _keep(best, output, accumulator, first, minimum[output])


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
def _requantise(best: Any, start: Any, constants: Any, q: Any, row: Any) -> None:
    """q of the outputs of a group, whose first is `start`, into the rows from `row` on; constants as of `windows`."""
    m, c, top, thresholds, bits, _ = constants
    for output in range(len(best)):
        if bits:
            _search(best[output], thresholds[start + output], bits, q[row + output])
        else:
            quotient = multiply_add(
                real(load_wide(best, output * 2 * ROW)),
                splat_real(m[start + output]),
                splat_real(c[start + output]),
            )
            store(q, (row + output) * ROW, narrow(truncate(clamp(quotient, splat_real(top)))))


@compiled
def _locate(addresses: Any, window: Any, group: Any, rows: Any) -> None:
    """Byte offsets of a window's inputs, int64 (I,)."""
    patterns, scale, stride, pattern, position = addresses
    relative, here = patterns[pattern[window]], position[window]
    for i in range(len(rows)):
        row = relative[i]
        moved = row + here * scale[i] + np.int32(group) * stride[i]
        rows[i] = np.int64(moved if row >= 0 else ~row) * ROW


@compiled
def _window(pair: Any, live: Any, group: Any, first: Any, weights: Any, scratch: Any, minimum: Any) -> None:
    """Accumulators of one window, pooled into `best`."""
    offsets, shifts, digits, paired, direct, few = weights
    table, rows, sums, wide, best = scratch
    if few:
        for half in range(live):
            _direct(pair[half], rows, direct[group], best[half], first, minimum)
    elif paired:
        totals = accumulate_pair(pair[0], pair[1], rows, offsets[group], table, sums)
        for half in range(live):
            _finish(totals[half], False, shifts, sums[half], wide, best[half], first, minimum)
    else:
        for half in range(live):
            total, flushed = accumulate(
                pair[half], rows, digits, offsets[group], shifts, table, sums[0], wide
            )
            _finish(total, flushed, shifts, sums[0], wide, best[half], first, minimum)


@cached
def windows(
    q: Any, live: Any, target: Any, places: Any, addresses: Any, weights: Any, scratch: Any, constants: Any
) -> None:
    """A layer and its requantiser on the first `live` of N blocks, from rows of q into others; N is even.

    q : uint16 (N, R, 32).
    target : the row of the first output; each position has G * O.
    places : windows pooled into one position.
    addresses : (patterns int32 (., I), scale int32 (I,), stride int32 (I,), pattern int32 (W,), position int32 (W,)).
        Input i of window w of group g is at row patterns[pattern[w], i] + position[w] * scale[i] + g * stride[i],
        or, where the pattern is negative, at its complement.
    weights : (offsets, shifts, digits, paired, direct, few).
        offsets : uint64 (G, P, B * O, GROUPS / 4), the table offsets of four groups of inputs in each.
        shifts : int32 (B,), of the planes.
        digits : 8-bit digits of a source value, 1 or 2.
        paired : two images to a lane: an input's greatest value times PASS is below 2**8, times all inputs 2**16.
        direct : int32 (G, O, I), the weights, which `few` uses in place of all these.
    scratch : table uint16 (TABLE, 32), rows int64 (I,), sums uint16 (2, B * O, 32), wide int32 (O, 32),
        best int32 (2, O, 32).
    constants : (m, c, top, thresholds, bits, minimum). With bits = 0,
        q = clip(floor(m[o] * accumulator + c[o]), 0, top), m and c float64 (G * O,); else q = how many of
        thresholds, int32 (G * O, 2**bits - 1), are <= accumulator. minimum : bool (G * O,), pools by the minimum.
    """
    rows, best = scratch[1], scratch[4]
    outputs = best.shape[1]
    groups = len(constants[5]) // outputs
    for block in range(0, live, 2):
        pair, halves = q[block : block + 2], min(2, live - block)
        for position in range(len(addresses[3]) // places):
            for group in range(groups):
                start = group * outputs
                minimum = constants[5][start : start + outputs]
                for place in range(places):
                    _locate(addresses, position * places + place, group, rows)
                    _window(pair, halves, group, place == 0, weights, scratch, minimum)
                for half in range(halves):
                    row = target + position * groups * outputs + start
                    _requantise(best[half], start, constants, pair[half], row)
