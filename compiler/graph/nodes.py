"""The float graph: what the importer hands to the lowering, one frozen node per supported operation.

Letters in shapes: I inputs (features in), O outputs (features out), C channels, H rows, W columns.
Every tensor has a leading batch axis that no shape here names. Behind it a flat tensor is (C,) and an image
(C, H, W), ONNX's order; a sequence is an image of one row. Only the network's input may have another shape, which
a Reshape or Transpose node turns into one of these. Arrays of shape (C,) in the nodes below have one entry for each
channel, which is the first axis behind the batch axis.
All float values are float64; float32 parameters of the file are widened, which is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Add",
    "Affine",
    "AveragePool",
    "BatchNorm",
    "Bipolar",
    "Channels",
    "Clip",
    "Concat",
    "Conv",
    "Curve",
    "Dense",
    "Flatten",
    "FloatArray",
    "Graph",
    "LeakyRelu",
    "MaxPool",
    "MultiThreshold",
    "Node",
    "PiecewiseLinear",
    "Positions",
    "Quant",
    "Relu",
    "Reshape",
    "Round",
    "Sign",
    "Transpose",
    "Upsample",
    "Values",
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
    rounded : whether the file's weights are real, and were rounded to these after training.
    """

    weights: NDArray[np.int16]
    scale: FloatArray
    rounded: bool = False


@dataclass(frozen=True, slots=True)
class Conv(Node):
    """The correlation of an image (C, H, W) with O kernels, each times its output's scale; a bias is an Affine.

    y[o, r, s] = scale[o] * sum_ijk weights[o, i, j, k] * x[g * I + i, r * down - top + j, s * right - left + k]

    where I = C / groups, g = o * groups // O and (down, right) = stride; outside the image x is `outside`.

    weights : int16 (O, C / groups, kernel rows, kernel columns), small integers, for BinaryConnect -1 and +1.
    scale : float64 (O,), positive: the real value of one weight unit, per output.
    stride : (rows, columns).
    pads : (top, left, bottom, right) rows and columns around the image.
    groups : of channels; C for a depthwise convolution.
    outside : what the pads hold; with -1 or +1 signs stay signs of one bit.
    rounded : whether the file's weights are real, and were rounded to these after training.
    """

    weights: NDArray[np.int16]
    scale: FloatArray
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]
    groups: int
    outside: float = 0.0
    rounded: bool = False

    @property
    def kernel(self) -> tuple[int, int]:
        rows, columns = self.weights.shape[2:]
        return rows, columns


@dataclass(frozen=True, slots=True)
class MaxPool(Node):
    """The maximum of every window of an image; kernel and stride are (rows, columns).

    Rows and columns that no whole window reaches are left out.

    pads : (top, left, bottom, right) rows and columns around the image which take no part in the maximum; each is
        less than the kernel, so that every window meets the image.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class AveragePool(Node):
    """The mean of every window of an image; kernel and stride are (rows, columns).

    pads : (top, left, bottom, right) rows and columns of zeros around the image, counted in the mean.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Add(Node):
    """y = a + b, two tensors of one shape, or twice the same; a residual connection. inputs = (a, b)."""


@dataclass(frozen=True, slots=True)
class Concat(Node):
    """The channels of every input, one after the other; the inputs' other axes agree."""


@dataclass(frozen=True, slots=True)
class Upsample(Node):
    """Every pixel of an image repeated, `factor` (rows, columns) times: a nearest Resize by whole numbers."""

    factor: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Channels(Node):
    """Some channels of an image or a flat tensor, in order: `first`, then every `step`-th, `count` of them."""

    first: int
    step: int
    count: int


@dataclass(frozen=True, slots=True)
class Values(Node):
    """Some values of a flat tensor, in any order and repeated too; y[i] = x[index[i]]."""

    index: NDArray[np.intp]


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
class LeakyRelu(Node):
    """y = x where x >= 0, else slope * x; slope float64 of shape () or (C,), 0 or above. PRelu has one per channel.

    kind : the type of y's floats in the file, to which the product is rounded.
    """

    slope: FloatArray
    kind: str = "float32"


@dataclass(frozen=True, slots=True)
class PiecewiseLinear(Node):
    """y = scales[k] * x + shifts[k], where k is how many bounds x has reached. It never falls as x grows.

    scales, shifts : one more than there are bounds; the product and sum are of the exact real numbers.
    bounds : ascending.
    closed : whether x reaches a bound where it equals it; otherwise x must be above.
    """

    scales: tuple[float, ...]
    shifts: tuple[float, ...]
    bounds: tuple[float, ...]
    closed: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Curve(Node):
    """y = function(x); function is a name of bcsim.compiler.graph.curves.CURVES.

    kind : the type of y's floats in the file, to which the result is rounded: what a curve that nears a line or a
        bound becomes equal to, a quantiser behind it takes for a tie. "exact" inside of a chain of several nodes.
    """

    function: str
    kind: str = "float32"


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
class Round(Node):
    """The whole number next to x: nearest for "ROUND", ties to even ones, below for "FLOOR", and so on."""

    rounding: Literal["ROUND", "CEIL", "FLOOR", "ROUND_TO_ZERO", "HALF_UP"]


@dataclass(frozen=True, slots=True)
class MultiThreshold(Node):
    """y = out_scale * sum_k(x >= thresholds[c, k]) + out_bias; thresholds float64 (1 or C, K), ascending in k."""

    thresholds: FloatArray
    out_scale: float
    out_bias: float


@dataclass(frozen=True, slots=True)
class Flatten(Node):
    """Everything behind the batch axis becomes one axis, in order: of an image, channel, row, column."""


@dataclass(frozen=True, slots=True)
class Positions(Node):
    """A Flatten that a layer does: every value of an image becomes a channel, ordered by channel, row, column.

    No file has it; the lowering puts it where what follows differs between the positions of a channel.
    """


@dataclass(frozen=True, slots=True)
class Reshape(Node):
    """The values, in order, in another shape, which has no batch axis; in the end an image (C, H, W)."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Transpose(Node):
    """Axis i of the output is axis axes[i] of the input, both without the batch axis; for inputs of (H, W, C)."""

    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """A checked float network: one input, one output, nodes in topological order; any node may read any tensor.

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
