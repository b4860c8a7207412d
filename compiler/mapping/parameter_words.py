"""Parameter words: a layer's requantiser as the machine's requantisers read it.

Letters in shapes: O outputs, R requantisers, K rounds of one position; W parameter words of the layer in each
memory, K or, for a search, K * 2**bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.shortfall import Shortfall
from bcsim.compiler.program.layers import ConvLayer, DenseLayer, Divide, Search
from bcsim.machine.parameters import Machine

__all__ = ["ParameterFields", "parameter_fields"]


@dataclass(frozen=True, slots=True)
class ParameterFields:
    """The fields of a layer's parameter words: offsets and divisors int64 (R, W), minimum bool (R, W)."""

    offsets: NDArray[np.int64]
    divisors: NDArray[np.int64]
    minimum: NDArray[np.bool_]


def parameter_fields(nest: LoopNest, shortfall: Shortfall, constants: NDArray[np.int64]) -> ParameterFields:
    """The layer's parameter words.

    constants : int64 (at least O,), what the array adds to each accumulator by matching; it moves into the offsets.

    Channels beyond the layer's outputs are constant: nest.fill. Accumulators or steps that are too wide for the machine
    are added to what it lacks; the words are then of no use.
    """
    layer, machine = nest.layer, shortfall.machine
    constants = constants[: layer.outputs]
    _check_accumulators(nest, shortfall, constants)
    if isinstance(layer.requantiser, Search):
        offsets, divisors = _search_fields(nest, layer.requantiser, machine, constants)
    else:
        offsets, divisors = _divide_fields(nest, layer.requantiser, shortfall, constants)
    offset, divisor = _constant_fields(nest, machine)
    beyond = nest.rounds * machine.requantisers > layer.outputs
    _check_widths(
        np.append(offsets, offset) if beyond else offsets,
        np.append(divisors, divisor) if beyond else divisors,
        shortfall,
        f"layer {layer.name!r}",
    )
    return ParameterFields(
        _by_requantiser(offsets, offset, nest, machine),
        _by_requantiser(divisors, divisor, nest, machine),
        _by_requantiser(_minimum(layer, offsets.shape[1]), np.zeros(1, np.int64), nest, machine).astype(bool),
    )


def _constant_fields(nest: LoopNest, machine: Machine) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One round's offset and divisor words that make a channel nest.fill whatever its accumulator."""
    unreached, bits = 1 << (machine.accumulator_bits + machine.fraction_bits), nest.layer.target.bits
    if nest.scores:
        return np.array([unreached]), np.array([1 << (bits - 1)])
    if isinstance(nest.layer.requantiser, Search):
        return np.where(np.arange(1 << bits) > nest.fill, unreached, 0), np.zeros(1 << bits, np.int64)
    return np.array([-nest.fill * unreached]), np.array([unreached << (bits - 1)])


def _minimum(layer: DenseLayer, words: int) -> NDArray[np.int64]:
    flags = layer.minimum if isinstance(layer, ConvLayer) else None
    column = np.zeros(layer.outputs, dtype=np.int64) if flags is None else flags.astype(np.int64)
    return np.repeat(column[:, None], words, axis=1)


def _by_requantiser(
    fields: NDArray[np.int64], padding: NDArray[np.int64], nest: LoopNest, machine: Machine
) -> NDArray[np.int64]:
    """Fields of every channel, (O, words of a round), as each requantiser meets them: (R, W)."""
    padded = np.empty((nest.rounds * machine.requantisers, fields.shape[1]), dtype=np.int64)
    padded[: len(fields)] = fields
    padded[len(fields) :] = padding
    by_round = padded.reshape(nest.rounds, machine.requantisers, -1)
    return np.ascontiguousarray(by_round.transpose(1, 0, 2)).reshape(machine.requantisers, -1)


def _check_accumulators(nest: LoopNest, shortfall: Shortfall, constants: NDArray[np.int64]) -> None:
    layer, weights = nest.layer, nest.layer.weights()
    reach = np.where(weights > 0, weights, 0).sum(axis=1, dtype=np.int64) * (layer.source.levels - 1)
    needed = int((nest.factor * reach + constants).max()).bit_length()
    shortfall.require("accumulator_bits", needed, f"layer {layer.name!r}")


def _check_widths(
    offsets: NDArray[np.int64], divisors: NDArray[np.int64], shortfall: Shortfall, where: str
) -> None:
    """Hold fields to the widths that the machine states, if it does: the offset's also hold 2**F * accumulator - T."""
    machine = shortfall.machine
    if machine.offset_bits:
        greatest = (1 << machine.accumulator_bits) - 1 << machine.fraction_bits
        above, below = max(0, greatest - int(offsets.min())), max(0, int(offsets.max()) - 1)
        shortfall.require("offset_bits", max(above.bit_length(), below.bit_length()) + 1, where)
    if machine.step_bits:
        shortfall.require("step_bits", int(divisors.max()).bit_length(), where)


def _search_fields(
    nest: LoopNest, search: Search, machine: Machine, constants: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Threshold k of output o in word k; word 0 is never read."""
    thresholds = np.clip(search.thresholds, nest.layer.low, nest.layer.high + 1) * nest.factor
    offsets = np.pad((thresholds + constants[:, None]) << machine.fraction_bits, ((0, 0), (1, 0)))
    return offsets, np.zeros_like(offsets)


def _divide_fields(
    nest: LoopNest, divide: Divide, shortfall: Shortfall, constants: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(2**F * accumulator - T) / D for the machine's F and the array's accumulators.

    Both fields are computed without bounds and held to the machine's widths, of 59 bits at most, before they become
    int64: a program may state any divisor up to 2**61.
    """
    layer, machine = nest.layer, shortfall.machine
    more = max(0, machine.fraction_bits - divide.fraction_bits)
    divisor = divide.divisor.astype(object)
    # An offset further out than every accumulator changes nothing and might not fit.
    least = (layer.low << divide.fraction_bits) - (divisor << divide.bits)
    offset = np.clip(divide.offset.astype(object), least, (layer.high + 1) << divide.fraction_bits)
    offsets = nest.factor * (offset << more) + (constants.astype(object) << machine.fraction_bits)
    divisors = nest.factor * divisor << (more + divide.bits - 1)
    widths = {
        "offset": (np.abs(offsets), machine.remainder_bits - 2),
        "divisor": (divisors + 1, machine.divisor_bits),
    }
    for field, (values, bits) in widths.items():
        wider = (int(values.max()) - 1).bit_length() - bits
        if wider > 0:
            where = f"the {field} of output {int(values.argmax())} of layer {layer.name!r}"
            stated = {"offset": "offset_bits", "divisor": "step_bits"}[field]
            lacking = stated if getattr(machine, stated) else "accumulator_bits"
            shortfall.require(lacking, getattr(machine, lacking) + wider, where)
            offsets, divisors = np.zeros_like(offsets), np.zeros_like(divisors)
    return offsets.astype(np.int64)[:, None], divisors.astype(np.int64)[:, None]
