"""The array and the requantisers as the machine level computes them: on words read from the memories.

Letters in shapes: n images, Q windows of one image (positions times the pooling's windows), T tiles, C chunks of a
source, D digits, M processing elements, N lanes, R requantisers, K rounds of one position.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.compiler.mapping.weight_words import matching_constants, unpack_weights
from bcsim.compiler.program.geometry import taps, window_corners
from bcsim.compiler.program.layers import Search

__all__ = ["LoadedLayer", "load_layer", "window_addresses"]

FLOAT32_EXACT = 1 << 24
"""Below this every sum of integers is exact in float32."""

FLOAT64_EXACT = 1 << 53
"""Below this integers are exact in float64, and so is the floor of their quotients: one that is less than an integer
k is so by 1/D or more, and k * D < 2**53, so that this is more than the rounding next to k."""


@dataclass(frozen=True, slots=True)
class LoadedLayer:
    """A layer's part of the image, decoded once.

    addresses : int64 (Q, taps * C * D), the words each window reads, from the first source's base.
    padding : bool (Q, taps * C * D), the words that lie outside the source.
    weights : float32 or float64 (T * M, taps * C * N), the planes' weights added up with their powers of two.
    constants : int64 (T * M,), what matching adds to every accumulator.
    offsets, divisors : int64 (K * R,) for a division, (K * R, 2**bits) for a search, channel by channel.
    minimum : bool (K * R,), channels that take the minimum.
    """

    layer: PlacedLayer
    mapping: Mapping
    addresses: NDArray[np.int64]
    padding: NDArray[np.bool_]
    weights: NDArray[np.floating]
    constants: NDArray[np.int64]
    offsets: NDArray[np.int64]
    divisors: NDArray[np.int64]
    minimum: NDArray[np.bool_]

    @property
    def nest(self) -> LoopNest:
        return self.layer.nest

    @property
    def bytes_per_image(self) -> int:
        """What `accumulate` needs for one image, roughly."""
        return self.addresses.size * self.mapping.machine.lanes * (1 + self.weights.itemsize)

    def read(self, memory: NDArray[np.uint8], bases: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The words of every window, uint8 (n, Q, taps * C * D, N), of memories uint8 (n, words, N).

        bases : int64 (n,), where each image's source lies.
        """
        index = np.where(self.padding, 0, self.addresses) + bases[:, None, None]
        words = memory[np.arange(len(memory))[:, None, None], index]
        if self.padding.any():
            digit, level = self.mapping.machine.digit, self.nest.geometry.pad_level
            shifts = digit * np.arange(self.nest.digits - 1, -1, -1)
            digits = np.resize(level >> shifts & ((1 << digit) - 1), self.padding.shape)
            words[:, self.padding] = digits[self.padding][:, None]
        return words

    def accumulate(self, words: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The accumulators of every tile's elements, exact, float64 (..., T * M), from words uint8 (..., taps * C * D,
        N): a machine's accumulators have at most 40 bits."""
        nest, machine = self.nest, self.mapping.machine
        digits = words.reshape(*words.shape[:-2], -1, nest.digits, machine.lanes)
        values = digits[..., 0, :].astype(self.weights.dtype)
        for index in range(1, nest.digits):
            values = values * (1 << machine.digit) + digits[..., index, :]
        # One product of two matrices: numpy would take a stack of windows one by one.
        sums = values.reshape(-1, self.weights.shape[1]) @ self.weights.T
        accumulators: NDArray[np.float64] = np.add(sums, self.constants, dtype=np.float64)
        # Elements beyond the outputs may sum up more than an accumulator holds; what they give must be constant.
        beyond = accumulators[:, nest.layer.outputs :]
        np.fmod(beyond, 1 << machine.accumulator_bits, out=beyond)
        return accumulators.reshape(*words.shape[:-2], -1)

    def requantise(self, accumulators: NDArray[np.float64]) -> NDArray[np.uint16]:
        """q of the drained channels, uint16 (..., K * R), as P compare-and-subtract steps give them."""
        drained = accumulators[..., : len(self.offsets)] * (1 << self.mapping.machine.fraction_bits)
        bits = self.nest.layer.target.bits
        if isinstance(self.nest.layer.requantiser, Search):
            return _search(drained.astype(np.int64), self.offsets, bits)
        # A restoring division of P steps is a floor division that saturates at both ends.
        divisors = self.divisors >> (bits - 1)
        if self.float_division:  # An integer division takes ten times as long.
            drained -= self.offsets
            drained /= divisors
            quotient = np.floor(drained, out=drained)
        else:
            quotient = (drained.astype(np.int64) - self.offsets) // divisors
        return np.asarray(np.clip(quotient, 0, (1 << bits) - 1), dtype=np.uint16)

    @property
    def float_division(self) -> bool:
        """Whether float64 divides every accumulator exactly."""
        machine = self.mapping.machine
        reach = (1 << machine.accumulator_bits + machine.fraction_bits) + int(np.abs(self.offsets).max())
        return reach < FLOAT64_EXACT

    def pool(self, q: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """The greatest or least of every pooling window, uint16 (n, positions, K * R), from (n, Q, K * R)."""
        if self.nest.window == 1:
            return q
        windows = q.reshape(len(q), self.nest.positions, self.nest.window, -1)
        return np.asarray(np.where(self.minimum, windows.min(axis=2), windows.max(axis=2)), dtype=np.uint16)


def _search(drained: NDArray[np.int64], thresholds: NDArray[np.int64], bits: int) -> NDArray[np.uint16]:
    q = np.zeros(drained.shape, dtype=np.int64)
    channels = np.arange(drained.shape[-1])
    for bit in reversed(range(bits)):
        candidate = q | (1 << bit)
        q = np.where(drained >= thresholds[channels, candidate], candidate, q)
    return q.astype(np.uint16)


def load_layer(mapping: Mapping, layer: PlacedLayer) -> LoadedLayer:
    """Decode what the image holds for one layer."""
    addresses, padding = window_addresses(layer)
    weights, constants = _matrix(mapping, layer)
    return LoadedLayer(
        layer=layer,
        mapping=mapping,
        addresses=addresses,
        padding=padding,
        weights=weights,
        constants=constants,
        offsets=_by_channel(mapping.image.offsets, mapping, layer),
        divisors=_by_channel(mapping.image.divisors, mapping, layer),
        minimum=_flags(mapping, layer),
    )


def window_addresses(layer: PlacedLayer) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The words that each window reads, int64 (Q, taps * C * D) from the first source's base, and which of them lie
    outside the source, bool."""
    geometry, words = layer.nest.geometry, layer.nest.chunks_in_source * layer.nest.digits
    rows, columns = (corner.reshape(-1) for corner in window_corners(geometry))
    found, outside = [], []
    for source, y, x in taps(geometry):
        row, column = rows + y, columns + x
        inside = (row >= 0) & (row < geometry.height) & (column >= 0) & (column < geometry.width)
        start = (row * geometry.width + column) * words + source * layer.source_stride
        found.append(start[:, None] + np.arange(words))
        outside.append(np.repeat(~inside[:, None], words, axis=1))
    return np.concatenate(found, axis=1), np.concatenate(outside, axis=1)


def _matrix(mapping: Mapping, layer: PlacedLayer) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """Weights (T * M, taps * C * N), 0 where a tile reads nothing, and the matching constants (T * M,)."""
    machine, nest = mapping.machine, layer.nest
    per_tile, shifts, words = nest.tile_words, _plane_shifts(nest), mapping.image.weight_words(layer)
    columns = (nest.chunks_in_source + nest.tiles * nest.tile_chunks) * machine.lanes
    matrix = np.zeros((nest.tiles * machine.pes, nest.taps, columns), dtype=_exact_dtype(mapping, nest))
    constants = np.empty((nest.tiles, machine.pes), dtype=np.int64)
    for tile in range(nest.tiles):
        weights, signs = unpack_weights(words[tile * per_tile : (tile + 1) * per_tile], machine)
        constant = matching_constants(weights, signs, machine.digit, nest.digits).reshape(
            nest.planes, -1, machine.pes
        )
        constants[tile] = (constant.sum(axis=1) << shifts[:, None]).sum(axis=0)
        by_plane = weights.reshape(nest.planes, nest.taps, nest.chunks, machine.pes, machine.lanes)
        total = (by_plane.astype(np.int32) << shifts[:, None, None, None, None].astype(np.int32)).sum(axis=0)
        block = total.transpose(2, 0, 1, 3).reshape(machine.pes, nest.taps, -1)
        first = tile * nest.tile_chunks * machine.lanes
        rows = slice(tile * machine.pes, (tile + 1) * machine.pes)
        matrix[rows, :, first : first + nest.chunks * machine.lanes] = block
    kept = matrix[:, :, : nest.chunks_in_source * machine.lanes]
    return kept.reshape(len(matrix), -1), constants.ravel()


def _exact_dtype(mapping: Mapping, nest: LoopNest) -> type[np.floating]:
    """The narrowest float in which the layer's sums are exact."""
    reach = int((1 << _plane_shifts(nest)).sum()) << (mapping.machine.digit * nest.digits)
    inputs = nest.taps * nest.chunks_in_source * mapping.machine.lanes
    return np.float32 if reach * inputs < FLOAT32_EXACT else np.float64


def _plane_shifts(nest: LoopNest) -> NDArray[np.int64]:
    """log2 of each plane's weight: how often the accumulators double after it."""
    doubled = [(nest.doubles >> plane) & 1 for plane in range(1, nest.planes)]
    return np.array([sum(doubled[plane:]) for plane in range(nest.planes)], dtype=np.int64)


def _by_channel(memory: NDArray[np.int64], mapping: Mapping, layer: PlacedLayer) -> NDArray[np.int64]:
    """One field of the layer's parameter words, from memories (R, words), channel by channel.

    int64 (K * R,) or, for a search, (K * R, 2**bits).
    """
    nest = layer.nest
    span = slice(layer.first_parameter, layer.first_parameter + nest.parameter_span)
    shape = (mapping.machine.requantisers, nest.rounds, nest.parameter_words)
    by_channel = memory[:, span].reshape(shape).transpose(1, 0, 2).reshape(-1, nest.parameter_words)
    return by_channel if nest.parameter_words > 1 else by_channel[:, 0]


def _flags(mapping: Mapping, layer: PlacedLayer) -> NDArray[np.bool_]:
    """The channels that take the minimum, bool (K * R,); every word of a searched channel says the same."""
    words = _by_channel(mapping.image.minimum.astype(np.int64), mapping, layer)
    return words.reshape(layer.nest.rounds * mapping.machine.requantisers, -1)[:, 0] > 0
