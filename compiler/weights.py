"""Few-valued float weights as small integers times a scale.

Letters in shapes: I inputs, O outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.errors import BcsimError

__all__ = ["MAX_INTEGER", "TOLERANCE", "IntegerWeights", "integer_weights"]

FloatArray: TypeAlias = NDArray[np.float64]

# The span of signed 8-bit integers, -128 included.
MAX_INTEGER = 128
# Straight-through exports leave w + (sign(w) - w) in float32, up to 6e-8 off; 1e-6 leaves room for a few roundings.
TOLERANCE = 1e-6

ACCEPTED = "two- or three-valued weights (+-c, 0) or integers of 2 to 8 bits times a scale"


@dataclass(frozen=True, slots=True)
class IntegerWeights:
    """values = weights * scale[:, None], to a relative `deviation`.

    weights : int16 (O, I), at most MAX_INTEGER in magnitude.
    scale : float64 (O,), positive; 1 for an output whose weights are all 0.
    """

    weights: NDArray[np.int16]
    scale: FloatArray
    deviation: float

    @property
    def kind(self) -> str:
        """The weights in words, such as "+-1"."""
        magnitude = int(np.abs(self.weights).max())
        if magnitude > 1:
            bits = int(max(self.weights.max(), -1 - self.weights.min())).bit_length() + 1
            return f"{bits}-bit integers"
        return "-1, 0, +1" if (self.weights == 0).any() else "+-1"


def integer_weights(values: FloatArray, name: str) -> IntegerWeights:
    """The integers and scales behind `values`, float64 (O, I): one scale for all, else one for each output.

    Weights of one magnitude (and 0) become -1, 0 and +1; others the integers of the largest scale under which all
    are integers to a relative TOLERANCE. Raises BcsimError naming the tensor `name` where there is none.
    """
    if not np.isfinite(values).all():
        raise BcsimError(
            f"weight tensor {name!r} has values that are NaN or infinite; weights must be finite"
        )
    if 0 in values.shape:
        raise BcsimError(f"weight tensor {name!r} is empty; expected at least one input and one output")
    magnitudes = np.abs(values)
    common = _common_scale(magnitudes)
    scales = [common] * len(values) if common else [_common_scale(row) for row in magnitudes]
    if not all(scales):
        raise BcsimError(_refusal(values, name))
    scale = np.array(scales, dtype=np.float64)
    weights = np.rint(values / scale[:, None]).astype(np.int16)
    return IntegerWeights(weights, scale, _deviation(values, weights * scale[:, None]))


def _deviation(values: FloatArray, rebuilt: FloatArray) -> float:
    nonzero = values != 0
    return float(np.max(np.abs(rebuilt[nonzero] / values[nonzero] - 1), initial=0.0))


def _common_scale(magnitudes: FloatArray) -> float | None:
    """The largest scale that makes integers of all `magnitudes`; 1 where all are 0, None where there is none."""
    top = float(magnitudes.max())
    if ((magnitudes == top) | (magnitudes == 0)).all():
        return top or 1.0
    levels = _levels(magnitudes[magnitudes > 0])
    return float(levels[0]) if len(levels) == 1 else _integer_scale(levels)


def _levels(magnitudes: FloatArray) -> FloatArray:
    """Distinct magnitudes, ascending, those within TOLERANCE of one another merged; near 1, exactly 1."""
    distinct = np.unique(magnitudes)
    starts = np.flatnonzero(np.diff(distinct, prepend=-np.inf) > TOLERANCE * distinct)
    if len(starts) > MAX_INTEGER:
        return distinct
    groups = np.split(distinct, starts[1:])
    if any(group[-1] > group[0] * (1 + 2 * TOLERANCE) for group in groups):
        return distinct
    return np.array([_representative(group) for group in groups])


def _representative(group: FloatArray) -> float:
    if len(group) > 1 and (np.abs(group - 1) <= TOLERANCE).all():
        return 1.0
    return float(group[len(group) // 2])


def _integer_scale(levels: FloatArray) -> float | None:
    """The largest scale under which every level is an integer up to MAX_INTEGER, else None."""
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
    if len(values) > 1 and all(len(_levels(column[column > 0])) <= 1 for column in np.abs(values).T):
        return (
            f"weight tensor {name!r} has one scale per input channel; "
            "accepted is one scale per tensor or per output channel"
        )
    distinct = np.unique(values)
    smallest = ", ".join(f"{value:.4g}" for value in distinct[:3])
    return f"weight tensor {name!r} has {len(distinct)} distinct values ({smallest}, ...); accepted are {ACCEPTED}"
