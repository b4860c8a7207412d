"""Where a layer's windows lie: the shapes of a convolution and of the pooling behind it.

Letters in shapes: H rows, W columns, C channels; tensors are (H, W, C) in the program and the machine, whatever
the order in the float network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Geometry", "Pool", "dense_geometry", "taps", "window_corners"]


def _positions(size: int, before: int, after: int, kernel: int, stride: int) -> int:
    return (size + before + after - kernel) // stride + 1


@dataclass(frozen=True, slots=True)
class Pool:
    """Maximum over windows of a layer's outputs, each (rows, columns); a window never reaches beyond them."""

    kernel: tuple[int, int]
    stride: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a layer's matrix is applied to a tensor: at every window, in row-major order.

    height, width : H and W of every source.
    channels : C of each source; a dense layer has one source, an addition two or more, a concatenation too.
    kernel, stride : (rows, columns).
    pads : (top, left, bottom, right) positions outside the source, which read as `pad_level`.
    groups : output o of O sees the channels of group o * groups // O in each source.
    pad_level : the source's q that means 0.
    pool : the maximum pooling behind the requantiser, None for none.
    """

    height: int
    width: int
    channels: tuple[int, ...]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    pad_level: int = 0
    pool: Pool | None = None

    @property
    def window_inputs(self) -> int:
        """Values in one window of one group, over all sources: the matrix's inputs.

        Their order is (source, kernel row, kernel column, channel of the group).
        """
        return self.kernel[0] * self.kernel[1] * sum(self.channels) // self.groups

    @property
    def windows(self) -> tuple[int, int]:
        """Rows and columns of windows, before pooling."""
        top, left, bottom, right = self.pads
        return (
            _positions(self.height, top, bottom, self.kernel[0], self.stride[0]),
            _positions(self.width, left, right, self.kernel[1], self.stride[1]),
        )

    @property
    def output(self) -> tuple[int, int]:
        """Rows and columns of the layer's output, behind pooling."""
        rows, columns = self.windows
        if self.pool is None:
            return rows, columns
        (pool_rows, pool_columns), (down, right) = self.pool.kernel, self.pool.stride
        return _positions(rows, 0, 0, pool_rows, down), _positions(columns, 0, 0, pool_columns, right)

    @property
    def point(self) -> bool:
        """Whether this is a dense layer: one window that covers one position of one source, and nothing around it."""
        alone = (self.height, self.width, self.kernel, self.groups, len(self.channels)) == (
            1,
            1,
            (1, 1),
            1,
            1,
        )
        return alone and not any(self.pads)


def dense_geometry(inputs: int) -> Geometry:
    """The geometry of a dense layer: one position with `inputs` channels."""
    return Geometry(1, 1, (inputs,))


def taps(geometry: Geometry) -> Iterator[tuple[int, int, int]]:
    """(source, kernel row, kernel column), in the order of a matrix's inputs."""
    for source in range(len(geometry.channels)):
        for row in range(geometry.kernel[0]):
            for column in range(geometry.kernel[1]):
                yield source, row, column


def window_corners(geometry: Geometry) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the first tap of every window, int64 (output positions, places in the pooling window).

    They may lie outside the source, in its padding.
    """
    rows, columns = geometry.output
    pool = geometry.pool or Pool((1, 1), (1, 1))
    y, x = (axis.reshape(-1, 1) for axis in np.mgrid[0:rows, 0:columns])
    down, right = (axis.reshape(1, -1) for axis in np.mgrid[0 : pool.kernel[0], 0 : pool.kernel[1]])
    return (
        (y * pool.stride[0] + down) * geometry.stride[0] - geometry.pads[0],
        (x * pool.stride[1] + right) * geometry.stride[1] - geometry.pads[1],
    )
