"""Parameter words: a layer's requantiser as the machine's requantisers read it.

Letters in shapes: O outputs, R requantisers, K rounds; Q = R * K channels drained, in order; W parameter words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program import DenseLayer, Divide, Search
from bcsim.errors import BcsimError
from bcsim.machine import Machine

__all__ = ["parameter_fields"]


def parameter_fields(
    layer: DenseLayer, machine: Machine, constants: NDArray[np.int64], rounds: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The layer's parameter words: (offsets, divisors), int64 (R, W), W = K or, for a search, K * 2**bits.

    constants : int64 (at least O,), what the array adds to each accumulator by matching; it moves into the offsets.

    Channels beyond the layer's outputs get an offset that makes them 0. Raises BcsimError naming the layer and the
    machine parameter where an accumulator or a step is too wide for the machine.
    """
    constants = constants[: layer.outputs]
    _check_accumulators(layer, machine, constants)
    if isinstance(layer.requantiser, Search):
        offsets, divisors = _search_fields(layer, layer.requantiser, machine, constants)
    else:
        offsets, divisors = _divide_fields(layer, layer.requantiser, machine, constants)
    return _by_requantiser(offsets, 1 << _top(machine), machine, rounds), _by_requantiser(
        divisors, 1 << (layer.target.bits - 1), machine, rounds
    )


def _top(machine: Machine) -> int:
    """log2 of an offset that no accumulator reaches."""
    return machine.accumulator_bits + machine.fraction_bits


def _by_requantiser(
    fields: NDArray[np.int64], padding: int, machine: Machine, rounds: int
) -> NDArray[np.int64]:
    """Fields of every channel, (O, words per round), as each requantiser meets them: (R, K * words per round)."""
    padded = np.full((rounds * machine.requantisers, fields.shape[1]), padding, dtype=np.int64)
    padded[: len(fields)] = fields
    by_round = padded.reshape(rounds, machine.requantisers, -1)
    return np.ascontiguousarray(by_round.transpose(1, 0, 2)).reshape(machine.requantisers, -1)


def _check_accumulators(layer: DenseLayer, machine: Machine, constants: NDArray[np.int64]) -> None:
    weights = layer.weights()
    reach = np.where(weights > 0, weights, 0).sum(axis=1, dtype=np.int64) * (layer.source.levels - 1)
    needed = int((reach + constants).max()).bit_length()
    if needed > machine.accumulator_bits:
        raise BcsimError(
            f"Machine {machine.name!r} is too small for this network: layer {layer.name!r} needs accumulator_bits "
            f"of at least {needed}, not {machine.accumulator_bits}"
        )


def _search_fields(
    layer: DenseLayer, search: Search, machine: Machine, constants: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Threshold k of output o in word k; word 0 is never read."""
    thresholds = np.clip(search.thresholds, layer.low, layer.high + 1) + constants[:, None]
    offsets = np.pad(thresholds << machine.fraction_bits, ((0, 0), (1, 0)))
    return offsets, np.zeros_like(offsets)


def _divide_fields(
    layer: DenseLayer, divide: Divide, machine: Machine, constants: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(2**F * accumulator - T) / D for the machine's F and the array's accumulators."""
    more = machine.fraction_bits - divide.fraction_bits
    # An offset further out than every accumulator changes nothing and might not fit.
    least = (layer.low << divide.fraction_bits) - (divide.divisor << divide.bits)
    offset = np.clip(divide.offset, least, (layer.high + 1) << divide.fraction_bits)
    offsets = (offset << more) + (constants << machine.fraction_bits)
    divisors = divide.divisor << (more + divide.bits - 1)
    _check_width(layer, "offset", np.abs(offsets), _top(machine) + 8, machine)
    _check_width(layer, "divisor", divisors + 1, machine.divisor_bits, machine)
    return offsets[:, None], divisors[:, None]


def _check_width(
    layer: DenseLayer, field: str, values: NDArray[np.int64], bits: int, machine: Machine
) -> None:
    if int(values.max()) > 1 << bits:
        output = int(values.argmax())
        raise BcsimError(
            f"Machine {machine.name!r} is too small for this network: the {field} of output {output} of layer "
            f"{layer.name!r} needs {int(values.max()).bit_length() - bits} more accumulator_bits than "
            f"{machine.accumulator_bits}"
        )
