"""Rounding and clamping as QONNX defines them, shared by the evaluator and the constant folding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROUNDINGS", "Rounding", "bipolar", "quantise"]

FloatArray: TypeAlias = NDArray[np.float64]
Rounding: TypeAlias = Literal["ROUND", "CEIL", "FLOOR", "ROUND_TO_ZERO", "HALF_UP"]


def _half_up(x: FloatArray) -> FloatArray:
    """Nearest integer, ties away from zero."""
    whole = np.floor(np.abs(x))
    return np.asarray(np.copysign(whole + (np.abs(x) - whole >= 0.5), x))


ROUNDINGS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "ROUND": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "ROUND_TO_ZERO": np.trunc,
    "HALF_UP": _half_up,
}


def quantise(
    x: FloatArray,
    scale: FloatArray | float,
    zero_point: FloatArray | float,
    low: int,
    high: int,
    rounding: Rounding,
) -> FloatArray:
    """(round(clamp(x / scale + zero_point)) - zero_point) * scale, float64, the operands' common shape.

    QONNX's Quant, which clamps to low..high first and rounds then (qonnx, custom_op/general/quant.py).
    """
    steps = np.clip(x / scale + zero_point, low, high)
    return np.asarray((ROUNDINGS[rounding](steps) - zero_point) * scale)


def bipolar(x: FloatArray, scale: FloatArray | float) -> FloatArray:
    """+scale where x >= 0, else -scale. QONNX's BipolarQuant."""
    return np.where(x >= 0, scale, -np.asarray(scale))
