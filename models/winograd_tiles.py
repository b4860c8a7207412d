"""Transforms of Winograd's F(4x4, 3x3) between images and tiles, compiled for the host.

An image is cut into tiles of 4x4 pixels; the 6x6 pixels that a tile's outputs depend on overlap those of its
neighbours by two, and pixels outside the image are zeros. Matrices: Lavin and Gray, Fast Algorithms for Convolutional
Neural Networks (2015), section 4.3.

Images are (n, rows, columns, channels) float32, tiles (36, tiles, channels) float32, both contiguous, rows and columns
multiples of 4, channels a multiple of 32; tiles go by image, row and column.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bcsim.common.compile_cache import cached, compiled
from bcsim.common.vectors import LANES, load_single, splat_single, store

TILE = 4
WINDOW = TILE + 2
VECTOR = 4 * LANES
"""Bytes of the channels that are transformed together."""


@compiled
def _times(factor: float, x: Any) -> Any:
    return splat_single(np.float32(factor)) * x


@compiled
def _six(array: Any, byte: int, stride: int) -> Any:
    """Six vectors, `stride` bytes apart."""
    return (
        load_single(array, byte),
        load_single(array, byte + stride),
        load_single(array, byte + 2 * stride),
        load_single(array, byte + 3 * stride),
        load_single(array, byte + 4 * stride),
        load_single(array, byte + 5 * stride),
    )


@compiled
def _four(array: Any, byte: int, stride: int) -> Any:
    return (
        load_single(array, byte),
        load_single(array, byte + stride),
        load_single(array, byte + 2 * stride),
        load_single(array, byte + 3 * stride),
    )


@compiled
def _put_four(array: Any, byte: int, stride: int, x: Any) -> None:
    store(array, byte, x[0])
    store(array, byte + stride, x[1])
    store(array, byte + 2 * stride, x[2])
    store(array, byte + 3 * stride, x[3])


@compiled
def _put_six(array: Any, byte: int, stride: int, x: Any) -> None:
    _put_four(array, byte, stride, x)
    store(array, byte + 4 * stride, x[4])
    store(array, byte + 5 * stride, x[5])


@compiled
def _input(x: Any) -> Any:
    """B^T x, of 6 pixels."""
    even, odd = x[4] - _times(4, x[2]), x[3] - _times(4, x[1])
    outer, inner = x[4] - x[2], _times(2, x[3] - x[1])
    first = _times(4, x[0]) - _times(5, x[2]) + x[4]
    last = _times(4, x[1]) - _times(5, x[3]) + x[5]
    return first, even + odd, even - odd, outer + inner, outer - inner, last


@compiled
def _input_gradient(x: Any) -> Any:
    """B x, of 6 tile elements."""
    near, far = x[1] + x[2], x[3] + x[4]
    less, twice = x[1] - x[2], _times(2, x[3] - x[4])
    return (
        _times(4, x[0]),
        _times(4, x[5] - less) - twice,
        _times(-5, x[0]) - _times(4, near) - far,
        less + twice - _times(5, x[5]),
        x[0] + near + far,
        x[5],
    )


@compiled
def _output(x: Any) -> Any:
    """A^T x, of 6 tile elements."""
    near, far = x[1] + x[2], x[3] + x[4]
    less, fall = x[1] - x[2], x[3] - x[4]
    return x[0] + near + far, less + _times(2, fall), near + _times(4, far), less + _times(8, fall) + x[5]


@compiled
def _output_gradient(x: Any) -> Any:
    """A x, of 4 pixels."""
    even, odd = x[0] + x[2], x[1] + x[3]
    far_even, far_odd = x[0] + _times(4, x[2]), _times(2, x[1]) + _times(8, x[3])
    return x[0], even + odd, even - odd, far_even + far_odd, far_even - far_odd, x[3]


@compiled
def _place(tile: int, columns: int) -> tuple[int, int]:
    """Row, counted through all images, and column of a tile's first pixel."""
    across = columns // TILE
    return tile // across * TILE, tile % across * TILE


@cached
def cut(images: Any, tiles: Any) -> None:
    """Tiles of images: B^T d B of the 6x6 pixels d around each."""
    _, rows, columns, channels = images.shape
    pixel, plane = 4 * channels, 4 * channels * tiles.shape[1]
    scratch, zero = np.empty(WINDOW * WINDOW * LANES, np.float32), splat_single(np.float32(0))
    for tile in range(tiles.shape[1]):
        row, left = _place(tile, columns)
        for block in range(0, pixel, VECTOR):
            for j in range(WINDOW):
                column = left + j - 1
                x = (zero, zero, zero, zero, zero, zero)
                if 0 <= column < columns:
                    byte = (row * columns + column) * pixel + block
                    stride = columns * pixel
                    inner = _four(images, byte, stride)
                    above = load_single(images, byte - stride) if row % rows > 0 else zero
                    below = load_single(images, byte + 4 * stride) if row % rows + TILE < rows else zero
                    x = (above, inner[0], inner[1], inner[2], inner[3], below)
                _put_six(scratch, j * VECTOR, WINDOW * VECTOR, _input(x))
            for i in range(WINDOW):
                byte = WINDOW * i * plane + tile * pixel + block
                _put_six(tiles, byte, plane, _input(_six(scratch, i * WINDOW * VECTOR, VECTOR)))


@cached
def join(tiles: Any, images: Any) -> None:
    """Images of their tiles m: A^T m A."""
    _, _, columns, channels = images.shape
    pixel, plane = 4 * channels, 4 * channels * tiles.shape[1]
    scratch = np.empty(WINDOW * WINDOW * LANES, np.float32)
    for tile in range(tiles.shape[1]):
        row, left = _place(tile, columns)
        for block in range(0, pixel, VECTOR):
            for i in range(WINDOW):
                byte = WINDOW * i * plane + tile * pixel + block
                _put_four(scratch, i * VECTOR, WINDOW * VECTOR, _output(_six(tiles, byte, plane)))
            for j in range(TILE):
                byte = (row * columns + left + j) * pixel + block
                column = _output(_six(scratch, j * WINDOW * VECTOR, VECTOR))
                _put_four(images, byte, columns * pixel, column)


@cached
def join_gradient(images: Any, tiles: Any) -> None:
    """Gradient of `join`: A g A^T of each tile's 4x4 pixels g."""
    _, _, columns, channels = images.shape
    pixel, plane = 4 * channels, 4 * channels * tiles.shape[1]
    scratch = np.empty(WINDOW * TILE * LANES, np.float32)
    for tile in range(tiles.shape[1]):
        row, left = _place(tile, columns)
        for block in range(0, pixel, VECTOR):
            for j in range(TILE):
                byte = (row * columns + left + j) * pixel + block
                column = _output_gradient(_four(images, byte, columns * pixel))
                _put_six(scratch, j * VECTOR, TILE * VECTOR, column)
            for i in range(WINDOW):
                byte = WINDOW * i * plane + tile * pixel + block
                _put_six(tiles, byte, plane, _output_gradient(_four(scratch, i * TILE * VECTOR, VECTOR)))


@cached
def cut_gradient(tiles: Any, images: Any) -> None:
    """Gradient of `cut`: the sum, for each pixel, of B v B^T of the tiles v that see it."""
    _, rows, columns, channels = images.shape
    pixel, plane = 4 * channels, 4 * channels * tiles.shape[1]
    scratch = np.empty(WINDOW * WINDOW * LANES, np.float32)
    images[:] = 0
    for tile in range(tiles.shape[1]):
        row, left = _place(tile, columns)
        for block in range(0, pixel, VECTOR):
            for i in range(WINDOW):
                byte = WINDOW * i * plane + tile * pixel + block
                _put_six(scratch, i * VECTOR, WINDOW * VECTOR, _input_gradient(_six(tiles, byte, plane)))
            for j in range(WINDOW):
                column = left + j - 1
                if 0 <= column < columns:
                    byte = (row * columns + column) * pixel + block
                    stride = columns * pixel
                    x = _input_gradient(_six(scratch, j * WINDOW * VECTOR, VECTOR))
                    if row % rows > 0:
                        _add(images, byte - stride, x[0])
                    _add(images, byte, x[1])
                    _add(images, byte + stride, x[2])
                    _add(images, byte + 2 * stride, x[3])
                    _add(images, byte + 3 * stride, x[4])
                    if row % rows + TILE < rows:
                        _add(images, byte + 4 * stride, x[5])


@compiled
def _add(array: Any, byte: int, x: Any) -> None:
    store(array, byte, load_single(array, byte) + x)
