"""Windows over images in numpy: what convolutions and poolings read.

Letters in shapes: n images, C channels, H rows, W columns, R and S rows and columns of windows, J and K a window's
rows and columns, O outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["correlate", "taps", "windows"]

FloatArray: TypeAlias = NDArray[np.float64]

# Elements of a block of copied windows, 64 MiB of float64: beyond the caches, and small beside the tensors.
_BLOCK = 2**23


def windows(
    x: FloatArray,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
    outside: float = 0.0,
) -> FloatArray:
    """Every window of images x (n, C, H, W), a view (n, C, R, S, J, K) of them or of their padded copy.

    kernel, stride : (rows, columns). pads : (top, left, bottom, right) rows and columns around the images,
    which hold `outside`.
    """
    top, left, bottom, right = pads
    around = ((0, 0), (0, 0), (top, bottom), (left, right))
    padded = np.pad(x, around, constant_values=outside) if any(pads) else x
    every = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))
    return every[:, :, :: stride[0], :: stride[1]]


def taps(
    x: FloatArray,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
    outside: float = 0.0,
) -> Iterator[FloatArray]:
    """The values at every place of a window in turn, each a view (n, C, R, S); the arguments are those of `windows`."""
    every = windows(x, kernel, stride, pads, outside)
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            yield every[..., row, column]


def correlate(
    x: FloatArray,
    weights: NDArray[np.generic],
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
    groups: int,
    outside: float = 0.0,
) -> FloatArray:
    """The correlation of images x (n, C, H, W) with weights (O, C / groups, J, K), float64 (n, O, R, S).

    outside : what the pads hold.
    Images are taken in blocks, so that the windows copied for the matrix product stay below 64 MiB or one image's.
    """
    outputs, inputs = weights.shape[0], int(np.prod(weights.shape[1:]))
    matrices = weights.astype(np.float64).reshape(groups, outputs // groups, inputs)
    every = windows(x, weights.shape[2:], stride, pads, outside).transpose(1, 4, 5, 0, 2, 3)
    n, rows, columns = every.shape[3:]
    result = np.empty((n, outputs, rows, columns))
    step = max(1, _BLOCK // max(1, groups * inputs * rows * columns))
    for start in range(0, n, step):
        block = every[:, :, :, start : start + step]
        # One product for all images: many small ones cost more in waiting for BLAS's threads than in arithmetic.
        product = matrices @ block.reshape(groups, inputs, block[0, 0, 0].size)
        result[start : start + step] = product.reshape(outputs, -1, rows, columns).transpose(1, 0, 2, 3)
    return result
