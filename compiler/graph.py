"""The float graph: what the importer hands to the lowering, one frozen node per supported operation.

Letters in shapes: I inputs (features in), O outputs (features out), C channels (the last axis of a dense tensor).
Every tensor has a leading batch axis that no shape here names. All float values are float64; float32 parameters
of the file are widened, which is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Affine",
    "BatchNorm",
    "Bipolar",
    "Clip",
    "Dense",
    "Flatten",
    "FloatArray",
    "Graph",
    "MultiThreshold",
    "Node",
    "Quant",
    "Relu",
    "Sign",
]

FloatArray: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. `name` is the ONNX node's name (or its output's), `op` its ONNX operator, for messages."""

    name: str
    op: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, slots=True)
class Dense(Node):
    """y = x @ (weights * scale[:, None]).T

    weights : int16 (O, I), small integers, for BinaryConnect -1 and +1.
    scale : float64 (O,), positive: the real value of one weight unit, per output.
    """

    weights: NDArray[np.int16]
    scale: FloatArray


@dataclass(frozen=True, slots=True)
class Affine(Node):
    """y = x * scale + shift, each float64 of shape () or (C,). Mul, Add, Sub, Div and biases become this.

    The product and sum are of the exact real numbers; scale may be negative or zero.
    """

    scale: FloatArray
    shift: FloatArray


@dataclass(frozen=True, slots=True)
class BatchNorm(Node):
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, arrays float64 of shape () or (C,).

    variance + epsilon is positive. QONNX's TensorNorm is this with shape ().
    """

    gamma: FloatArray
    beta: FloatArray
    mean: FloatArray
    variance: FloatArray
    epsilon: float


@dataclass(frozen=True, slots=True)
class Relu(Node):
    """y = max(x, 0)"""


@dataclass(frozen=True, slots=True)
class Clip(Node):
    """y = min(max(x, low), high); either bound may be infinite. HardTanh is low = -1, high = 1."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Sign(Node):
    """ONNX Sign: -1, 0 or +1."""


@dataclass(frozen=True, slots=True)
class Bipolar(Node):
    """y = +scale where x >= 0, else -scale. QONNX BipolarQuant, and a signed 1-bit Quant."""

    scale: float


@dataclass(frozen=True, slots=True)
class Quant(Node):
    """QONNX Quant: y = (round(clamp(x / scale + zero_point)) - zero_point) * scale, clamped to low..high first.

    low, high : the integer range that bits, signed and narrow give.
    rounding : how a tie goes; "ROUND" is half to even, as in QONNX.
    """

    scale: float
    zero_point: float
    low: int
    high: int
    rounding: Literal["ROUND", "CEIL", "FLOOR", "ROUND_TO_ZERO", "HALF_UP"]


@dataclass(frozen=True, slots=True)
class MultiThreshold(Node):
    """y = out_scale * sum_k(x >= thresholds[c, k]) + out_bias; thresholds float64 (1 or C, K), ascending in k."""

    thresholds: FloatArray
    out_scale: float
    out_bias: float


@dataclass(frozen=True, slots=True)
class Flatten(Node):
    """Everything behind the batch axis becomes one axis, in order."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A checked float network: one input, one output, nodes in topological order.

    input_shape : without the batch axis, e.g. (784,) or (1, 28, 28).
    output : the tensor that holds the class scores (what the hardware computes): a final Softmax, LogSoftmax,
        ArgMax or Identity of the file is not a node here but is named in `dropped`.
    notes : one sentence for every reading that a user should know of, e.g. which rule a weight of 0 followed.
    metadata : the file's metadata_props.
    """

    name: str
    input: str
    input_shape: tuple[int, ...]
    nodes: tuple[Node, ...]
    output: str
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
