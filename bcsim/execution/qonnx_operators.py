"""Operators added to onnx's reference evaluator, from their published definitions, in the tensors' precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, ValueInfoProto, helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

__all__ = ["OPERATORS", "QONNX_NAMES"]

Array: TypeAlias = NDArray[Any]

DOMAINS = ("", "onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general")

# Later ones differ in nothing that the operators with channels last have.
INNER_OPSET = 15

ROUNDING: Mapping[str, Callable[[Array], Array]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "FLOOR": np.floor,
    "ROUND_TO_ZERO": np.trunc,
    "DOWN": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}


def integer_range(bits: Array, signed: int, narrow: int) -> tuple[Array, Array]:
    """Least and greatest integer of a quantiser; narrow gives up the end that has no opposite."""
    if signed:
        half = 2.0 ** (bits - 1)
        return -half + narrow, half - 1
    return np.zeros_like(bits), 2.0**bits - 1 - narrow


def rounded_within(x: Array, bits: Array, signed: int, narrow: int, mode: str) -> Array:
    """x clipped to the integers of a quantiser, then rounded."""
    return ROUNDING[mode.upper()](np.clip(x, *integer_range(bits, signed, narrow)))


class BipolarQuant(OpRun):
    """y = scale where x >= 0, else -scale."""

    op_domain = "onnx.brevitas"

    def _run(self, x: Array, scale: Array) -> tuple[Array]:
        return (np.where(x >= 0, scale, -scale).astype(x.dtype),)


class Quant(OpRun):
    """y = (round(clamp(x / scale + zero_point)) - zero_point) * scale; a signed single bit is bipolar."""

    op_domain = "onnx.brevitas"

    def _run(
        self,
        x: Array,
        scale: Array,
        zero_point: Array,
        bits: Array,
        signed: int = 1,
        narrow: int = 0,
        rounding_mode: str = "ROUND",
    ) -> tuple[Array]:
        if signed and np.all(bits == 1):
            return (np.where(x >= 0, scale, -scale).astype(x.dtype),)
        level = rounded_within(x / scale + zero_point, bits, signed, narrow, rounding_mode)
        return (((level - zero_point) * scale).astype(x.dtype),)


class IntQuant(Quant):
    """Quant under its later name."""

    op_domain = "onnx.brevitas"


class MultiThreshold(OpRun):
    """y = out_scale * (how many thresholds of its channel are <= x) + out_bias, channels on axis 1 or last."""

    op_domain = "onnx.brevitas"

    def _run(
        self,
        x: Array,
        thresholds: Array,
        out_scale: float = 1.0,
        out_bias: float = 0.0,
        out_dtype: str = "",
        data_layout: str = "NCHW",
    ) -> tuple[Array]:
        shape = [1] * x.ndim
        shape[-1 if data_layout.endswith("C") else 1] = len(thresholds)
        count = sum((x >= column.reshape(shape)).astype(x.dtype) for column in thresholds.T)
        return ((out_scale * count + out_bias).astype(x.dtype),)


class Trunc(OpRun):
    """Version 1: y = (floor(round(x / scale + zero_point) / 2**dropped) - zero_point) * scale. Version 2 has an output
    scale, and clips before it rounds."""

    op_domain = "onnx.brevitas"

    def _run(
        self,
        x: Array,
        scale: Array,
        zero_point: Array,
        bits: Array,
        *rest: Array,
        signed: int = 1,
        narrow: int = 0,
        rounding_mode: str = "FLOOR",
    ) -> tuple[Array]:
        whole = np.rint(x / scale + zero_point)
        if len(rest) == 1:
            level = ROUNDING[rounding_mode.upper()](whole / 2.0 ** (bits - rest[0]))
            return (((level - zero_point) * scale).astype(x.dtype),)
        step = 2.0 ** np.rint(np.log2(rest[0] / scale))
        level = rounded_within(whole / step, rest[-1], signed, narrow, rounding_mode)
        return (((level - zero_point / step) * rest[0]).astype(x.dtype),)


class QuantAvgPool2d(OpRun):
    """Sums of windows, shifted right by the bits that the greatest sum has more than the result."""

    op_domain = "qonnx.custom_op.general"

    def _run(
        self,
        x: Array,
        kernel: int = 1,
        stride: int = 1,
        ibits: int = 1,
        obits: int = 1,
        signed: int = 0,
        data_layout: str = "NCHW",
    ) -> tuple[Array]:
        images = np.moveaxis(x, -1, 1) if data_layout == "NHWC" else x
        windows = np.lib.stride_tricks.sliding_window_view(images, (kernel, kernel), axis=(2, 3))
        sums = np.rint(windows[:, :, ::stride, ::stride].sum(axis=(4, 5)))
        most = ((1 << ibits) - 1) * kernel * kernel
        shifted = np.floor(sums / 2.0 ** max(0, most.bit_length() - obits)).astype(x.dtype)
        return (np.moveaxis(shifted, 1, -1) if data_layout == "NHWC" else shifted,)


class BatchNormalization(OpRun):
    """Inference only: before opset 14 the evaluator's own takes a `momentum` for a wish to train on the batch."""

    op_domain = ""

    def _run(
        self,
        x: Array,
        gamma: Array,
        beta: Array,
        mean: Array,
        variance: Array,
        epsilon: float = 1e-5,
        momentum: float = 0.9,
        training_mode: int = 0,
        spatial: int = 1,
    ) -> tuple[Array]:
        shape = (1, -1, *[1] * (x.ndim - 2))
        gamma, beta, mean, variance = (value.reshape(shape) for value in (gamma, beta, mean, variance))
        return ((gamma * (x - mean) / np.sqrt(variance + epsilon) + beta).astype(x.dtype),)


class ChannelsLast(OpRun):
    """ONNX's operator of the same name on a tensor whose channels are its last axis."""

    op_domain = "qonnx.custom_op.channels_last"

    def _run(self, x: Array, *rest: Array, **_: Any) -> tuple[Array]:
        return self._inner(self.onnx_node.op_type, x, *rest)

    def _inner(self, op: str, x: Array, *rest: Array) -> tuple[Array]:
        inner = NodeProto()
        inner.CopyFrom(self.onnx_node)
        inner.domain, inner.op_type = "", op
        inputs = [ValueInfoProto(name=name) for name in inner.input]
        graph = helper.make_graph([inner], "inner", inputs, [ValueInfoProto(name=inner.output[0])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", INNER_OPSET)])
        feeds = dict(zip(inner.input, (np.moveaxis(x, -1, 1), *rest), strict=True))
        (y,) = ReferenceEvaluator(model).run(None, feeds)
        return (np.moveaxis(np.asarray(y), 1, -1),)


class MaxPoolNHWC(ChannelsLast):
    """MaxPool of images (rows, columns, channels)."""

    def _run(self, x: Array, *rest: Array, **_: Any) -> tuple[Array]:
        return self._inner("MaxPool", x)


class Im2Col(OpRun):
    """Rows (kernel row, kernel column, channel) of every window of images (rows, columns, channels)."""

    op_domain = "qonnx.custom_op.general"

    def _run(
        self,
        x: Array,
        stride: list[int],
        kernel_size: list[int],
        pad_amount: tuple[int, ...] = (0, 0, 0, 0),
        pad_value: int = 0,
        dilations: tuple[int, ...] = (1, 1),
        input_shape: str = "",
        depthwise: int = 0,
    ) -> tuple[Array]:
        top, left, bottom, right = pad_amount
        padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=pad_value)
        spans = tuple((size - 1) * step + 1 for size, step in zip(kernel_size, dilations, strict=True))
        windows = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=(1, 2))
        taken = windows[:, :: stride[0], :: stride[1], :, :: dilations[0], :: dilations[1]]
        return (taken.transpose(0, 1, 2, 4, 5, 3).reshape(*taken.shape[:3], -1),)


def _named(operator: type[OpRun], name: str) -> type[OpRun]:
    return type(name, (operator,), {"op_domain": operator.op_domain})


def _in_domain(operator: type[OpRun], domain: str) -> type[OpRun]:
    return type(operator.__name__, (operator,), {"op_domain": domain})


_QONNX = (BipolarQuant, Quant, IntQuant, MultiThreshold, Trunc)

QONNX_NAMES = frozenset(operator.__name__ for operator in _QONNX)
"""Operators that are QONNX's in every domain; old Brevitas gave them none."""

OPERATORS: tuple[type[OpRun], ...] = (
    BatchNormalization,
    *(_in_domain(operator, domain) for operator in _QONNX for domain in DOMAINS),
    *(
        _in_domain(operator, domain)
        for operator in (MaxPoolNHWC, Im2Col, QuantAvgPool2d)
        for domain in DOMAINS[2:]
    ),
    *(_named(ChannelsLast, name) for name in ("Conv", "MaxPool", "BatchNormalization")),
)
