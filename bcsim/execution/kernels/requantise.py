"""The requantiser's division as one float64 multiply and add, where that is proved exact."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program.layers import DenseLayer, Divide

__all__ = ["accumulator_bound", "numerator_bound", "reciprocal"]

FloatArray: TypeAlias = NDArray[np.float64]

PROVED = 1 << 50


def accumulator_bound(layer: DenseLayer) -> int:
    """An upper bound of |accumulator| and of every partial sum on the way to it, in any order of adding."""
    weight = sum(1 << plane.shift for plane in layer.planes)
    return weight * layer.inputs * (layer.source.levels - 1)


def numerator_bound(divide: Divide, bound: int) -> int:
    """An upper bound of |2**fraction_bits * accumulator - offset| where |accumulator| <= bound."""
    offset = max((abs(int(t)) for t in divide.offset), default=0)
    return (bound << divide.fraction_bits) + offset


def reciprocal(divide: Divide, bound: int) -> tuple[FloatArray, FloatArray] | None:
    """(m, c), float64 (O,), with floor(m * accumulator + c) = floor((2**F * accumulator - T) / D), or None.

    For an integer numerator N, floor(N / D) = floor((N + 1/2) / D), and (N + 1/2) / D is at least 1 / (2 D)
    from every integer. m = fl(2**F / D) and c = fl((1/2 - T) / D) err by one rounding each, the product and the
    sum by one more each: together less than 3.1 * 2**-53 * (|2**F * accumulator| + |T| + 1) / D, which is below
    1 / (2 D) while the bracket is at most 2**50. A fused multiply-add only drops one of these roundings.
    """
    if numerator_bound(divide, bound) >= PROVED:
        return None
    divisor = divide.divisor.astype(np.float64)
    return 2.0**divide.fraction_bits / divisor, (0.5 - divide.offset) / divisor
