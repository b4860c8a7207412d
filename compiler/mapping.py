"""Mapping: a program laid out on one machine - loop nests, addresses, memory plan and the words of every memory.

Letters in shapes: M processing elements, N lanes, R requantisers, I inputs, O outputs, K rounds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bcsim import records
from bcsim.compiler.program import DenseLayer, Program, Search
from bcsim.compiler.requantisers import parameter_fields
from bcsim.compiler.weight_words import matching_constants, pack_weights, unpack_weights
from bcsim.errors import BcsimError
from bcsim.machine import Machine
from bcsim.timing import round_cycles, shadow_latency

__all__ = ["Image", "LayerMapping", "Mapping", "map_program"]


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True, slots=True)
class LayerMapping:
    """One layer's loop nest (tile, plane, chunk, digit), its drain and its addresses.

    chunks, digits, planes, tiles : trip counts; a tile takes planes * chunks * digits steps.
    rounds, rounds_full : rounds of requantisation in the whole layer, and in every tile but the last.
    round_cycles : V of docs/machine.md.
    target_digits : digits of an output value in the activation memory; 1 for scores, which are written whole.
    doubles : bit b set where the accumulators double before plane b.
    read_bases : where the layer's input lies; the first layer has one for each input buffer.
    write_base : where its output goes (0 for the scores, which are not stored there).
    wait : least cycles from the previous layer's last step to this layer's first.
    first_weight, first_parameter : the layer's first words in the weight and parameter memories.
    parameter_words : words of each parameter memory in one round.
    """

    layer: DenseLayer
    chunks: int
    digits: int
    planes: int
    tiles: int
    rounds: int
    rounds_full: int
    round_cycles: int
    target_digits: int
    doubles: int
    scores: bool
    read_bases: tuple[int, ...]
    write_base: int
    wait: int
    first_weight: int
    first_parameter: int
    parameter_words: int

    @property
    def steps_per_tile(self) -> int:
        return self.planes * self.chunks * self.digits

    @property
    def weight_words(self) -> int:
        return self.tiles * self.planes * self.chunks

    @property
    def rounds_last(self) -> int:
        return self.rounds - (self.tiles - 1) * self.rounds_full

    @property
    def drain_full(self) -> int:
        """Cycles a full tile occupies the requantisers: K * V."""
        return self.rounds_full * self.round_cycles

    @property
    def drain_last(self) -> int:
        return self.rounds_last * self.round_cycles

    @property
    def tile_interval(self) -> int:
        """Cycles from one tile's last step to the next one's, at least."""
        return max(self.steps_per_tile, self.drain_full)


@dataclass(frozen=True, slots=True)
class Image:
    """The words of every memory; what a bitstream holds or the bus loads.

    weights : uint8 (weight words, ceil(M * N / 8)), bit i of a word in byte i // 8.
    offsets, divisors : int64 (R, parameter words), the two fields of the parameter memories.
    issue, drain : one record per layer, as integers (bcsim.records).
    stream : the one record of loader and output.
    """

    weights: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    divisors: NDArray[np.int64]
    issue: tuple[int, ...]
    drain: tuple[int, ...]
    stream: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """A program on a machine.

    beats : input stream words of one image.
    activation_words : how much of the activation memory the plan uses.
    """

    program: Program
    machine: Machine
    layers: tuple[LayerMapping, ...]
    beats: int
    activation_words: int
    image: Image


def map_program(program: Program, machine: Machine) -> Mapping:
    """Lay `program` out on `machine`.

    Raises BcsimError naming the machine parameter that is too small and the least value that would do.
    """
    _check_program(program, machine)
    nests = [_nest(layer, machine, layer is program.layers[-1]) for layer in program.layers]
    words = [nest.chunks * nest.digits for nest in nests]
    used, inputs, bases = _plan(words, machine)
    _require(machine, "activation_words", used)
    layers: list[LayerMapping] = []
    for index, nest in enumerate(nests):
        layers.append(_place(nest, layers, index, inputs, bases, machine))
    weights = sum(layer.weight_words for layer in layers)
    _require(machine, "weight_words", weights)
    _require(machine, "parameter_words", layers[-1].first_parameter + _parameter_words(layers[-1]))
    beats = ceil_div(program.inputs, machine.input_bytes)
    image = _image(layers, beats, program.classes, machine)
    return Mapping(program, machine, tuple(layers), beats, used, image)


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
        for encoding, where in ((layer.source, "input"), (layer.target, "output")):
            if where == "output" and layer is program.layers[-1]:
                continue
            if encoding.bits > machine.activation_bits:
                raise BcsimError(
                    f"Machine {machine.name!r} is too small for this network: the {where} of layer {layer.name!r} has "
                    f"{encoding.bits} bits, it needs activation_bits of at least {encoding.bits}, "
                    f"not {machine.activation_bits}"
                )
        if not isinstance(layer.requantiser, Search):
            _require(machine, "fraction_bits", layer.requantiser.fraction_bits)


def _doubles(layer: DenseLayer, machine: Machine) -> int:
    shifts = [plane.shift for plane in layer.planes]
    gaps = [high - low for high, low in pairwise(shifts)]
    if shifts[-1] != 0 or any(gap not in (0, 1) for gap in gaps):
        raise BcsimError(
            f"Layer {layer.name!r} has weight planes of shifts {shifts}; the array takes shifts that fall to 0 "
            "in steps of 0 or 1"
        )
    if any(gaps) and not machine.shift_planes:
        raise BcsimError(
            f"Layer {layer.name!r} has weights of {len(layer.planes)} planes that are powers of two: "
            "it needs a machine with shift_planes=true"
        )
    return sum(gap << (index + 1) for index, gap in enumerate(gaps))


def _nest(layer: DenseLayer, machine: Machine, scores: bool) -> LayerMapping:
    """The layer's loop nest; addresses follow in `_place`."""
    search = isinstance(layer.requantiser, Search)
    unit = machine.requantisers if scores else machine.lanes
    drained = ceil_div(layer.outputs, unit) * unit
    tiles = ceil_div(drained, machine.pes)
    return LayerMapping(
        layer=layer,
        chunks=ceil_div(layer.inputs, machine.lanes),
        digits=ceil_div(layer.source.bits, machine.digit),
        planes=len(layer.planes),
        tiles=tiles,
        rounds=drained // machine.requantisers,
        rounds_full=machine.pes // machine.requantisers,
        round_cycles=round_cycles(layer.target.bits, search),
        target_digits=1 if scores else ceil_div(layer.target.bits, machine.digit),
        doubles=_doubles(layer, machine),
        scores=scores,
        read_bases=(),
        write_base=0,
        wait=0,
        first_weight=0,
        first_parameter=0,
        parameter_words=1 << layer.target.bits if search else 1,
    )


def _plan(words: list[int], machine: Machine) -> tuple[int, tuple[int, ...], list[int]]:
    """Where each layer's input tensor lies: (words used, input buffers' bases, bases of the layers' inputs).

    The input buffers come first; behind them hidden tensors alternate between the two ends of the least space
    that holds every neighbouring pair, since a layer reads one and writes the next.
    """
    inputs = tuple(buffer * words[0] for buffer in range(machine.input_buffers))
    start = machine.input_buffers * words[0]
    hidden = words[1:]
    pairs = [a + b for a, b in pairwise(hidden)]
    space = max([*hidden, *pairs], default=0)
    bases = [start if index % 2 == 0 else start + space - size for index, size in enumerate(hidden)]
    return start + space, inputs, [inputs[0], *bases]


def _parameter_words(nest: LayerMapping) -> int:
    return nest.rounds * nest.parameter_words


def _place(
    nest: LayerMapping,
    before: list[LayerMapping],
    index: int,
    inputs: tuple[int, ...],
    bases: list[int],
    machine: Machine,
) -> LayerMapping:
    previous = before[-1] if before else None
    return replace(
        nest,
        read_bases=inputs if previous is None else (bases[index],),
        write_base=0 if nest.scores else bases[index + 1],
        wait=0 if previous is None else _wait(previous, nest, machine),
        first_weight=previous.first_weight + previous.weight_words if previous else 0,
        first_parameter=previous.first_parameter + _parameter_words(previous) if previous else 0,
    )


def _wait(previous: LayerMapping, nest: LayerMapping, machine: Machine) -> int:
    """Least cycles from the previous layer's last step to this layer's first, so that no read comes too early.

    Word (chunk, digit) is read chunk * digits + digit cycles after the first step, and written when the last
    round that touches it ends. Earlier tiles end at least `tile_interval` cycles before the next one's last step.
    """
    chunk = np.arange(nest.chunks)
    last_round = (chunk + 1) * machine.groups - 1
    tile, round_ = np.divmod(last_round, previous.rounds_full)
    before_last = (previous.tiles - 1 - tile) * previous.tile_interval
    written = shadow_latency(machine) + (round_ + 1) * previous.round_cycles - before_last
    # Both write and read take the digits one a cycle, so only a word's first digit can bind.
    return max(0, int((written + 1 - chunk * nest.digits).max()))


def _image(layers: list[LayerMapping], beats: int, classes: int, machine: Machine) -> Image:
    weights, offsets, divisors = [], [], []
    for nest in layers:
        words = pack_weights(nest.layer, machine, nest.tiles, nest.chunks)
        offset, divisor = parameter_fields(nest.layer, machine, _constants(nest, words, machine), nest.rounds)
        weights.append(words)
        offsets.append(offset)
        divisors.append(divisor)
    first = layers[0]
    stream = records.pack(
        records.STREAM_FIELDS,
        beats=beats - 1,
        digits=first.digits - 1,
        base=first.read_bases[0],
        base_odd=first.read_bases[-1],
        classes=classes - 1,
        fingerprint=machine.fingerprint,
    )
    return Image(
        weights=np.concatenate(weights),
        offsets=np.concatenate(offsets, axis=1),
        divisors=np.concatenate(divisors, axis=1),
        issue=tuple(_issue_record(nest, nest is first) for nest in layers),
        drain=tuple(_drain_record(nest) for nest in layers),
        stream=stream,
    )


def _constants(nest: LayerMapping, words: NDArray[np.uint8], machine: Machine) -> NDArray[np.int64]:
    """What the array adds to every output's accumulator, int64 (tiles * M,), read back from the words."""
    weights, signs = unpack_weights(words, machine)
    per_word = matching_constants(weights, signs, machine.digit, nest.digits)
    per_plane = per_word.reshape(nest.tiles, nest.planes, nest.chunks, machine.pes).sum(axis=2)
    shifts = np.array([plane.shift for plane in nest.layer.planes])
    return np.asarray((per_plane << shifts[None, :, None]).sum(axis=1).reshape(-1), dtype=np.int64)


def _issue_record(nest: LayerMapping, first: bool) -> int:
    return records.pack(
        records.ISSUE_FIELDS,
        chunks=nest.chunks - 1,
        digits=nest.digits - 1,
        planes=nest.planes - 1,
        tiles=nest.tiles - 1,
        read_base=nest.read_bases[0],
        wait=nest.wait,
        drain_full=nest.drain_full,
        drain_last=nest.drain_last,
        doubles=nest.doubles,
        first=int(first),
        scores=int(nest.scores),
        last=int(nest.scores),
        read_base_odd=nest.read_bases[-1],
    )


def _drain_record(nest: LayerMapping) -> int:
    return records.pack(
        records.DRAIN_FIELDS,
        tiles=nest.tiles - 1,
        rounds_full=nest.rounds_full - 1,
        rounds_last=nest.rounds_last - 1,
        search=int(isinstance(nest.layer.requantiser, Search)),
        bits=nest.layer.target.bits - 1,
        digits=nest.target_digits - 1,
        write_base=nest.write_base,
        scores=int(nest.scores),
        last=int(nest.scores),
    )
