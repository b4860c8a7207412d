"""QONNX's quantisers: on activations, nodes of the graph; on weights, folded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Bipolar, FloatArray, MultiThreshold, Quant
from bcsim.compiler.graph.rounding import Rounding, bipolar, quantise
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import QONNX, operator
from bcsim.compiler.importer.values import Activation

__all__ = [
    "MAX_BITS",
    "MAX_FOLDED_BITS",
    "fold_bipolar",
    "fold_quant",
    "integer_range",
    "positive_scale",
    "rounding_mode",
    "switch",
]

MAX_BITS = 16
# Of constants: biases have the accumulators' 32 bits.
MAX_FOLDED_BITS = 64
_SYNONYMS: dict[str, Rounding] = {"HALF_EVEN": "ROUND", "DOWN": "ROUND_TO_ZERO"}


@dataclass(frozen=True, slots=True)
class _Range:
    """The integers of a Quant, and how it rounds; `bipolar` is its signed 1-bit form, -1 and +1."""

    low: int
    high: int
    rounding: Rounding
    bipolar: bool


def _range(context: NodeContext, most: int = MAX_BITS) -> _Range:
    bits = context.scalar(3, "bit width")
    if bits != int(bits) or not 1 <= bits <= most:
        raise BcsimError(f"its bit width is {bits:g}; accepted are whole numbers from 1 to {most}")
    signed, narrow = switch(context, "signed", 1), switch(context, "narrow", 0)
    low, high = integer_range(int(bits), bool(signed), bool(narrow))
    if high <= low and not signed:
        raise BcsimError("it is unsigned, narrow and of 1 bit, which leaves the single value 0")
    return _Range(low, high, rounding_mode(context, "ROUND"), bool(signed) and bits == 1)


def integer_range(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """The least and the greatest integer; narrow gives up the one that has no opposite."""
    top = 1 << (bits - signed)
    return (-top + narrow if signed else 0), top - 1 - (narrow and not signed)


def switch(context: NodeContext, name: str, default: int) -> int:
    """An attribute that is 0 or 1."""
    value: int = context.attribute(name, default)
    if value not in (0, 1):
        raise BcsimError(f"its attribute {name!r} is {value}; accepted are 0 and 1")
    return value


def rounding_mode(context: NodeContext, default: str) -> Rounding:
    """The attribute of that name, which is `default` where it is left out."""
    text = context.attribute("rounding_mode", default).upper()
    accepted: tuple[Rounding, ...] = get_args(Rounding)
    for mode in accepted:
        if mode == _SYNONYMS.get(text, text):
            return mode
    raise BcsimError(f"its rounding_mode is {text!r}; accepted are {', '.join((*accepted, *_SYNONYMS))}")


def _positive(context: NodeContext, index: int, what: str) -> FloatArray:
    array = context.finite(index, what)
    if not (array > 0).all():
        raise BcsimError(
            f"its {what} {context.operand_name(index)!r} must be positive, and is {array.min():g}"
        )
    return array


def positive_scale(context: NodeContext) -> float:
    """Input 1, one scale for all of a tensor."""
    scale = _positive(context, 1, "scale")
    if scale.size != 1:
        raise BcsimError(
            f"its scale {context.operand_name(1)!r} has shape {scale.shape}; "
            "accepted for activations is one scale per tensor, not per channel"
        )
    return float(scale.reshape(()))


def fold_bipolar(context: NodeContext) -> FloatArray:
    """BipolarQuant of constants."""
    weights, scale = context.finite(0, "weights"), _positive(context, 1, "scale")
    _check_fits("scale", scale, weights)
    return bipolar(weights, scale)


def fold_quant(context: NodeContext) -> FloatArray:
    """Quant of constants; scale and zero point may be per channel.

    The quotient is rounded to the type that the file stores, since that decides which integer a weight becomes.
    """
    weights, scale, zero_point = (
        context.finite(0, "weights"),
        _positive(context, 1, "scale"),
        context.finite(2, "zero point"),
    )
    _check_fits("scale", scale, weights)
    _check_fits("zero point", zero_point, weights)
    steps = _range(context, MAX_FOLDED_BITS)
    values, steps_of, zero = (context.stored(index, "operand") for index in range(3))
    # What overflows the stored type is infinite, and ends at the end of the range as the file has it.
    with np.errstate(over="ignore"):
        levels = (values / steps_of + zero).astype(np.float64)
    if steps.bipolar:
        return (bipolar(levels, 1.0) - zero_point) * scale
    return (quantise(levels, 1.0, 0.0, steps.low, steps.high, steps.rounding) - zero_point) * scale


def _check_fits(what: str, parameter: FloatArray, weights: FloatArray) -> None:
    axes = zip(reversed(parameter.shape), reversed(weights.shape), strict=False)
    if parameter.ndim > weights.ndim or any(size not in (1, whole) for size, whole in axes):
        raise BcsimError(
            f"its {what} of shape {parameter.shape} does not fit its weights of shape {weights.shape}"
        )


@operator("BipolarQuant", domains=QONNX)
def bipolar_quant(context: NodeContext) -> Lowered:
    x = context.activation()
    node = Bipolar(context.name, context.op, (x.name,), context.output, positive_scale(context))
    return Lowered(x.at(context.output), (node,))


@operator("Quant", "IntQuant", domains=QONNX)
def quant(context: NodeContext) -> Lowered:
    x = context.activation()
    scale, zero_point, steps = positive_scale(context), context.scalar(2, "zero point"), _range(context)
    fields = (context.name, context.op, (x.name,), context.output)
    if not steps.bipolar:
        node = Quant(*fields, scale, zero_point, steps.low, steps.high, steps.rounding)
        return Lowered(x.at(context.output), (node,))
    if zero_point:
        raise BcsimError(
            f"it is signed and of 1 bit with zero point {zero_point:g}; accepted is zero point 0"
        )
    return Lowered(x.at(context.output), (Bipolar(*fields, scale),))


@operator("MultiThreshold", domains=QONNX)
def multi_threshold(context: NodeContext) -> Lowered:
    x = context.activation()
    thresholds = context.finite(1, "thresholds")
    axis = len(x.shape or ()) - 1 if context.attribute("data_layout", "NCHW").endswith("C") else 0
    if thresholds.ndim != 2 or 0 in thresholds.shape or not _fits(thresholds, x, axis):
        raise BcsimError(
            f"its thresholds {context.operand_name(1)!r} have shape {thresholds.shape} beside an input of shape "
            f"{x.shape}; expected (channels or 1, thresholds)"
        )
    scale, bias = context.attribute("out_scale", 1.0), context.attribute("out_bias", 0.0)
    if not (np.isfinite([scale, bias]).all() and scale > 0):
        raise BcsimError(f"its out_scale {scale:g} must be positive and its out_bias {bias:g} finite")
    if len(thresholds) > 1 and x.shape is not None:
        x, order = context.channel_first(x, axis)
        thresholds = thresholds if order is None else thresholds[order]
    fields = (context.name, context.op, (x.name,), context.output)
    node = MultiThreshold(*fields, np.sort(thresholds, axis=1), scale, bias)
    return Lowered(x.at(context.output), (node,))


def _fits(thresholds: FloatArray, x: Activation, axis: int) -> bool:
    if len(thresholds) == 1 or x.shape is None:
        return True
    return -len(x.shape) <= axis < len(x.shape) and len(thresholds) == x.shape[axis]
