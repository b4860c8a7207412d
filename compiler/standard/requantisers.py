"""Requantisers and poolings in int64 and float32 operators.

Letters in shapes: n images, O outputs, K thresholds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from bcsim.compiler.program.geometry import Pool
from bcsim.compiler.program.layers import DenseLayer, Divide, Search
from bcsim.compiler.standard.operators import Operators

__all__ = ["pooled", "requantised"]


def requantised(ops: Operators, layer: DenseLayer, accumulator: str, *, image: bool) -> str:
    """q, float32, of accumulators int64 (n, O, rows, columns) if `image`, else (n, O)."""
    requantiser = layer.requantiser
    around = (-1, 1, 1) if image else (-1,)
    if isinstance(requantiser, Divide):
        return _divided(ops, requantiser, accumulator, around)
    return ops.cast(_searched(ops, requantiser, accumulator, around), TensorProto.FLOAT)


def pooled(ops: Operators, q: str, pool: Pool, minimum: NDArray[np.bool_] | None) -> str:
    """The greatest of every window of q (n, O, rows, columns), the least of the outputs marked by `minimum`."""
    options = {"kernel_shape": list(pool.kernel), "strides": list(pool.stride)}
    if minimum is None or not minimum.any():
        return ops.add("MaxPool", q, **options)
    signs = ops.constant(np.where(minimum, -1, 1).astype(np.float32).reshape(-1, 1, 1), "minimum")
    return ops.add("Mul", ops.add("MaxPool", ops.add("Mul", q, signs), **options), signs)


def _divided(ops: Operators, divide: Divide, accumulator: str, around: tuple[int, ...]) -> str:
    """The quotient as float32, then clipped: whatever is below 0 or above the levels stays there, all else is exact.

    Div rounds towards 0, which differs from floor below 0 alone. Clipping comes last because onnxruntime's Max, Min
    and Clip of int64 take some values for others above 2**31 (1.31 on x86-64; about one in 3,000).
    """
    value = accumulator
    if divide.fraction_bits:
        value = ops.add("Mul", value, ops.scalar(1 << divide.fraction_bits, "fraction"))
    if divide.offset.any():
        value = ops.add("Sub", value, ops.constant(divide.offset.reshape(around), "offset"))
    if (divide.divisor != 1).any():
        value = ops.add("Div", value, ops.constant(divide.divisor.reshape(around), "divisor"))
    least, most = (ops.constant(np.array(v, np.float32), "level") for v in (0, (1 << divide.bits) - 1))
    return ops.add("Clip", ops.cast(value, TensorProto.FLOAT), least, most)


def _searched(ops: Operators, search: Search, accumulator: str, around: tuple[int, ...]) -> str:
    """Bit by bit from the highest: a bit is 1 where the accumulator reaches the threshold of q with that bit."""
    highest = 1 << (search.bits - 1)
    first = search.thresholds[:, highest - 1].reshape(around)
    q = _bit(ops, accumulator, ops.constant(first, "threshold"), highest)
    if search.bits == 1:
        return q
    table = ops.constant(search.thresholds.reshape(-1), "thresholds")
    rows = np.arange(search.thresholds.size, step=search.thresholds.shape[1])
    for bit in reversed(range(search.bits - 1)):
        places = ops.constant(_places(rows, bit).reshape(around), "places")
        threshold = ops.add("Gather", table, ops.add("Add", q, places), axis=0)
        q = ops.add("Add", q, _bit(ops, accumulator, threshold, 1 << bit))
    return q


def _bit(ops: Operators, accumulator: str, threshold: str, worth: int) -> str:
    reached = ops.cast(ops.add("GreaterOrEqual", accumulator, threshold), TensorProto.INT64)
    return ops.add("Mul", reached, ops.scalar(worth, "bit")) if worth > 1 else reached


def _places(rows: NDArray[Any], bit: int) -> NDArray[np.int64]:
    """Where, with q added, the threshold of q + 2**bit stands in the table (O * K)."""
    return (rows + ((1 << bit) - 1)).astype(np.int64)
