"""Few-valued float weights as small integers times a scale.

Letters in shapes: I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError

__all__ = ["MAX_INTEGER", "TOLERANCE", "IntegerWeights", "integer_weights"]

FloatArray: TypeAlias = NDArray[np.float64]

# The span of signed 8-bit integers, -128 included.
MAX_INTEGER = 128
# Straight-through exports leave w + (sign(w) - w) in float32, up to 6e-8 off; 1e-6 leaves room for a few roundings.
TOLERANCE = 1e-6

# Weights converted at a time, 8 MiB of float64.
_BLOCK = 2**20

ACCEPTED = (
    "two- or three-valued weights (+-c, 0) or integers of 2 to 8 bits times a scale, and real ones that --weight-bits "
    "rounds"
)


@dataclass(frozen=True, slots=True)
class IntegerWeights:
    """values = weights * scale[:, None], to a relative `deviation`.

    weights : int16 (O, I), at most MAX_INTEGER in magnitude.
    scale : float64 (O,), positive; 1 for an output whose weights are all 0.
    rounded : the bits that real weights were rounded to, and the signal-to-noise ratio that this leaves, in dB; None
        where nothing was rounded.
    """

    weights: NDArray[np.int16]
    scale: FloatArray
    deviation: float
    rounded: tuple[int, float] | None = None

    @property
    def kind(self) -> str:
        """The weights in words, such as "+-1"."""
        magnitude = int(np.abs(self.weights).max())
        if magnitude > 1:
            bits = int(max(self.weights.max(), -1 - self.weights.min())).bit_length() + 1
            return f"{bits}-bit integers"
        return "-1, 0, +1" if (self.weights == 0).any() else "+-1"


def integer_weights(values: NDArray[Any], name: str, bits: int | None = None) -> IntegerWeights:
    """The integers and scales behind `values`, numbers (O, I), in float64.

    Outputs with weights of one magnitude (and 0) take -1, 0 and +1; others the integers of the largest scale, common
    to the tensor or else to the output, under which all are integers to a relative TOLERANCE. Where there is none,
    the weights are rounded to `bits` bits; raises BcsimError naming the tensor `name` where bits is None.
    """
    if 0 in values.shape:
        raise BcsimError(f"weight tensor {name!r} is empty; expected at least one input and one output")
    if not all(np.isfinite(block).all() for _, block in _blocks(values)):
        raise BcsimError(
            f"weight tensor {name!r} has values that are NaN or infinite; weights must be finite"
        )
    scale = _scales(values)
    if scale is None and bits is not None:
        return _rounded(values, bits)
    if scale is None:
        raise BcsimError(_refusal(values.astype(np.float64, copy=False), name))
    weights, deviation = np.empty(values.shape, dtype=np.int16), 0.0
    for rows, block in _blocks(values):
        steps = scale[rows, None]
        weights[rows] = np.rint(block / steps)
        deviation = max(deviation, _deviation(block, weights[rows] * steps))
    return IntegerWeights(weights, scale, deviation)


def _rounded(values: NDArray[Any], bits: int) -> IntegerWeights:
    """Each output's weights rounded to integers of `bits` bits, the greatest in magnitude to the greatest integer."""
    floats = values.astype(np.float64)
    top = np.abs(floats).max(axis=1)
    scale = np.where(top == 0, 1.0, top / ((1 << (bits - 1)) - 1))
    weights = np.rint(floats / scale[:, None]).astype(np.int16)
    error, power = np.sum((weights * scale[:, None] - floats) ** 2), np.sum(floats**2)
    return IntegerWeights(weights, scale, 0.0, (bits, 10 * float(np.log10(power / error))))


def _blocks(values: NDArray[Any]) -> Iterator[tuple[slice, FloatArray]]:
    """Rows at a time, as float64: a layer of 10**8 weights would take 1 GB for each step of the arithmetic."""
    step = max(1, _BLOCK // values.shape[1])
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        yield rows, values[rows].astype(np.float64)


def _deviation(values: FloatArray, rebuilt: FloatArray) -> float:
    if np.array_equal(values, rebuilt):
        return 0.0
    nonzero = values != 0
    return float(np.max(np.abs(rebuilt[nonzero] / values[nonzero] - 1), initial=0.0))


def _scales(values: NDArray[Any]) -> FloatArray | None:
    """The scale of every output, (O,): of one magnitude each, else an integer scale for all, else one for each."""
    top = np.concatenate([np.abs(block).max(axis=1) for _, block in _blocks(values)])
    if all((np.abs(block) == top[rows, None]).all() for rows, block in _blocks(values)) and top.all():
        return top
    magnitudes = np.abs(values.astype(np.float64))
    scale = _single_scales(magnitudes, top)
    if scale is not None:
        return scale
    common = _integer_scale(_levels(magnitudes))
    scales = [common] * len(magnitudes) if common else [_integer_scale(_levels(row)) for row in magnitudes]
    if not all(scales):
        return None
    return np.where(magnitudes.any(axis=1), np.array(scales, dtype=np.float64), 1.0)


def _single_scales(magnitudes: FloatArray, top: FloatArray) -> FloatArray | None:
    """The one magnitude that each output's weights have, (O,), 1 where all are 0; None where some have several."""
    zero = magnitudes == 0
    if not (zero | (magnitudes >= top[:, None] * (1 - TOLERANCE))).all():
        return None
    nonzero = magnitudes[~zero]
    if (np.abs(nonzero - 1) <= TOLERANCE).all() and len(np.unique(nonzero)) > 1:
        return np.ones(len(magnitudes))
    return np.where(top == 0, 1.0, top)


def _levels(magnitudes: FloatArray) -> FloatArray:
    """Distinct magnitudes above 0, ascending, those within TOLERANCE of one another merged."""
    distinct = np.unique(magnitudes[magnitudes > 0])
    starts = np.flatnonzero(np.diff(distinct, prepend=-np.inf) > TOLERANCE * distinct)
    if not 0 < len(starts) <= MAX_INTEGER:
        return distinct
    groups = np.split(distinct, starts[1:])
    if any(group[-1] > group[0] * (1 + 2 * TOLERANCE) for group in groups):
        return distinct
    return np.array([group[len(group) // 2] for group in groups])


def _integer_scale(levels: FloatArray) -> float | None:
    """The largest scale under which every level is an integer up to MAX_INTEGER, else None; 1 for no level."""
    if not len(levels):
        return 1.0
    if len(levels) > MAX_INTEGER or levels[-1] > levels[0] * (MAX_INTEGER + 1):
        return None
    least = np.arange(1, MAX_INTEGER + 1)[:, None]
    ratios = levels / levels[0] * least
    integers = np.rint(ratios)
    fits = (np.abs(ratios - integers) <= TOLERANCE * integers).all(axis=1) & (integers[:, -1] <= MAX_INTEGER)
    if not fits.any():
        return None
    chosen = integers[int(np.argmax(fits))].astype(np.int64)
    # A level of a power of two carries no rounding of its own, so its quotient is the file's scale exactly.
    exact = np.flatnonzero(chosen & (chosen - 1) == 0)
    pick = int(exact[0]) if len(exact) else 0
    return float(levels[pick] / chosen[pick])


def _refusal(values: FloatArray, name: str) -> str:
    if len(values) > 1 and all(len(_levels(column)) <= 1 for column in np.abs(values).T):
        return (
            f"weight tensor {name!r} has one scale per input channel; "
            "accepted is one scale per tensor or per output channel"
        )
    distinct = np.unique(values)
    smallest = ", ".join(f"{value:.4g}" for value in distinct[:3]) + ", ..." * (len(distinct) > 3)
    return f"weight tensor {name!r} has {len(distinct)} distinct values ({smallest}); accepted are {ACCEPTED}"
