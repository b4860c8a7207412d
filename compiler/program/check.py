"""Checks of a program, stored or just lowered: whatever passes here, every level can execute."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.check_flow import check_flow
from bcsim.compiler.program.layers import DenseLayer, Divide, Program, Search, WeightPlane

__all__ = ["MAX_ACCUMULATOR", "MAX_FRACTION_BITS", "check_program"]

MAX_FRACTION_BITS = 24
# The difference of a shifted accumulator and an offset, each below this, stays within int64.
MAX_REMAINDER = 1 << 61
MAX_ACCUMULATOR = 1 << 40
MAX_SHIFT = 15
# Sums of this many planes of the greatest shift stay within int32.
MAX_PLANES = 64
ROWS = 64


def check_program(program: Program) -> None:
    """Raise BcsimError naming the first layer and field that no level could execute."""
    if not program.layers:
        raise BcsimError("The program has no layers; it needs at least one")
    _check_input(program)
    if prod(program.input_shape) != program.inputs:
        raise BcsimError(
            f"The program's input has the shape {program.input_shape}, which is not the {program.inputs} inputs "
            "of its first layer"
        )
    check_flow(program)
    for layer in program.layers:
        _check_layer(layer)


def _check_input(program: Program) -> None:
    coding, inputs = program.input, program.inputs
    if coding.order is not None and not np.array_equal(np.sort(coding.order), np.arange(inputs)):
        raise BcsimError(f"The program's input order must hold every integer from 0 to {inputs - 1} once")
    if coding.table is None:
        if coding.pixel.bits != coding.stream.bits:
            raise BcsimError(
                f"The program's input has no table, so its {coding.pixel.bits}-bit pixels cannot become "
                f"{coding.stream.bits} bits"
            )
        return
    levels, channels = coding.pixel.levels, program.layers[0].geometry.channels[0]
    if coding.table.shape not in ((levels,), (channels * levels,)):
        raise BcsimError(
            f"The program's input table has the shape {coding.table.shape}, not {coding.pixel.levels} entries"
        )
    if coding.table.min() < 0 or coding.table.max() >= coding.stream.levels:
        raise BcsimError(f"The program's input table must hold integers from 0 to {coding.stream.levels - 1}")


def _check_layer(layer: DenseLayer) -> None:
    _check_planes(layer)
    low, high = _reach(layer)
    if (layer.low, layer.high) != (low, high):
        raise BcsimError(
            f"Layer {layer.name!r} states accumulators from {layer.low} to {layer.high}; "
            f"its weights and source give {low} to {high}"
        )
    if not -MAX_ACCUMULATOR < low <= high < MAX_ACCUMULATOR:
        raise BcsimError(
            f"Layer {layer.name!r} has accumulators from {low} to {high}; accepted are magnitudes below "
            f"{MAX_ACCUMULATOR}"
        )
    if layer.requantiser.bits != layer.target.bits:
        raise BcsimError(
            f"Layer {layer.name!r} has a requantiser of {layer.requantiser.bits} bits for a target of "
            f"{layer.target.bits} bits"
        )
    if isinstance(layer.requantiser, Divide):
        _check_divide(layer, layer.requantiser)
    else:
        _check_search(layer, layer.requantiser)


def _check_planes(layer: DenseLayer) -> None:
    if layer.inputs < 1 or layer.outputs < 1:
        raise BcsimError(
            f"Layer {layer.name!r} has {layer.inputs} inputs and {layer.outputs} outputs; both must be positive"
        )
    shifts = [plane.shift for plane in layer.planes]
    if len(shifts) > MAX_PLANES:
        raise BcsimError(
            f"Layer {layer.name!r} has {len(shifts)} weight planes; accepted are up to {MAX_PLANES}"
        )
    falls = {before - after for before, after in pairwise(shifts)}
    if shifts[-1:] != [0] or not falls <= {0, 1} or shifts[0] > MAX_SHIFT:
        raise BcsimError(
            f"Layer {layer.name!r} has planes of shifts {shifts}; they must fall to 0 in steps of 0 or 1"
        )
    shape = (layer.outputs, -(-layer.inputs // 8))
    for plane in layer.planes:
        if plane.packed.dtype != np.uint8 or plane.packed.shape != shape:
            raise BcsimError(
                f"Layer {layer.name!r} has packed weights of shape {plane.packed.shape} and type "
                f"{plane.packed.dtype}; it needs {shape} and uint8"
            )
        if layer.inputs % 8 and (plane.packed[:, -1] >> layer.inputs % 8).any():
            raise BcsimError(f"Layer {layer.name!r} has packed weights beyond its {layer.inputs} inputs")


def _reach(layer: DenseLayer) -> tuple[int, int]:
    """The least and the greatest accumulator that the weights allow, a few rows at a time."""
    low = high = 0
    for start in range(0, layer.outputs, ROWS):
        rows = slice(start, start + ROWS)
        planes = [WeightPlane(plane.shift, plane.packed[rows]) for plane in layer.planes]
        weights = sum(plane.signs(layer.inputs).astype(np.int64) << plane.shift for plane in planes)
        low = min(low, int(np.minimum(weights, 0).sum(axis=1).min()))
        high = max(high, int(np.maximum(weights, 0).sum(axis=1).max()))
    most = layer.source.levels - 1
    return low * most, high * most


def _check_divide(layer: DenseLayer, divide: Divide) -> None:
    if not 0 <= divide.fraction_bits <= MAX_FRACTION_BITS:
        raise BcsimError(
            f"Layer {layer.name!r} has {divide.fraction_bits} fraction bits; accepted are 0 to {MAX_FRACTION_BITS}"
        )
    if max(-layer.low, layer.high) << divide.fraction_bits >= MAX_REMAINDER:
        raise BcsimError(
            f"Layer {layer.name!r} has accumulators up to {max(-layer.low, layer.high)} and {divide.fraction_bits} "
            "fraction bits, together more than 61 bits"
        )
    for name, values, least in (("offset", divide.offset, -MAX_REMAINDER), ("divisor", divide.divisor, 1)):
        _check_integers(layer, name, values, (layer.outputs,))
        wrong = values[(values < least) | (values > MAX_REMAINDER)]
        if len(wrong):
            raise BcsimError(
                f"Layer {layer.name!r} has the {name} {wrong[0]}; accepted are {least} to {MAX_REMAINDER}"
            )


def _check_search(layer: DenseLayer, search: Search) -> None:
    _check_integers(layer, "thresholds", search.thresholds, (layer.outputs, layer.target.levels - 1))
    if (np.diff(search.thresholds, axis=1) < 0).any():
        raise BcsimError(f"Layer {layer.name!r} has thresholds that do not ascend")


def _check_integers(layer: DenseLayer, name: str, values: NDArray[np.int64], shape: tuple[int, ...]) -> None:
    if values.dtype != np.int64 or values.shape != shape:
        raise BcsimError(
            f"Layer {layer.name!r} has the {name} of shape {values.shape} and type {values.dtype}; "
            f"it needs {shape} and int64"
        )
