"""What one inference does, counted exactly: by kind, by width, by memory, by layer.

Letters: I inputs, O outputs, B weight planes, D digits of the source and Q bits of the target, C chunks and
T tiles of a layer; N lanes, M processing elements, p digit bits, A accumulator bits and R requantisers of a
machine. docs/machine.md defines them all. Lanes that pad a step are at work in hardware, and counted so.
"""

from __future__ import annotations

import collections.abc
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.compiler.program.layers import Search
from bcsim.costs.traffic import MemoryTraffic, Traffic, add_traffic, layer_traffic
from bcsim.machine.latency import tree_levels
from bcsim.machine.parameters import Machine

__all__ = [
    "MULTIPLIERS",
    "Action",
    "LayerCounts",
    "NetworkCounts",
    "count_mapping",
    "count_stream_bits",
    "multiplications",
]

MULTIPLIERS = ("multiplier", "float_multiplier")
SCORE_WORD_BITS = 32
"""Width of a word of the output stream."""


@dataclass(frozen=True, slots=True)
class Action:
    """`count` times per image, a unit of `kind` (a figure of an energy table) and `bits` wide is at work.

    part : where reports add it: adders, select, requantiser, registers, multipliers.
    """

    part: str
    kind: str
    bits: int
    count: int


@dataclass(frozen=True, slots=True)
class LayerCounts:
    """Counts of one layer and image.

    operations : what the layer's arithmetic asks for, without padding: accumulate O*I*B, lane_match O*I*B*D,
        requantise O, compare_subtract O*Q, and multiply.
    actions, traffic : what the hardware does for it, with padding.
    """

    name: str
    operations: collections.abc.Mapping[str, int]
    actions: tuple[Action, ...]
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class NetworkCounts:
    """Counts of a whole network and one image; stream_bits: of pixels, scores and streamed weights, to and from
    outside."""

    layers: tuple[LayerCounts, ...]
    stream_bits: int

    @property
    def operations(self) -> dict[str, int]:
        """The layers' operations, added up."""
        names = self.layers[0].operations
        return {name: sum(layer.operations[name] for layer in self.layers) for name in names}

    @property
    def actions(self) -> Iterable[Action]:
        return chain.from_iterable(layer.actions for layer in self.layers)

    @property
    def bits(self) -> dict[str, int]:
        """Bits at work per image by unit, sum of bits * count: adder, bitwise, comparator, register."""
        total: dict[str, int] = {}
        for action in self.actions:
            total[action.kind] = total.get(action.kind, 0) + action.bits * action.count
        return total

    @property
    def memory(self) -> dict[str, MemoryTraffic]:
        """Traffic of the memories on the chip."""
        return add_traffic(layer.traffic for layer in self.layers)


def _array_actions(nest: LoopNest, machine: Machine) -> list[Action]:
    """Actions of the array in all steps of the layer's nest.

    Pairs, once for the array: `same` and `differ`, 2 adders of p bits for each of N/2 pairs.
    Select, in each of M elements: one multiplexer and one XOR of p + 1 bits a pair.
    Tree, in each element: level l = 1, 2, ... halves the operands (an odd one passes), adders of p + l bits.
    Horner, where activations are wider than a digit: one adder of t's width, activation_bits + 1 + levels.
    Accumulator: A bits, once for each element and chunk.
    Registers: memory outputs N*p, pairs N*(p + 1), selected terms, every level of the tree, t, accumulators,
    weight words twice a chunk, shadow A bits an element at each round (the chain shifts).
    """
    pairs, pes, digit = machine.lanes // 2, machine.pes, machine.digit
    steps, chunks = nest.steps, nest.steps // nest.digits
    width, sums = machine.accumulator_bits, pes * chunks
    return [
        Action("adders", "adder", digit, 2 * pairs * steps),
        Action("select", "bitwise", digit + 1, 2 * pairs * pes * steps),
        *_tree_actions(machine, pes * steps),
        Action("adders", "adder", width, sums),
        Action("registers", "register", digit, machine.lanes * steps),
        Action("registers", "register", digit + 1, (2 * pairs + pairs * pes) * steps),
        Action("registers", "register", machine.slots, 2 * chunks),
        Action("registers", "register", width, sums + pes * (nest.passes + nest.results * nest.rounds)),
    ]


def _tree_actions(machine: Machine, sums: int) -> list[Action]:
    """Adders and registers of `sums` passes through an adder tree and, where there is one, Horner's stage."""
    digit, operands, actions = machine.digit, machine.lanes // 2, []
    for level in range(1, tree_levels(machine) + 1):
        actions.append(Action("adders", "adder", digit + level, operands // 2 * sums))
        operands -= operands // 2
        actions.append(Action("registers", "register", digit + level + 1, operands * sums))
    if machine.activation_bits > digit:
        horner = machine.activation_bits + 1 + tree_levels(machine)
        actions += [Action("adders", "adder", horner, sums), Action("registers", "register", horner, sums)]
    return actions


def _requantiser_actions(nest: LoopNest, machine: Machine) -> list[Action]:
    """Actions of the requantisers, for `words` channels drained.

    Divide: the offset's subtraction and Q compare-and-subtracts as wide as the remainder; remainder and
    divisor are registers that change with each. Search: Q comparisons of that width; the remainder and the
    thresholds read are registers. Q bits of q are shifted in one by one.
    """
    words, width = nest.results * nest.rounds * machine.requantisers, machine.remainder_bits
    bits = nest.layer.target.bits
    search = isinstance(nest.layer.requantiser, Search)
    work = ("comparator", bits * words) if search else ("adder", (bits + 1) * words)
    beside = width if search else machine.divisor_bits
    changes = words if search else (bits + 1) * words
    return [
        Action("requantiser", work[0], width, work[1]),
        Action("registers", "register", width, changes),
        Action("registers", "register", beside, bits * words),
        Action("registers", "register", bits, bits * words),
    ]


def multiplications(actions: Iterable[Action]) -> int:
    """How many of the actions are a multiplier's."""
    return sum(action.count for action in actions if action.kind in MULTIPLIERS)


def _count_layer(placed: PlacedLayer, machine: Machine) -> LayerCounts:
    nest, layer = placed.nest, placed.nest.layer
    actions = (*_array_actions(nest, machine), *_requantiser_actions(nest, machine))
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


def count_stream_bits(mapping: Mapping) -> int:
    """Bits of pixels and scores of an image: whole input words of bytes; 32 a class score and 32 for the class."""
    received = mapping.beats * mapping.machine.input_bytes * 8
    return received + (mapping.program.classes + 1) * SCORE_WORD_BITS


def _count_weight_bits(mapping: Mapping) -> int:
    """Bits of the weight stream of an image, in whole words of its bytes."""
    words = sum(nest.streamed_words for nest in mapping.nests)
    return words * mapping.machine.weight_beats * mapping.machine.weight_stream_bytes * 8 if words else 0


def count_mapping(mapping: Mapping) -> NetworkCounts:
    """Counts of a mapped program, per image."""
    layers = tuple(_count_layer(layer, mapping.machine) for layer in mapping.layers)
    return NetworkCounts(layers, count_stream_bits(mapping) + _count_weight_bits(mapping))
