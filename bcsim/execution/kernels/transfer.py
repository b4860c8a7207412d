"""Images into the lanes of rows, and back."""

from __future__ import annotations

from typing import Any

from bcsim.common.compile_cache import cached, compiled
from bcsim.common.vectors import LANES, transpose
from bcsim.execution.kernels.lookup import ROW

__all__ = ["gather", "scatter"]


@compiled
def _scatter_edge(images: Any, lanes: Any, start: Any) -> None:
    for i in range(start, images.shape[1]):
        for lane in range(len(images)):
            lanes[i, lane] = images[lane, i]


@cached
def scatter(images: Any, q: Any, row: Any) -> None:
    """Images (n, I) into lanes: rows from `row` on of q uint16 (N, R, 32) with n <= 32 * N.

    Lanes beyond n keep what they hold.
    """
    stride = images.shape[1] * images.itemsize
    whole = images.shape[1] // LANES * LANES
    for first in range(0, len(images), LANES):
        some = images[first : first + LANES]
        lanes = q[first // LANES, row : row + images.shape[1]]
        start = whole if len(some) == LANES else 0
        for i in range(0, start, LANES):
            transpose(some, i * images.itemsize, stride, lanes, i * ROW)
        _scatter_edge(some, lanes, start)


@cached
def gather(q: Any, row: Any, images: Any) -> None:
    """The inverse of scatter: lanes of q into images (n, I)."""
    for image in range(len(images)):
        for i in range(images.shape[1]):
            images[image, i] = q[image // LANES, row + i, image % LANES]
