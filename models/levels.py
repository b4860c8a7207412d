"""What stands between the convolutions of a quantised network, compiled for the host: levels and max pools.

Arrays are contiguous, channels last. A bfloat16 is held as the int16 of the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bcsim.common.compile_cache import cached, compiled


@compiled
def _level(x: np.float32, step: np.float32, top: np.float32) -> np.uint8:
    return np.uint8(min(max(np.rint(x / step), np.float32(0)), top))


@cached
def quantise(x: Any, levels: Any, step: np.float32, top: np.float32) -> bool:
    """levels = min(max(round(x / step), 0), top), ties to even, of float32 `x`; whether no element is a NaN."""
    numbers = True
    for i in range(len(x)):
        numbers &= x[i] == x[i]
        levels[i] = _level(x[i], step, top)
    return numbers


@cached
def quantise_half(x: Any, levels: Any, step: np.float32, top: np.float32) -> bool:
    """`quantise` of bfloat16 `x`."""
    numbers = True
    for i in range(len(x)):
        value = np.uint32(np.uint32(np.uint16(x[i])) << np.uint32(16)).view(np.float32)
        numbers &= value == value
        levels[i] = _level(value, step, top)
    return numbers


@compiled
def _order(x: np.int16) -> np.int16:
    """An integer that rises with the bfloat16 of the bits `x`."""
    return np.int16(x ^ ((x >> np.int16(15)) & np.int16(0x7FFF)))


@cached
def pool(x: Any, pooled: Any, places: Any) -> None:
    """The greatest bfloat16 of each 2x2 pixels of `x`, and which of the four it is: the first of the greatest.

    x : int16 (n, rows, columns, channels). pooled, places : int16 and uint8 (n, rows / 2, columns / 2, channels).
    """
    n, rows, columns, channels = pooled.shape
    for image in range(n):
        for row in range(rows):
            for column in range(columns):
                upper, lower = x[image, 2 * row], x[image, 2 * row + 1]
                a, b = upper[2 * column], upper[2 * column + 1]
                c, d = lower[2 * column], lower[2 * column + 1]
                best, place = pooled[image, row, column], places[image, row, column]
                for k in range(channels):
                    first, second, third, last = _order(a[k]), _order(b[k]), _order(c[k]), _order(d[k])
                    above, below = max(first, second), max(third, last)
                    upper_place = np.uint8(second > first)
                    lower_place = np.uint8(2) + np.uint8(last > third)
                    place[k] = lower_place if below > above else upper_place
                    best[k] = _order(max(above, below))


@compiled
def _put(slope: Any, place: Any, result: Any, own: np.uint8) -> None:
    for k in range(len(slope)):
        result[k] = slope[k] if place[k] == own else np.int16(0)


@cached
def pool_gradient(slopes: Any, places: Any, result: Any) -> None:
    """The gradient of `pool` with respect to `x`, for the `slopes` of `pooled`: each goes to its place."""
    n, rows, columns, _ = slopes.shape
    for image in range(n):
        for row in range(rows):
            upper, lower = result[image, 2 * row], result[image, 2 * row + 1]
            for column in range(columns):
                slope, place = slopes[image, row, column], places[image, row, column]
                _put(slope, place, upper[2 * column], np.uint8(0))
                _put(slope, place, upper[2 * column + 1], np.uint8(1))
                _put(slope, place, lower[2 * column], np.uint8(2))
                _put(slope, place, lower[2 * column + 1], np.uint8(3))
