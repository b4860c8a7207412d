"""Activation functions that are neither straight nor quantisers, evaluated in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["CURVES", "evaluate_curve", "round_floats"]

FloatArray: TypeAlias = NDArray[np.float64]


def _elu(x: FloatArray) -> FloatArray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _softplus(x: FloatArray) -> FloatArray:
    return np.logaddexp(0, x)


def _gelu(x: FloatArray) -> FloatArray:
    return np.asarray(0.5 * x * special.erfc(-x / np.sqrt(2)))


def _tanh_gelu(x: FloatArray) -> FloatArray:
    return np.asarray(x * special.expit(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


CURVES: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "Asinh": np.arcsinh,
    "Atan": np.arctan,
    "Elu": _elu,
    "Erf": special.erf,
    "Exp": np.exp,
    "Gelu": _gelu,
    "HardSwish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "Identity": lambda x: x,
    "Mish": lambda x: x * np.tanh(_softplus(x)),
    "Sigmoid": special.expit,
    "Sinh": np.sinh,
    "Softplus": _softplus,
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Swish": lambda x: x * special.expit(x),
    "Tanh": np.tanh,
    "TanhGelu": _tanh_gelu,
}
"""The functions by name, those of ONNX's operators without their attributes: lines around them stand for these."""


def evaluate_curve(name: str, x: FloatArray) -> FloatArray:
    """The function of x, float64, the shape of x; infinite where floats end, as any engine has it."""
    with np.errstate(over="ignore"):
        return np.asarray(CURVES[name](x), dtype=np.float64)


def round_floats(x: FloatArray, kind: str) -> FloatArray:
    """x rounded to floats of a kind, such as "float32", float64 again; itself where the kind is "exact"."""
    if kind == "exact":
        return x
    with np.errstate(over="ignore"):
        return x.astype(np.dtype(getattr(ml_dtypes, kind, kind))).astype(np.float64)
