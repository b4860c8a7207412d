"""The same network on an array with multipliers, counted by the same rules: what energies are compared with."""

from __future__ import annotations

from dataclasses import dataclass

from bcsim.common.shares import per_image
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.costs.at_work import times_at_work
from bcsim.costs.counts import Action, LayerCounts, NetworkCounts, count_stream_bits, multiplications
from bcsim.costs.traffic import Traffic, layer_traffic, moved
from bcsim.costs.units import MemoryShape, When
from bcsim.machine.parameters import Machine

__all__ = ["FLOAT32", "INT8", "Arithmetic", "count_macs"]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Number format of a multiply-accumulate array: kinds are figures of an energy table."""

    name: str
    bits: int
    multiplier: str
    adder: str
    accumulator_bits: int


FLOAT32 = Arithmetic("float32", 32, "float_multiplier", "float_adder", 32)
INT8 = Arithmetic("int8", 8, "multiplier", "adder", 32)


def _actions(nest: LoopNest, arithmetic: Arithmetic) -> tuple[Action, ...]:
    """One multiplication, one addition and one accumulator register a MAC; folded BatchNorm, one of each an output.

    Only useful MACs count, and no operand or pipeline register; where weights are used again the accumulators stay
    registers: the comparison leans towards the multipliers.
    """
    macs, outputs, wide = _macs(nest), nest.layer.outputs * nest.results, arithmetic.accumulator_bits
    return (
        Action("multipliers", arithmetic.multiplier, arithmetic.bits, macs),
        Action("adders", arithmetic.adder, wide, macs),
        Action("registers", "register", wide, macs),
        Action("requantiser", arithmetic.multiplier, wide, outputs),
        Action("requantiser", arithmetic.adder, wide, outputs),
    )


def _macs(nest: LoopNest) -> int:
    return nest.layer.inputs * nest.layer.outputs * nest.results


def _traffic(layer: PlacedLayer, machine: Machine, bits: int) -> Traffic:
    """The machine's own loop nest over values, weights and parameter pairs that are each `bits` wide.

    Every memory holds as many values, weights or parameters as the machine's, so its capacity grows with bits. A
    value has one digit and a weight one plane: each is read once where the machine reads all of them, and a weight for
    as many positions.
    """
    nest, own = layer.nest, layer_traffic(layer, machine)
    times = times_at_work(nest)
    parts = nest.planes * nest.digits
    values = machine.activation_words * machine.digit // machine.activation_bits
    shapes = {
        "activation": MemoryShape("", 1, values, machine.lanes * bits),
        "weight": MemoryShape("", 1, own["weight"].words, machine.slots * bits),
        "parameter": MemoryShape("", machine.requantisers, machine.parameter_words, 2 * bits),
    }
    rounds = times[When.ROUND] * machine.requantisers
    return {
        "activation": moved(shapes["activation"], read=times[When.READ] // parts, written=_written(layer)),
        "weight": moved(
            shapes["weight"],
            read=times[When.WEIGHT] // nest.planes,
            written=nest.streamed_words // nest.planes,
        ),
        "parameter": moved(shapes["parameter"], read=rounds),
        "output": own["output"],
    }


def _written(layer: PlacedLayer) -> int:
    """Words of activations that the layer writes, and those of the image in the first layer."""
    nest = layer.nest
    loaded = nest.source_words // nest.digits if layer.first else 0
    return loaded + nest.output_words // nest.target_digits


def _count_layer(layer: PlacedLayer, machine: Machine, arithmetic: Arithmetic) -> LayerCounts:
    nest = layer.nest
    actions = _actions(nest, arithmetic)
    operations = {"multiply": multiplications(actions), "mac": _macs(nest)}
    return LayerCounts(nest.layer.name, operations, actions, _traffic(layer, machine, arithmetic.bits))


def count_macs(mapping: Mapping, arithmetic: Arithmetic) -> NetworkCounts:
    """Counts of the mapped network on a multiply-accumulate array of the same shape, per image.

    The streams are the machine's own: the same pixels come in, the same scores go out, and the layers whose weights
    do not stay on the chip bring theirs.
    """
    planes_apart = (nest.streamed_words // nest.planes for nest in mapping.nests)
    weight_bits = per_image(sum(planes_apart) * mapping.machine.slots * arithmetic.bits, mapping.images)
    counted = (_count_layer(layer, mapping.machine, arithmetic) for layer in mapping.layers)
    layers = tuple(layer.shared(mapping.images) for layer in counted)
    return NetworkCounts(layers, count_stream_bits(mapping) + weight_bits)
