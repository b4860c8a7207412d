"""The memory image: the words of every memory of a machine with a program on it.

Letters in shapes: M processing elements, N lanes, R requantisers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.mapping.array_planes import array_planes
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.parameter_words import parameter_fields
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.compiler.mapping.record_words import (
    drain_record,
    issue_record,
    stream_record,
    weight_stream_records,
)
from bcsim.compiler.mapping.shortfall import Shortfall
from bcsim.compiler.mapping.stored_tensors import ceil_div
from bcsim.compiler.mapping.weight_words import matching_constants, pack_weights, unpack_weights
from bcsim.machine.parameters import Machine

__all__ = ["Image", "make_image"]


@dataclass(frozen=True, slots=True)
class Image:
    """The words of every memory; what a bitstream holds or the bus loads.

    weights : uint8 (weight words, ceil(M * N / 8)), bit i of a word in byte i // 8.
    streamed : the words that each image brings over the weight stream, in the same form.
    offsets, divisors : int64 (R, parameter words), the two fields of the parameter memories.
    minimum : bool (R, parameter words), the third: take the minimum.
    issue, drain : one record per layer, as integers (bcsim.machine.records).
    stream : the one record of loader and output.
    weight_stream : one record for each layer whose weights stream.
    """

    weights: NDArray[np.uint8]
    streamed: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    divisors: NDArray[np.int64]
    minimum: NDArray[np.bool_]
    issue: tuple[int, ...]
    drain: tuple[int, ...]
    stream: int
    weight_stream: tuple[int, ...] = ()

    def weight_words(self, layer: PlacedLayer) -> NDArray[np.uint8]:
        """A layer's weight words, wherever they come from."""
        words = self.streamed if layer.nest.streamed else self.weights
        return words[layer.first_weight : layer.first_weight + layer.nest.weight_words]


def make_image(
    layers: Sequence[PlacedLayer],
    slots: Sequence[int],
    position_beats: int,
    beats: int,
    images: int,
    shortfall: Shortfall,
) -> Image:
    """The words of every memory for these layers.

    slots : first words of the slots for streamed tiles. position_beats, beats : input stream words of a position and
        of an image. images : taken at once.

    shortfall : of the machine, to which too narrow accumulators are added.

    Raises MachineTooSmallError where the machine lacks anything, and BcsimError naming a layer that no record has
    room for.
    """
    machine = shortfall.machine
    nothing = np.zeros((0, ceil_div(machine.slots, 8)), dtype=np.uint8)
    resident, streamed, parameters = [nothing], [nothing], []
    for nest in (layer.nest for layer in layers):
        words = pack_weights(nest, machine)
        (streamed if nest.streamed else resident).append(words)
        parameters.append(parameter_fields(nest, shortfall, _constants(nest, words, machine)))
    shortfall.check()
    return Image(
        weights=np.concatenate(resident),
        streamed=np.concatenate(streamed),
        offsets=np.concatenate([fields.offsets for fields in parameters], axis=1),
        divisors=np.concatenate([fields.divisors for fields in parameters], axis=1),
        minimum=np.concatenate([fields.minimum for fields in parameters], axis=1),
        issue=tuple(issue_record(layer, machine, slots) for layer in layers),
        drain=tuple(drain_record(layer, machine) for layer in layers),
        stream=stream_record(layers, machine, slots, beats, position_beats, images),
        weight_stream=weight_stream_records([layer.nest for layer in layers], machine),
    )


def _constants(nest: LoopNest, words: NDArray[np.uint8], machine: Machine) -> NDArray[np.int64]:
    """What the array adds to every output's accumulator, int64 (tiles * M,), read back from the words."""
    taps = nest.geometry.kernel[0] * nest.geometry.kernel[1]
    filled = taps * sum(map(mul, nest.source_fills, nest.idle_lanes(machine.lanes)))
    per_tile = len(words) // nest.tiles
    shifts = np.array([plane.shift for plane in array_planes(nest.layer, nest.cancels)[0]])
    constants = []
    for tile in range(nest.tiles):
        weights, signs = unpack_weights(words[tile * per_tile : (tile + 1) * per_tile], machine)
        per_word = matching_constants(weights, signs, machine.digit, nest.digits)
        per_plane = per_word.reshape(nest.planes, -1, machine.pes).sum(axis=1)
        constants.append(((per_plane + filled) << shifts[:, None]).sum(axis=0))
    return np.asarray(np.concatenate(constants), dtype=np.int64)
