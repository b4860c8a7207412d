"""Mapping: a program laid out on one machine - loop nests, addresses, memory plan and the words of every memory.

Letters in shapes: M processing elements, N lanes, R requantisers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import mul

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.hazards import wait_cycles
from bcsim.compiler.mapping.layer_mapping import LayerMapping, ceil_div, make_nest
from bcsim.compiler.mapping.parameter_words import parameter_fields
from bcsim.compiler.mapping.record_words import (
    drain_record,
    issue_record,
    stream_record,
    weight_stream_records,
)
from bcsim.compiler.mapping.shared_sources import place_outputs, stored_chunks
from bcsim.compiler.mapping.weight_streaming import place_weights
from bcsim.compiler.mapping.weight_words import matching_constants, pack_weights, unpack_weights
from bcsim.compiler.program.dependencies import INPUT, Reads, layer_reads
from bcsim.compiler.program.layers import DenseLayer, Program, Search
from bcsim.machine.parameters import Machine

__all__ = ["Image", "LayerMapping", "Mapping", "map_program"]


@dataclass(frozen=True, slots=True)
class Image:
    """The words of every memory; what a bitstream holds or the bus loads.

    weights : uint8 (weight words, ceil(M * N / 8)), bit i of a word in byte i // 8.
    streamed : the words that each image brings over the weight stream, in the same form.
    offsets, divisors : int64 (R, parameter words), the two fields of the parameter memories.
    minimum : bool (R, parameter words), the third: pool by the least value.
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

    def weight_words(self, nest: LayerMapping) -> NDArray[np.uint8]:
        """A layer's weight words, wherever they come from."""
        words = self.streamed if nest.streamed else self.weights
        return words[nest.first_weight : nest.first_weight + nest.weight_words]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A program on a machine.

    sources : for each layer the indices of the layers it reads, -1 for the input.
    packed : the input stream carries windows of the first convolution, not pixels.
    position_beats : input stream words of one position; a dense network has one position.
    beats : input stream words of one image.
    activation_words : how much of the activation memory the plan uses.
    slots : first words of the slots for streamed tiles, in the weight memory; none where no layer's weights stream.
    """

    program: Program
    machine: Machine
    layers: tuple[LayerMapping, ...]
    sources: Reads
    packed: bool
    position_beats: int
    beats: int
    activation_words: int
    slots: tuple[int, ...]
    image: Image

    @property
    def weight_words(self) -> int:
        """How much of the weight memory the plan uses."""
        streamed = [nest.tile_words for nest in self.layers if nest.streamed]
        return self.slots[-1] + max(streamed) if streamed else len(self.image.weights)


def map_program(program: Program, machine: Machine) -> Mapping:
    """Lay `program` out on `machine`.

    Raises BcsimError naming the machine parameter that is too small and the least value that would do.
    """
    _check_program(program, machine)
    packed = _packs(program, machine)
    sources = layer_reads(program)
    _check_sources(program, sources)
    nests = _nests(program, machine, sources, packed)
    nests = [replace(nest, fill=_fill(number, nests, sources)) for number, nest in enumerate(nests)]
    nests, slots = place_weights(nests, machine)
    inputs, bases, used = _plan(nests, sources, machine)
    _require(machine, "activation_words", used)
    layers: list[LayerMapping] = []
    for index, nest in enumerate(nests):
        layers.append(_place(nest, layers, index, sources, inputs, bases, machine))
    _require(machine, "parameter_words", sum(layer.parameter_span for layer in layers))
    first = layers[0].geometry
    position_beats = ceil_div(first.channels[0], machine.input_bytes)
    beats = first.height * first.width * position_beats
    return Mapping(
        program=program,
        machine=machine,
        layers=tuple(layers),
        sources=sources,
        packed=packed,
        position_beats=position_beats,
        beats=beats,
        activation_words=used,
        slots=slots,
        image=_image(layers, slots, position_beats, beats, program.classes, machine),
    )


def _nests(program: Program, machine: Machine, sources: Reads, packed: bool) -> list[LayerMapping]:
    chunks = stored_chunks(program.layers, sources, machine.lanes)
    return [
        make_nest(
            layer,
            machine,
            scores=layer is program.layers[-1],
            packed=packed and index == 0,
            source_chunks=chunks[reads[0]],
            output_chunks=chunks[index],
        )
        for index, (layer, reads) in enumerate(zip(program.layers, sources, strict=True))
    ]


def _require(machine: Machine, parameter: str, needed: int) -> None:
    if getattr(machine, parameter) < needed:
        raise BcsimError(
            f"Machine {machine.name!r} is too small for this network: it needs {parameter} of at least {needed}, "
            f"not {getattr(machine, parameter)}"
        )


def _check_program(program: Program, machine: Machine) -> None:
    _require(machine, "layers", len(program.layers))
    _require(machine, "outputs", program.classes)
    for layer in program.layers:
        _check_bits(layer, "input", layer.source.bits, machine)
        if layer is not program.layers[-1]:
            _check_bits(layer, "output", layer.target.bits, machine)
        if not isinstance(layer.requantiser, Search):
            _require(machine, "fraction_bits", layer.requantiser.fraction_bits)
        if not layer.geometry.point and not machine.spatial:
            raise BcsimError(
                f"Layer {layer.name!r} is a convolution or has several sources: it needs a machine with spatial=true"
            )


def _check_sources(program: Program, sources: Reads) -> None:
    """The input's buffer is free for the next image once the first layer has read it."""
    for layer, reads in zip(program.layers[1:], sources[1:], strict=True):
        if INPUT in reads:
            raise BcsimError(
                f"Layer {layer.name!r} reads the network's input; the machine takes that in the first layer only"
            )


def _check_bits(layer: DenseLayer, end: str, bits: int, machine: Machine) -> None:
    if bits > machine.activation_bits:
        raise BcsimError(
            f"Machine {machine.name!r} is too small for this network: the {end} of layer {layer.name!r} has "
            f"{bits} bits, it needs activation_bits of at least {bits}, not {machine.activation_bits}"
        )


def _packs(program: Program, machine: Machine) -> bool:
    """Whether the first convolution's windows fit words so much better than its pixels that the host sends windows."""
    first = program.layers[0].geometry
    alone = sum(sources.count(INPUT) for sources in layer_reads(program)) == 1
    if first.groups > 1 or len(first.channels) > 1 or not alone:
        return False
    taps = first.kernel[0] * first.kernel[1]
    packed = ceil_div(first.window_inputs, machine.lanes)
    return (
        packed < taps * ceil_div(first.channels[0], machine.lanes) and 2 * first.channels[0] <= machine.lanes
    )


def _fill(number: int, nests: Sequence[LayerMapping], sources: Reads) -> int:
    """What a tensor's lanes beyond its channels must hold: the level with which its readers pad, if any pads."""
    readers = [nest for nest, reads in zip(nests, sources, strict=True) if number in reads]
    return max((nest.geometry.pad_level for nest in readers if any(nest.geometry.pads)), default=0)


def _plan(
    nests: Sequence[LayerMapping], sources: Reads, machine: Machine
) -> tuple[tuple[int, ...], list[int], int]:
    """Where tensors lie: (input buffers' bases, bases of the layers' outputs, words used).

    The input buffers come first, the rest behind them. A layer writes one tensor while it reads others, and may write
    over what it has read.
    """
    words = nests[0].source_words
    inputs = tuple(buffer * words for buffer in range(machine.input_buffers))
    bases, space = place_outputs(nests, sources)
    start = machine.input_buffers * words
    return inputs, [start + base for base in bases], start + space


def _place(
    nest: LayerMapping,
    before: Sequence[LayerMapping],
    index: int,
    sources: Reads,
    inputs: tuple[int, ...],
    bases: Sequence[int],
    machine: Machine,
) -> LayerMapping:
    reads = sources[index]
    starts = [inputs[0] if source == INPUT else bases[source] for source in reads]
    stride = starts[1] - starts[0] if len(starts) > 1 else 0
    if any(later - earlier != stride for earlier, later in pairwise(starts)):
        raise BcsimError(
            f"Layer {nest.layer.name!r} reads {len(starts)} sources in an order that the machine cannot take; accepted "
            "are 1 or 2, or more that are different tensors, which no other layer of more than 2 reads in a "
            "contradicting order"
        )
    placed = replace(
        nest,
        source_fills=tuple(0 if source == INPUT else before[source].fill for source in reads),
        read_bases=inputs if reads[0] == INPUT else (starts[0],),
        source_stride=stride,
        write_base=0 if nest.scores else bases[index],
        first_parameter=sum(layer.parameter_span for layer in before),
    )
    _check_padding(placed, reads, machine)
    return replace(placed, wait=wait_cycles(placed, reads, before, machine))


def _check_padding(nest: LayerMapping, reads: Sequence[int], machine: Machine) -> None:
    """Padding of another level than the lanes beyond the channels hold would not be the same in all lanes.

    The loader fills them with 0, a layer with the level of one reader.
    """
    geometry = nest.geometry
    others = [fill for fill in nest.source_fills if fill != geometry.pad_level]
    if not any(geometry.pads) or not others or not any(nest.idle_lanes(machine.lanes)):
        return
    if INPUT in reads:
        raise BcsimError(
            f"Layer {nest.layer.name!r} pads the input with level {geometry.pad_level}; the machine takes that where "
            f"lanes ({machine.lanes}) divides its {geometry.channels[0]} channels or is at least twice as many"
        )
    raise BcsimError(
        f"Layer {nest.layer.name!r} pads with level {geometry.pad_level} what another layer pads with level "
        f"{others[0]}; the machine takes that where lanes ({machine.lanes}) divides its {geometry.channels[0]} channels"
    )


def _image(
    layers: Sequence[LayerMapping],
    slots: Sequence[int],
    position_beats: int,
    beats: int,
    classes: int,
    machine: Machine,
) -> Image:
    nothing = np.zeros((0, ceil_div(machine.slots, 8)), dtype=np.uint8)
    resident, streamed, parameters = [nothing], [nothing], []
    for nest in layers:
        words = pack_weights(nest, machine)
        (streamed if nest.streamed else resident).append(words)
        parameters.append(parameter_fields(nest, machine, _constants(nest, words, machine)))
    return Image(
        weights=np.concatenate(resident),
        streamed=np.concatenate(streamed),
        offsets=np.concatenate([fields.offsets for fields in parameters], axis=1),
        divisors=np.concatenate([fields.divisors for fields in parameters], axis=1),
        minimum=np.concatenate([fields.minimum for fields in parameters], axis=1),
        issue=tuple(issue_record(nest, machine, slots, first=nest is layers[0]) for nest in layers),
        drain=tuple(drain_record(nest, machine) for nest in layers),
        stream=stream_record(layers[0], machine, slots, beats, position_beats, classes),
        weight_stream=weight_stream_records(layers),
    )


def _constants(nest: LayerMapping, words: NDArray[np.uint8], machine: Machine) -> NDArray[np.int64]:
    """What the array adds to every output's accumulator, int64 (tiles * M,), read back from the words."""
    taps = nest.geometry.kernel[0] * nest.geometry.kernel[1]
    filled = taps * sum(map(mul, nest.source_fills, nest.idle_lanes(machine.lanes)))
    per_tile = len(words) // nest.tiles
    shifts = np.array([plane.shift for plane in nest.layer.planes for _ in range(nest.factor)])
    constants = []
    for tile in range(nest.tiles):
        weights, signs = unpack_weights(words[tile * per_tile : (tile + 1) * per_tile], machine)
        per_word = matching_constants(weights, signs, machine.digit, nest.digits)
        per_plane = per_word.reshape(nest.planes, -1, machine.pes).sum(axis=1)
        constants.append(((per_plane + filled) << shifts[:, None]).sum(axis=0))
    return np.asarray(np.concatenate(constants), dtype=np.int64)
