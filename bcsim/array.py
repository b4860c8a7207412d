"""The array and the requantisers as the machine level computes them: on words read from the memories.

Letters in shapes: n images, T tiles, B planes, C chunks, D digits, M processing elements, N lanes, R requantisers,
K rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.mapping import LayerMapping, Mapping
from bcsim.compiler.program import Search
from bcsim.compiler.weight_words import matching_constants, unpack_weights

__all__ = ["LoadedLayer", "load_layer"]

FLOAT32_EXACT = 1 << 24
"""Below this every sum of integers is exact in float32."""


@dataclass(frozen=True, slots=True)
class LoadedLayer:
    """A layer's part of the image, decoded once.

    weights : float32 or float64 (T * M, C * N), the planes' weights added up with their powers of two.
    constants : int64 (T * M,), what matching adds to every accumulator.
    offsets, divisors : int64 (K * R,) for a division, (K * R, 2**bits) for a search, channel by channel.
    """

    nest: LayerMapping
    mapping: Mapping
    weights: NDArray[np.floating]
    constants: NDArray[np.int64]
    offsets: NDArray[np.int64]
    divisors: NDArray[np.int64]

    def accumulate(self, words: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The accumulators of every tile's elements, int64 (n, T * M), from activation words uint8 (n, C * D, N)."""
        nest, machine = self.nest, self.mapping.machine
        digits = words.reshape(len(words), nest.chunks, nest.digits, machine.lanes)
        values = np.zeros((len(words), nest.chunks, machine.lanes), dtype=self.weights.dtype)
        for index in range(nest.digits):
            values = values * (1 << machine.digit) + digits[:, :, index]
        sums = values.reshape(len(words), -1) @ self.weights.T
        return np.asarray(sums, dtype=np.int64) + self.constants

    def requantise(self, accumulators: NDArray[np.int64]) -> NDArray[np.int64]:
        """q of the drained channels, int64 (n, K * R), as P compare-and-subtract steps give them."""
        drained = accumulators[:, : len(self.offsets)] << self.mapping.machine.fraction_bits
        bits = self.nest.layer.target.bits
        if isinstance(self.nest.layer.requantiser, Search):
            return _search(drained, self.offsets, bits)
        # A restoring division of P steps is a floor division that saturates at both ends.
        quotient = (drained - self.offsets) // (self.divisors >> (bits - 1))
        return np.clip(quotient, 0, (1 << bits) - 1)


def _search(drained: NDArray[np.int64], thresholds: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    q = np.zeros(drained.shape, dtype=np.int64)
    channels = np.arange(drained.shape[1])
    for bit in reversed(range(bits)):
        candidate = q | (1 << bit)
        q = np.where(drained >= thresholds[channels, candidate], candidate, q)
    return q


def load_layer(mapping: Mapping, nest: LayerMapping) -> LoadedLayer:
    """Decode what the image holds for one layer."""
    machine, image = mapping.machine, mapping.image
    words = image.weights[nest.first_weight : nest.first_weight + nest.weight_words]
    weights, signs = unpack_weights(words, machine)
    constants = matching_constants(weights, signs, machine.digit, nest.digits)
    shifts = _plane_shifts(nest)
    by_plane = weights.reshape(nest.tiles, nest.planes, nest.chunks, machine.pes, machine.lanes)
    total = (by_plane.astype(np.int16) << shifts[None, :, None, None, None]).sum(axis=1, dtype=np.int16)
    flat = total.transpose(0, 2, 1, 3).reshape(nest.tiles * machine.pes, -1)
    constant = (
        constants.reshape(nest.tiles, nest.planes, nest.chunks, -1) << shifts[None, :, None, None]
    ).sum(axis=(1, 2))
    offsets, divisors = _parameters(mapping, nest)
    return LoadedLayer(
        nest, mapping, flat.astype(_exact_dtype(mapping, nest)), constant.ravel(), offsets, divisors
    )


def _exact_dtype(mapping: Mapping, nest: LayerMapping) -> type[np.floating]:
    """The narrowest float in which the layer's sums are exact."""
    reach = sum(1 << plane.shift for plane in nest.layer.planes) << (mapping.machine.digit * nest.digits)
    return np.float32 if reach * nest.chunks * mapping.machine.lanes < FLOAT32_EXACT else np.float64


def _plane_shifts(nest: LayerMapping) -> NDArray[np.int16]:
    """log2 of each plane's weight: how often the accumulators double after it."""
    doubled = [(nest.doubles >> plane) & 1 for plane in range(1, nest.planes)]
    return np.array([sum(doubled[plane:]) for plane in range(nest.planes)], dtype=np.int16)


def _parameters(mapping: Mapping, nest: LayerMapping) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The layer's offsets and divisors, channel by channel, from the requantisers' memories."""
    span = slice(nest.first_parameter, nest.first_parameter + nest.rounds * nest.parameter_words)
    shape = (mapping.machine.requantisers, nest.rounds, nest.parameter_words)
    fields = []
    for memory in (mapping.image.offsets, mapping.image.divisors):
        by_channel = memory[:, span].reshape(shape).transpose(1, 0, 2).reshape(-1, nest.parameter_words)
        fields.append(by_channel if nest.parameter_words > 1 else by_channel[:, 0])
    return fields[0], fields[1]
