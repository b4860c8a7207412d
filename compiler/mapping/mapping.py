"""Mapping: a program laid out on one machine - loop nests, addresses, memory plan and the words of every memory."""

from __future__ import annotations

from dataclasses import dataclass, fields

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.array_planes import array_planes
from bcsim.compiler.mapping.batch import batch_size
from bcsim.compiler.mapping.image import Image, make_image
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.placed_layer import PlacedLayer, place_layers
from bcsim.compiler.mapping.shortfall import Shortfall
from bcsim.compiler.mapping.stored_tensors import ceil_div, stored_tensors
from bcsim.compiler.mapping.tiling import make_nest
from bcsim.compiler.mapping.weight_streaming import place_weights
from bcsim.compiler.program.dependencies import INPUT, Reads, layer_reads
from bcsim.compiler.program.layers import Layer, Program, Search
from bcsim.machine.parameters import Machine
from bcsim.machine.widths import COORDINATE_BITS

__all__ = ["Mapping", "Placement", "map_program", "place_program"]


@dataclass(frozen=True, slots=True)
class Placement:
    """A program's loop nests at their places in the memories of a machine: all that decides cycles.

    sources : for each layer the indices of the layers it reads, -1 for the input.
    packed : the input stream carries windows of the first convolution, not pixels.
    images : taken at once; more than 1 only of a network without windows on a machine of a larger `batch`.
    position_beats : input stream words of one position; a dense network has one position.
    beats : input stream words of one image.
    activation_words : how much of the activation memory the plan uses.
    slots : first words of the slots for streamed tiles, in the weight memory; none where no layer's weights stream.
    shortfall : what the machine lacks for it.
    """

    program: Program
    machine: Machine
    layers: tuple[PlacedLayer, ...]
    sources: Reads
    packed: bool
    images: int
    position_beats: int
    beats: int
    activation_words: int
    slots: tuple[int, ...]
    shortfall: Shortfall

    def batches(self, images: int) -> int:
        """How many batches so many images make; the last one is filled up."""
        return ceil_div(images, self.images)

    @property
    def nests(self) -> tuple[LoopNest, ...]:
        """The layers' loop nests."""
        return tuple(layer.nest for layer in self.layers)

    @property
    def weight_words(self) -> int:
        """How much of the weight memory the plan uses."""
        streamed = [nest.tile_words for nest in self.nests if nest.streamed]
        return self.slots[-1] + max(streamed) if streamed else sum(nest.weight_words for nest in self.nests)


@dataclass(frozen=True, slots=True)
class Mapping(Placement):
    """A program on a machine, with the words of every memory."""

    image: Image


def map_program(program: Program, machine: Machine) -> Mapping:
    """Lay `program` out on `machine`.

    Raises MachineTooSmallError naming every machine parameter that is too small and the least value that would do.
    """
    placed = place_program(program, machine)
    image = make_image(
        placed.layers, placed.slots, placed.position_beats, placed.beats, placed.images, placed.shortfall
    )
    return Mapping(**{field.name: getattr(placed, field.name) for field in fields(Placement)}, image=image)


def place_program(program: Program, machine: Machine) -> Placement:
    """Give every layer of `program` its loops and addresses on `machine`, whose shortfall is told and not raised.

    Cycles follow from it as from a Mapping, in a hundredth of the time: no word of any memory is formed.
    Raises BcsimError naming a layer that no machine of these lanes takes.
    """
    shortfall = Shortfall(machine)
    _check_program(program, shortfall)
    packed = _packs(program, machine)
    sources = layer_reads(program)
    _check_sources(program, sources)
    images = batch_size(program, machine)
    nests, first_weights, slots = place_weights(_nests(program, machine, sources, packed, images), shortfall)
    layers, used = place_layers(nests, sources, first_weights, machine)
    shortfall.require("activation_words", used)
    shortfall.require("parameter_words", sum(nest.parameter_span for nest in nests))
    first = nests[0].geometry
    position_beats = ceil_div(first.channels[0], machine.input_bytes)
    beats = first.height * first.width // images * position_beats
    return Placement(
        program=program,
        machine=machine,
        layers=layers,
        sources=sources,
        packed=packed,
        images=images,
        position_beats=position_beats,
        beats=beats,
        activation_words=used,
        slots=slots,
        shortfall=shortfall,
    )


def _nests(program: Program, machine: Machine, sources: Reads, packed: bool, images: int) -> list[LoopNest]:
    tensors = stored_tensors(program.layers, sources, machine.lanes)
    return [
        make_nest(
            layer,
            machine,
            scores=layer is program.layers[-1],
            packed=packed and index == 0,
            images=images,
            sources=[tensors[read] for read in reads],
            output=tensors[index],
        )
        for index, (layer, reads) in enumerate(zip(program.layers, sources, strict=True))
    ]


def _check_program(program: Program, shortfall: Shortfall) -> None:
    """What the program needs wherever its layers lie."""
    shortfall.require("layers", len(program.layers))
    shortfall.require("outputs", program.classes)
    for layer in program.layers:
        _check_window(layer)
        where = f"layer {layer.name!r}"
        bits = layer.source.bits if layer is program.layers[-1] else max(layer.source.bits, layer.target.bits)
        shortfall.require("activation_bits", bits, where)
        if not isinstance(layer.requantiser, Search):
            shortfall.require("fraction_bits", layer.requantiser.fraction_bits, where)
        if not layer.geometry.point:
            shortfall.require("spatial", True, where)
        if any(plane.shift for plane in array_planes(layer, layer.geometry.groups > 1)[0]):
            shortfall.require("shift_planes", True, where)


def _check_window(layer: Layer) -> None:
    """What no record holds, said before a plan of as many reads is made."""
    pool = layer.geometry.pool
    for name, places in zip(("window_rows", "window_columns"), pool.kernel if pool else (), strict=False):
        if places > 1 << COORDINATE_BITS:
            raise BcsimError(
                f"Layer {layer.name!r} is too large for the machine's records: {name} would be {places - 1}; accepted "
                f"are values up to {(1 << COORDINATE_BITS) - 1}"
            )


def _check_sources(program: Program, sources: Reads) -> None:
    """The input's buffer is free for the next image once the first layer has read it."""
    for layer, reads in zip(program.layers[1:], sources[1:], strict=True):
        if INPUT in reads:
            raise BcsimError(
                f"Layer {layer.name!r} reads the network's input; the machine takes that in the first layer only"
            )


def _packs(program: Program, machine: Machine) -> bool:
    """Whether the host sends windows of the first convolution: they fit words much better than its pixels do, or the
    padding has another level than the 0 with which the loader fills lanes beyond the channels."""
    first = program.layers[0].geometry
    alone = sum(sources.count(INPUT) for sources in layer_reads(program)) == 1
    if first.groups > 1 or len(first.channels) > 1 or not alone:
        return False
    if any(first.pads) and first.pad_level and first.channels[0] % machine.lanes:
        return True
    taps = first.kernel[0] * first.kernel[1]
    packed = ceil_div(first.window_inputs, machine.lanes)
    return (
        packed < taps * ceil_div(first.channels[0], machine.lanes) and 2 * first.channels[0] <= machine.lanes
    )
