"""A second evaluator of ONNX files, from the operators' definitions, that shares nothing with the compiler.

Every value is float64; what curves give is rounded to the file's own floats, as an operator of that type rounds it.
Networks of constants that are multiples of powers of two lose nothing else, so that what comes out is what the file
says. Letters in shapes: n images, C channels, O outputs, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from math import erf
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

__all__ = ["dequantize_linear", "evaluate"]

Array: TypeAlias = NDArray[Any]
Operator: TypeAlias = Callable[..., Any]

# Of every type that QuantizeLinear gives: the least and the greatest integer.
RANGES = {np.dtype(kind): (np.iinfo(kind).min, np.iinfo(kind).max) for kind in ("u1", "i1", "u2", "i2")}


def evaluate(model: ModelProto, x: Array) -> dict[str, Array]:
    """Every tensor of the network for the input x, float64 (n, ...), by name."""
    graph = model.graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    values: dict[str, Any] = {"": None, **{name: _wide(array) for name, array in stored.items()}}
    values |= {value.name: x for value in graph.input if value.name not in stored}
    half = graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT16
    gates = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Sigmoid"}
    for node in graph.node:
        inputs = [values[name] for name in node.input]
        attributes = {entry.name: _attribute(entry) for entry in node.attribute}
        last = node.domain.endswith("channels_last") or node.op_type.endswith("NHWC")
        if last:
            inputs[0] = np.moveaxis(inputs[0], -1, 1)
        if node.op_type in CURVED:
            found = _in_type(half, CURVED[node.op_type](*inputs, **attributes))
        elif node.op_type == "Mul" and node.input[1] in gates and gates[node.input[1]] == node.input[0]:
            found = _in_type(half, inputs[0] * sigmoid(inputs[0]))
        elif node.op_type in BENT:
            found = BENT[node.op_type](partial(_in_type, half), *inputs, **attributes)
        elif node.op_type in TYPED:
            found = TYPED[node.op_type](node, stored, inputs, attributes)
        else:
            found = OPERATORS[node.op_type](*inputs, **attributes)
        found = np.moveaxis(found, 1, -1) if last else found
        outputs = found if isinstance(found, tuple) else (found,)
        values |= dict(zip(node.output, outputs, strict=False))
    return values


def _in_type(half: bool, x: Array) -> Array:
    """x rounded to float32, or to float16 where the file is in half precision; large numbers stay."""
    bits, least = (11, -14) if half else (24, -126)
    step = np.exp2(np.maximum(np.frexp(x)[1] - 1, least) - bits + 1.0)
    return np.rint(x / step) * step


def _wide(array: Array) -> Array:
    return array if array.dtype.kind in "b" else array.astype(np.float64)


def _attribute(entry: Any) -> Any:
    value = helper.get_attribute_value(entry)
    return value.decode() if isinstance(value, bytes) else value


def _windows(
    x: Array, kernel: Any, strides: Any = None, pads: Any = None, dilations: Any = None, fill: float = 0.0
) -> Array:
    """Every window of x (n, C, ...): (taps, n, C, ...)."""
    axes = len(kernel)
    strides, dilations = strides or [1] * axes, dilations or [1] * axes
    pads = pads or [0] * 2 * axes
    around = [(0, 0), (0, 0), *zip(pads[:axes], pads[axes:], strict=True)]
    x = np.pad(x, around, constant_values=fill)
    sizes = [
        (size - (k - 1) * d - 1) // s + 1
        for size, k, d, s in zip(x.shape[2:], kernel, dilations, strides, strict=True)
    ]
    taps = []
    for tap in product(*map(range, kernel)):
        places = tuple(
            slice(t * d, t * d + (count - 1) * s + 1, s)
            for t, d, count, s in zip(tap, dilations, sizes, strides, strict=True)
        )
        taps.append(x[(slice(None), slice(None), *places)])
    return np.stack(taps)


def conv(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    group: int = 1,
    strides: Any = None,
    pads: Any = None,
    dilations: Any = None,
    kernel_shape: Any = None,
) -> Array:
    taps = _windows(x, w.shape[2:], strides, pads, dilations)
    weights = w.reshape(*w.shape[:2], -1)
    inputs, outputs = w.shape[1], len(w) // group
    parts = [
        np.einsum(
            "tnc...,oct->no...",
            taps[:, :, g * inputs : (g + 1) * inputs],
            weights[g * outputs : (g + 1) * outputs],
        )
        for g in range(group)
    ]
    y = np.concatenate(parts, axis=1)
    return y if b is None else y + _by_channel(b, y)


def _by_channel(values: Array, x: Array) -> Array:
    return np.reshape(values, (-1, *[1] * (x.ndim - 2))) if np.ndim(values) == 1 else values


def im2col(x: Array, *, kernel_size: Any, stride: Any, pad_amount: Any, input_shape: str) -> Array:
    """Rows (kernel row, kernel column, channel) of the windows of x (n, rows, columns, channels)."""
    taps = _windows(np.moveaxis(x, -1, 1), kernel_size, stride, pad_amount)
    return np.moveaxis(taps, (0, 2), (-2, -1)).reshape(len(x), *taps.shape[3:], -1)


def gemm(
    a: Array, b: Array, c: Array | float | None = None, *, alpha: float = 1, beta: float = 1, transB: int = 0
):  # type: ignore[no-untyped-def]
    return alpha * (a @ (b.T if transB else b)) + beta * (0.0 if c is None else c)


def max_pool(x: Array, *, kernel_shape: Any, strides: Any = None, pads: Any = None) -> Array:
    return np.asarray(_windows(x, kernel_shape, strides, pads, None, -np.inf).max(axis=0))


def average_pool(
    x: Array, *, kernel_shape: Any, strides: Any = None, pads: Any = None, count_include_pad: int = 0
) -> Array:
    return np.asarray(_windows(x, kernel_shape, strides, pads).mean(axis=0))


def over_image(function: Operator) -> Operator:
    return lambda x: function(x, axis=tuple(range(2, x.ndim)), keepdims=True)


def reduce_mean(x: Array, axes: Array | None = None, *, keepdims: int = 1, **given: Any) -> Array:
    along = given["axes"] if axes is None else axes.astype(int).tolist()
    return np.asarray(x.mean(axis=tuple(along), keepdims=bool(keepdims)))


def batch_norm(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, *, epsilon: float = 1e-5
) -> Array:
    gamma, beta, mean, variance = (_by_channel(values, x) for values in (gamma, beta, mean, variance))
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def clip(x: Array, low: Any = None, high: Any = None, **bounds: float) -> Array:
    low, high = bounds.get("min", low), bounds.get("max", high)
    return np.clip(x, -np.inf if low is None else low, np.inf if high is None else high)


def quant(
    x: Array,
    scale: Array,
    zero: Array,
    bits: Array,
    *,
    signed: int = 1,
    narrow: int = 0,
    rounding_mode: str = "ROUND",
) -> Array:
    levels = 2 ** int(bits)
    if signed and levels == 2:
        return np.where(x / scale >= 0, scale, -scale)
    low, high = (-levels // 2 + narrow, levels // 2 - 1) if signed else (0, levels - 1 - narrow)
    rounded = ROUNDINGS[rounding_mode](np.clip(x / scale + zero, low, high))
    return (rounded - zero) * scale


ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    "ROUND": np.rint,
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "ROUND_TO_ZERO": np.trunc,
}


def multi_threshold(
    x: Array, thresholds: Array, *, out_scale: float = 1, out_bias: float = 0, **_: Any
) -> Array:
    bounds = thresholds.reshape(len(thresholds), *[1] * (x.ndim - 2), -1)
    return (x[..., None] >= bounds).sum(axis=-1) * out_scale + out_bias


def _rounded(x: Array, scale: Array, zero: Array | None, kind: Any) -> Array:
    least, most = RANGES[np.dtype(kind)]
    return np.clip(np.rint(x / scale) + (0 if zero is None else zero), least, most)


def quantize_linear(node: NodeProto, stored: Mapping[str, Array], inputs: list[Any], _: Any) -> Array:
    kind = stored[node.input[2]].dtype if len(inputs) > 2 else np.uint8
    return _rounded(inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else None, kind)


def _qlinear(node: NodeProto, stored: Mapping[str, Array], inputs: list[Any], place: int, y: Array) -> Array:
    """y rounded to the grid of the inputs `place` and the next."""
    return _rounded(y, inputs[place], inputs[place + 1], stored[node.input[place + 1]].dtype)


def qlinear_conv(node: NodeProto, stored: Mapping[str, Array], inputs: list[Any], attributes: Any) -> Array:
    x, xs, xz, w, ws, wz = inputs[:6]
    bias = inputs[8] * xs * ws if len(inputs) > 8 else None
    return _qlinear(node, stored, inputs, 6, conv((x - xz) * xs, (w - wz) * ws, bias, **attributes))


def qlinear_matmul(node: NodeProto, stored: Mapping[str, Array], inputs: list[Any], _: Any) -> Array:
    x, xs, xz, w, ws, wz = inputs[:6]
    return _qlinear(node, stored, inputs, 6, (x - xz) * xs @ ((w - wz) * ws))


def qlinear_add(node: NodeProto, stored: Mapping[str, Array], inputs: list[Any], _: Any) -> Array:
    a, s, z, b, t, u = inputs[:6]
    return _qlinear(node, stored, inputs, 6, (a - z) * s + (b - u) * t)


def qgemm(node: NodeProto, stored: Mapping[str, Array], inputs: list[Any], attributes: Any) -> Array:
    a, s, z, b, t, u, c = inputs[:7]
    alpha = attributes.get("alpha", 1.0)
    product = alpha * ((a - z) * s @ ((b - u) * t))
    return _qlinear(node, stored, inputs, 7, product + (0.0 if c is None else c * s * t * alpha))


def qlinear_concat(node: NodeProto, stored: Mapping[str, Array], inputs: list[Any], _: Any) -> Array:
    parts = [(inputs[i] - inputs[i + 2]) * inputs[i + 1] for i in range(2, len(inputs), 3)]
    return _qlinear(node, stored, inputs, 0, np.concatenate(parts, axis=1))


def qlinear_unary(node: NodeProto, stored: Mapping[str, Array], inputs: list[Any], attributes: Any) -> Array:
    x, s, z = inputs[:3]
    op = node.op_type.removeprefix("QLinear")
    y = {**OPERATORS, **CURVED, "LeakyRelu": partial(bent, np.asarray)}[op]((x - z) * s, **attributes)
    return _qlinear(node, stored, inputs, 3, y)


def resize(x: Array, _: Any, scales: Array, **__: Any) -> Array:
    for axis, factor in enumerate(scales.astype(int).tolist()):
        x = np.repeat(x, factor, axis)
    return x


def gelu(x: Array) -> Array:
    return x * (1 + np.vectorize(erf, otypes=[np.float64])(x / 2**0.5)) / 2


def dequantize_linear(q: Array, scale: Array, zero: Array | float = 0.0, *, axis: int = 1) -> Array:
    along = [1] * q.ndim
    if scale.size > 1:
        along[axis] = -1
    return (q - (zero.reshape(along) if np.size(zero) > 1 else zero)) * (
        scale.reshape(along) if scale.size > 1 else scale
    )


def reshape(x: Array, shape: Array) -> Array:
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(shape.astype(int).tolist())])


def pad(x: Array, pads: Array, value: float = 0.0) -> Array:
    sides = pads.astype(int).reshape(2, -1).T
    return np.pad(x, [tuple(side) for side in sides.tolist()], constant_values=float(value))


def split(x: Array, sizes: Array, *, axis: int = 0) -> tuple[Array, ...]:
    return tuple(np.split(x, np.cumsum(sizes.astype(int))[:-1].tolist(), axis))


def cut(x: Array, starts: Array, ends: Array, axes: Array, steps: Array | None = None) -> Array:
    places = [slice(None)] * x.ndim
    for place, (start, end) in zip(axes.astype(int), zip(starts, ends, strict=True), strict=True):
        places[place] = slice(int(start), int(end), None if steps is None else int(steps[0]))
    return x[tuple(places)]


def softmax(x: Array, *, axis: int = -1, **_: int) -> Array:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1 + small)


def log_softmax(x: Array, *, axis: int = -1) -> Array:
    x = x - x.max(axis=axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def arg_max(x: Array, *, axis: int = 0, keepdims: int = 1) -> Array:
    return np.argmax(x, axis=axis, keepdims=bool(keepdims))


def top_k(x: Array, k: Array, *, axis: int = -1, **_: Any) -> tuple[Array, Array]:
    order = np.argsort(-x, axis=axis, kind="stable").take(range(int(k.item())), axis)
    return np.take_along_axis(x, order, axis), order


def binary(function: Operator) -> Operator:
    return lambda a, b: function(a, b)


def each(function: Callable[[Array], Array]) -> Operator:
    return lambda x: function(x)


CURVED: Mapping[str, Operator] = {
    "Asinh": each(np.arcsinh),
    "Atan": each(np.arctan),
    "Erf": each(np.vectorize(erf, otypes=[np.float64])),
    "Exp": each(np.exp),
    "FastGelu": lambda x: x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2,
    "Gelu": gelu,
    "HardSwish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "Mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "QuickGelu": lambda x, alpha=1.702: x * sigmoid(alpha * x),
    "Sigmoid": sigmoid,
    "Sinh": each(np.sinh),
    "Softplus": lambda x: np.logaddexp(x, 0),
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Swish": lambda x, alpha=1.0: x * sigmoid(alpha * x),
    "Tanh": each(np.tanh),
}
"""Functions whose value is rounded once."""


def bent(rounded: Operator, x: Array, slope: Any = 0.01, *, alpha: float | None = None) -> Array:
    return np.where(x >= 0, x, rounded((slope if alpha is None else alpha) * x))


def elu(rounded: Operator, x: Array, *, alpha: float = 1.0, gamma: float = 1.0) -> Array:
    return gamma * np.where(x > 0, x, rounded(alpha * rounded(np.expm1(np.minimum(x, 0)))))


BENT: Mapping[str, Operator] = {
    "Celu": lambda rounded, x, alpha=1.0: alpha * elu(rounded, x / alpha),
    "Elu": elu,
    "LeakyRelu": bent,
    "PRelu": bent,
    "Selu": elu,
}
"""Functions that are rounded where they are no lines of slope 1."""

TYPED: Mapping[str, Operator] = {
    "QuantizeLinear": quantize_linear,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
    "QLinearAdd": qlinear_add,
    "QGemm": qgemm,
    "QLinearConcat": qlinear_concat,
    **{
        f"QLinear{name}": qlinear_unary
        for name in ("AveragePool", "GlobalAveragePool", "LeakyRelu", "Sigmoid", "Softmax")
    },
}
"""Operators whose result depends on the type that their zero point is stored in."""

OPERATORS: Mapping[str, Operator] = {
    "Add": binary(np.add),
    "ArgMax": arg_max,
    "AveragePool": average_pool,
    "BatchNormalization": batch_norm,
    "BipolarQuant": lambda x, scale: np.where(x >= 0, scale, -scale),
    "Cast": lambda x, to: np.asarray(x, dtype=np.float64),
    "Ceil": each(np.ceil),
    "Clip": clip,
    "Concat": lambda *parts, axis: np.concatenate(parts, axis),
    "Conv": conv,
    "DequantizeLinear": dequantize_linear,
    "Div": binary(np.divide),
    "Dropout": each(np.asarray),
    "Flatten": lambda x, axis=1: x.reshape(int(np.prod(x.shape[:axis])), -1),
    "Floor": each(np.floor),
    "Gemm": gemm,
    "GlobalAveragePool": over_image(np.mean),
    "GlobalMaxPool": over_image(np.max),
    "Greater": binary(np.greater),
    "GreaterOrEqual": binary(np.greater_equal),
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: np.clip(alpha * x + beta, 0, 1),
    "Identity": each(np.asarray),
    "Im2Col": im2col,
    "IntQuant": quant,
    "Less": binary(np.less),
    "LessOrEqual": binary(np.less_equal),
    "LogSoftmax": log_softmax,
    "MatMul": binary(np.matmul),
    "Max": lambda *values: np.maximum(*values),
    "MaxPool": max_pool,
    "MaxPoolNHWC": max_pool,
    "Min": lambda *values: np.minimum(*values),
    "Mul": binary(np.multiply),
    "MultiThreshold": multi_threshold,
    "Neg": each(np.negative),
    "Not": each(np.logical_not),
    "Pad": pad,
    "Quant": quant,
    "ReduceMean": reduce_mean,
    "Relu": lambda x: np.maximum(x, 0),
    "Reshape": reshape,
    "Resize": resize,
    "Round": each(np.rint),
    "Sign": each(np.sign),
    "Slice": cut,
    "Softmax": softmax,
    "Split": split,
    "Squeeze": lambda x, axes: np.squeeze(x, tuple(axes.astype(int))),
    "Sub": binary(np.subtract),
    "Sum": lambda *values: sum(values),
    "TopK": top_k,
    "Transpose": lambda x, perm: np.transpose(x, perm),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(axes.astype(int))),
    "Upsample": lambda x, scales, mode: resize(x, None, scales),
    "Where": np.where,
}
