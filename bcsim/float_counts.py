"""The same network on an array with multipliers, counted by the same rules: what energies are compared with."""

from __future__ import annotations

from dataclasses import dataclass

from bcsim.compiler.mapping import LayerMapping, Mapping
from bcsim.compiler.program import Layer
from bcsim.counts import Access, Action, LayerCounts, NetworkCounts, count_io, multiplications
from bcsim.machine import Machine

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


def _actions(layer: Layer, arithmetic: Arithmetic) -> tuple[Action, ...]:
    """One multiplication, one addition and one accumulator register a MAC; folded BatchNorm, one of each an output.

    Only useful MACs count, and no operand or pipeline register: the comparison leans towards the multipliers.
    """
    macs, wide = layer.inputs * layer.outputs, arithmetic.accumulator_bits
    return (
        Action("multipliers", arithmetic.multiplier, arithmetic.bits, macs),
        Action("adders", arithmetic.adder, wide, macs),
        Action("registers", "register", wide, macs),
        Action("requantiser", arithmetic.multiplier, wide, layer.outputs),
        Action("requantiser", arithmetic.adder, wide, layer.outputs),
    )


def _accesses(nest: LayerMapping, machine: Machine, bits: int, first: bool) -> tuple[Access, ...]:
    """The machine's own loop nest over values, weights and parameter pairs that are each `bits` wide.

    Every memory holds as many values, weights or parameters as the machine's, so its capacity grows with bits.
    """
    channels = nest.rounds * machine.requantisers
    chunk, steps = machine.lanes * bits, nest.tiles * nest.chunks
    values = machine.activation_words * machine.digit // machine.activation_bits
    written = channels * bits * (not nest.scores) + nest.chunks * chunk * first
    pairs = machine.requantisers * machine.parameter_words * 2 * bits
    weights = machine.weight_words * machine.slots * bits
    return (
        Access("activation", values * chunk, steps * chunk, written),
        Access("weight", weights, steps * machine.slots * bits, 0),
        Access("parameter", pairs, channels * 2 * bits, 0),
    )


def _count_layer(nest: LayerMapping, machine: Machine, arithmetic: Arithmetic, first: bool) -> LayerCounts:
    actions = _actions(nest.layer, arithmetic)
    operations = {"multiply": multiplications(actions), "mac": nest.layer.inputs * nest.layer.outputs}
    return LayerCounts(nest.layer.name, operations, actions, _accesses(nest, machine, arithmetic.bits, first))


def count_macs(mapping: Mapping, arithmetic: Arithmetic) -> NetworkCounts:
    """Counts of the mapped network on a multiply-accumulate array of the same shape, per image.

    The streams are the machine's own: the same pixels come in, the same scores go out.
    """
    layers = tuple(
        _count_layer(nest, mapping.machine, arithmetic, i == 0) for i, nest in enumerate(mapping.layers)
    )
    return NetworkCounts(layers, count_io(mapping))
