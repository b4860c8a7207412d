"""What one inference does, counted exactly: by kind, by width, by memory, by layer.

A count is a machine's unit (`bcsim/costs/structure.py`) times how often a layer has it at work
(`bcsim/costs/at_work.py`). Lanes that pad a step are at work in hardware, and counted so.
Letters: I inputs, O outputs, B weight planes and D digits of the source, Q bits of the target.
"""

from __future__ import annotations

import collections.abc
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain

from bcsim.common.shares import per_image
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.mapping import Placement
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.costs.at_work import times_at_work
from bcsim.costs.structure import machine_units
from bcsim.costs.traffic import MemoryTraffic, Traffic, add_traffic, layer_traffic, share_traffic
from bcsim.costs.units import Unit
from bcsim.machine.parameters import Machine

__all__ = [
    "MULTIPLIERS",
    "Action",
    "LayerCounts",
    "NetworkCounts",
    "count_mapping",
    "count_stream_bits",
    "layer_actions",
    "multiplications",
]

MULTIPLIERS = ("multiplier", "float_multiplier")
SCORE_WORD_BITS = 32
"""Width of a word of the output stream."""


@dataclass(frozen=True, slots=True)
class Action:
    """`count` times per image, a unit of `kind` (a figure of an energy table) and `bits` wide is at work.

    count : of images taken at once an equal share each, which may be no integer.
    part : where reports add it: adders, select, requantiser, registers, multipliers.
    """

    part: str
    kind: str
    bits: int
    count: float


@dataclass(frozen=True, slots=True)
class LayerCounts:
    """Counts of one layer and image.

    operations : what the layer's arithmetic asks for, without padding: accumulate O*I*B, lane_match O*I*B*D,
        requantise O, compare_subtract O*Q, and multiply.
    actions, traffic : what the hardware does for it, with padding.
    """

    name: str
    operations: collections.abc.Mapping[str, float]
    actions: tuple[Action, ...]
    traffic: Traffic

    def shared(self, images: int) -> LayerCounts:
        """One image's share of the counts of several that are taken at once."""
        if images == 1:
            return self
        return LayerCounts(
            self.name,
            {name: per_image(count, images) for name, count in self.operations.items()},
            tuple(replace(action, count=per_image(action.count, images)) for action in self.actions),
            share_traffic(self.traffic, images),
        )


@dataclass(frozen=True, slots=True)
class NetworkCounts:
    """Counts of a whole network and one image; stream_bits: of pixels, scores and streamed weights, to and from
    outside."""

    layers: tuple[LayerCounts, ...]
    stream_bits: float

    @property
    def operations(self) -> dict[str, float]:
        """The layers' operations, added up."""
        names = self.layers[0].operations
        return {name: sum(layer.operations[name] for layer in self.layers) for name in names}

    @property
    def actions(self) -> Iterable[Action]:
        return chain.from_iterable(layer.actions for layer in self.layers)

    @property
    def bits(self) -> dict[str, float]:
        """Bits at work per image by unit, sum of bits * count: adder, bitwise, comparator, register."""
        total: dict[str, float] = {}
        for action in self.actions:
            total[action.kind] = total.get(action.kind, 0) + action.bits * action.count
        return total

    @property
    def memory(self) -> dict[str, MemoryTraffic]:
        """Traffic of the memories on the chip."""
        return add_traffic(layer.traffic for layer in self.layers)


def layer_actions(nest: LoopNest, units: Iterable[Unit]) -> tuple[Action, ...]:
    """The machine's units, each as often as it is at work in the layer; those that never are, are left out."""
    times = times_at_work(nest)
    actions = (Action(unit.part, unit.kind, unit.bits, unit.number * times[unit.when]) for unit in units)
    return tuple(action for action in actions if action.count)


def multiplications(actions: Iterable[Action]) -> float:
    """How many of the actions are a multiplier's."""
    return sum(action.count for action in actions if action.kind in MULTIPLIERS)


def _count_layer(placed: PlacedLayer, machine: Machine) -> LayerCounts:
    nest, layer = placed.nest, placed.nest.layer
    actions = layer_actions(nest, machine_units(machine))
    weights, outputs = (
        layer.outputs * layer.inputs * len(layer.planes) * nest.results,
        layer.outputs * nest.results,
    )
    operations = {
        "accumulate": weights,
        "multiply": multiplications(actions),
        "lane_match": weights * nest.digits,
        "requantise": outputs,
        "compare_subtract": outputs * layer.target.bits,
    }
    return LayerCounts(layer.name, operations, actions, layer_traffic(placed, machine))


def count_stream_bits(mapping: Placement) -> int:
    """Bits of pixels and scores of an image: whole input words of bytes; 32 a class score and 32 for the class."""
    received = mapping.beats * mapping.machine.input_bytes * 8
    return received + (mapping.program.classes + 1) * SCORE_WORD_BITS


def _count_weight_bits(mapping: Placement) -> float:
    """Bits of the weight stream of an image, in whole words of its bytes; a batch brings them once."""
    words = sum(nest.streamed_words for nest in mapping.nests)
    if not words:
        return 0
    bits = words * mapping.machine.weight_beats * mapping.machine.weight_stream_bytes * 8
    return per_image(bits, mapping.images)


def count_mapping(mapping: Placement) -> NetworkCounts:
    """Counts of a mapped program, per image."""
    layers = tuple(_count_layer(layer, mapping.machine).shared(mapping.images) for layer in mapping.layers)
    return NetworkCounts(layers, count_stream_bits(mapping) + _count_weight_bits(mapping))
