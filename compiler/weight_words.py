"""Weight words: a layer's weight planes as the array reads them, and back.

Letters in shapes: T tiles, B planes, C chunks, M processing elements, N lanes, O outputs, I inputs.
docs/machine.md, "Words", defines the bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program import DenseLayer
from bcsim.machine import Machine

__all__ = ["matching_constants", "pack_weights", "unpack_weights"]


def pack_weights(layer: DenseLayer, machine: Machine, tiles: int, chunks: int) -> NDArray[np.uint8]:
    """The layer's weight words, uint8 (T * B * C, ceil(M * N / 8)), bit i of a word in byte i // 8.

    Lanes beyond the layer's inputs and elements beyond its outputs have weight +1.
    """
    lanes, pes = machine.lanes, machine.pes
    planes = np.ones((len(layer.planes), tiles * pes, chunks * lanes), dtype=np.int8)
    for plane, padded in zip(layer.planes, planes, strict=True):
        padded[: layer.outputs, : layer.inputs] = plane.signs(layer.inputs)
    negative = planes < 0
    bits = np.empty(negative.shape, dtype=bool)
    bits[..., 0::2] = negative[..., 0::2]
    bits[..., 1::2] = negative[..., 0::2] ^ negative[..., 1::2]
    words = bits.reshape(len(layer.planes), tiles, pes, chunks, lanes).transpose(1, 0, 3, 2, 4)
    return np.packbits(words.reshape(tiles * len(layer.planes) * chunks, -1), axis=1, bitorder="little")


def unpack_weights(words: NDArray[np.uint8], machine: Machine) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """What the array makes of weight words (W, bytes).

    Returns the weights as -1 and +1, int8 (W, M, N), and how many pairs have their sign bit set, int64 (W, M).
    """
    lanes, pes = machine.lanes, machine.pes
    bits = np.unpackbits(words, axis=1, count=lanes * pes, bitorder="little").reshape(-1, pes, lanes)
    sign = bits[..., 0::2]
    weights = np.empty(bits.shape, dtype=np.int8)
    weights[..., 0::2] = 1 - 2 * sign.astype(np.int8)
    weights[..., 1::2] = 1 - 2 * (sign ^ bits[..., 1::2]).astype(np.int8)
    return weights, sign.sum(axis=2, dtype=np.int64)


def matching_constants(
    weights: NDArray[np.int8], signs: NDArray[np.int64], digit: int, digits: int
) -> NDArray[np.int64]:
    """What matching adds to sum(w * q) in each weight word and element, int64, the shape of `signs`.

    u * n_minus + n_sign * u / (2**p - 1) with u = 2**(p * digits) - 1: docs/machine.md, "Arithmetic of the array".
    """
    whole = (1 << (digit * digits)) - 1
    minus = np.count_nonzero(weights < 0, axis=-1)
    return np.asarray(whole * minus + signs * (whole // ((1 << digit) - 1)), dtype=np.int64)
