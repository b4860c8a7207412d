"""Weight words: a layer's weight planes as the array reads them, and back.

Letters in shapes: T tiles, B planes of the array, C chunks, M processing elements, N lanes.
docs/machine.md, "Words", defines the bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.mapping.array_planes import ArrayPlane, array_planes
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.program.layers import DenseLayer
from bcsim.machine.parameters import Machine

__all__ = ["matching_constants", "pack_weights", "unpack_weights"]


def pack_weights(nest: LoopNest, machine: Machine) -> NDArray[np.uint8]:
    """The layer's weight words, uint8 (T * B * taps * C, ceil(M * N / 8)), bit i of a word in byte i // 8.

    Lanes beyond a source's channels and elements beyond the layer's outputs have the sign that a plane has outside
    the output's group: +1 without groups, and with groups what sums to 0 over the planes.
    """
    lanes, pes, tiles, taps = machine.lanes, machine.pes, nest.tiles, nest.taps
    words = np.empty((tiles, nest.planes, taps, nest.chunks, -(-lanes * pes // 8)), dtype=np.uint8)
    for number, plane in enumerate(array_planes(nest.layer, nest.cancels)[0]):
        signs = _spread(nest, plane, tiles * pes, machine)
        for tile in range(tiles):
            first = tile * nest.tile_chunks * lanes
            block = signs[tile * pes : (tile + 1) * pes, :, first : first + nest.chunks * lanes]
            words[tile, number] = _pack_tile(block < 0, nest.chunks, lanes)
    return words.reshape(-1, words.shape[-1])


def _spread(nest: LoopNest, plane: ArrayPlane, outputs: int, machine: Machine) -> NDArray[np.int8]:
    """One plane's weights over all channels of all sources, int8 (outputs, taps, channels with padding)."""
    layer, geometry = nest.layer, nest.geometry
    signs = _signs(layer, plane)
    channels = (nest.chunks_in_source + nest.tiles * nest.tile_chunks) * machine.lanes
    spread = np.full((outputs, nest.taps, channels), plane.outside, dtype=np.int8)
    taps, outputs_per_group = geometry.kernel[0] * geometry.kernel[1], layer.outputs // geometry.groups
    start = 0
    for source, channels in enumerate(geometry.channels):
        per_group = channels // geometry.groups
        part = signs[:, start : start + taps * per_group].reshape(layer.outputs, taps, per_group)
        places = slice(source * taps, (source + 1) * taps)
        start += taps * per_group
        for group in range(geometry.groups):
            rows = slice(group * outputs_per_group, (group + 1) * outputs_per_group)
            spread[rows, places, group * per_group : (group + 1) * per_group] = part[rows]
    return spread


def _signs(layer: DenseLayer, plane: ArrayPlane) -> NDArray[np.int8]:
    """The plane's weights, int8 (outputs, inputs)."""
    if plane.source is None:
        return np.full((layer.outputs, layer.inputs), plane.inside, dtype=np.int8)
    return layer.planes[plane.source].signs(layer.inputs)


def _pack_tile(negative: NDArray[np.bool_], chunks: int, lanes: int) -> NDArray[np.uint8]:
    """Words uint8 (taps, C, bytes) of weights bool (M, taps, C * N) that are True where -1."""
    bits = np.empty(negative.shape, dtype=bool)
    bits[..., 0::2] = negative[..., 0::2]
    bits[..., 1::2] = negative[..., 0::2] ^ negative[..., 1::2]
    pes, taps = len(bits), negative.shape[1]
    words = bits.reshape(pes, taps, chunks, lanes).transpose(1, 2, 0, 3)
    return np.packbits(words.reshape(taps, chunks, -1), axis=-1, bitorder="little")


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
