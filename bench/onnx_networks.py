"""A small network for every operator and dialect that the importer takes: the rows of the table in docs/onnx.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper, parser

__all__ = ["ROWS", "Network", "Row"]

Array: TypeAlias = NDArray[Any]
DOMAINS = (
    *("com.microsoft", "onnx.brevitas", "qonnx.custom_op.general"),
    *("finn.custom_op.general", "qonnx.custom_op.channels_last"),
)
RNG = np.random.default_rng(2)


def _signs(*shape: int) -> Array:
    return RNG.choice(np.float32([-1, 1]), shape)


def _floats(*values: float) -> Array:
    return np.array(values, dtype=np.float32)


def _number(value: float) -> Array:
    return np.array(value, dtype=np.float32)


CONSTANTS: Mapping[str, Array] = {
    "w": _signs(12, 8),
    "wt": _signs(8, 12),
    "v": _signs(8, 3),
    "v3": _signs(3, 3),
    "k": _signs(4, 3, 3, 3),
    "k1": _signs(4, 4, 3, 3),
    "ks": _signs(4, 3, 3),
    "map": _signs(2, 4, 1, 1),
    "kd": _signs(4, 1, 3, 3),
    "token": _signs(6, 5),
    "u4": _signs(4, 3),
    "u36": _signs(36, 3),
    "u45": _signs(45, 3),
    "u56": _signs(56, 3),
    "u144": _signs(144, 3),
    "u64": _signs(64, 3),
    "u400": _signs(400, 3),
    "scales": _floats(1, 1, 2, 2),
    "bias8": RNG.integers(-9, 9, 8).astype(np.float32),
    "slopes": _floats(0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875),
    "gain": _floats(1, -1, 0.5, 0.25),
    "shift": _floats(0.3, -0.7, 1.1, 2.9),
    "mean": _floats(3, -2, 0, 7),
    "spread": _floats(0.25, 1, 4, 0.5),
    "thresholds": np.sort(RNG.integers(-400, 400, (8, 3)).astype(np.float32), axis=1),
    "zero": _number(0),
    "one": _number(1),
    "minus": _number(-1),
    "half": _number(0.5),
    "s": _number(64),
    "fine": _number(1 / 64),
    "bits": _number(4),
    "eight": _number(8),
    "nine": _number(9),
    "low": _number(-8),
    "high": _number(7),
    "u8": np.uint8(0),
    "i8": np.int8(0),
    "i8low": np.int8(-7),
    "i8high": np.int8(7),
    "kq": RNG.integers(-7, 8, (4, 3, 3, 3), dtype=np.int8),
    "mq": RNG.integers(-7, 8, (4, 3), dtype=np.int8),
    "mq8": RNG.integers(-7, 8, (8, 3), dtype=np.int8),
    "mqt": RNG.integers(-7, 8, (3, 4), dtype=np.int8),
    "mq36": RNG.integers(-3, 4, (36, 3), dtype=np.int8),
    "z": np.uint8(120),
    "step": _number(256),
    "pads": np.int64([0, 0, 1, 1, 0, 0, 1, 1]),
    "flat": np.int64([0, -1]),
    "axis1": np.int64([1]),
    "axes": np.int64([2, 3]),
    "two": np.int64([2]),
    "three": np.int64([3]),
    "four": np.int64([4]),
    "zero1": np.int64([0]),
    "minus1": np.int64([-1]),
    "top": np.int64([1]),
    "bias3": np.int32([40, -900, 7]),
    "parts": np.int64([4, 4]),
    "patches": _signs(27, 4),
    "thresholds4": np.sort(RNG.integers(-400, 400, (4, 3)).astype(np.float32), axis=1),
}


@dataclass(frozen=True, slots=True)
class Network:
    """A network in ONNX's text form: lines from x, of `shape` behind the batch axis, to y."""

    shape: tuple[int, ...]
    lines: str
    opset: int = 20

    def model(self) -> ModelProto:
        batch = ", ".join(["N", *map(str, self.shape)])
        graph = parser.parse_graph(f"net (float[{batch}] x) => (y) {{ {self.lines} }}")
        graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
        used = {name for node in graph.node for name in node.input}
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(array), name)
            for name, array in CONSTANTS.items()
            if name in used
        )
        opsets = [
            helper.make_opsetid("", self.opset),
            *(helper.make_opsetid(domain, 1) for domain in DOMAINS),
        ]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says of some operators, and networks that have them all.

    operators : names, those of a domain as "domain.Name".
    """

    operators: tuple[str, ...]
    accepted: str
    networks: tuple[Network, ...]


QUANT = 'onnx.brevitas.Quant <signed=1, narrow=0, rounding_mode="ROUND">'
UNSIGNED = 'onnx.brevitas.Quant <signed=0, narrow=0, rounding_mode="ROUND">'


def _dense(lines: str, last: str = "y = MatMul(q, v)") -> Network:
    """Lines from a, sums of 12 pixels, to q."""
    return Network((12,), f"a = MatMul(x, w) {lines} {last}")


def _image(lines: str, last: str) -> Network:
    """Lines from a, sums of 3x3 pixels of an image of 3x8x8, to q."""
    return Network((3, 8, 8), f"a = Conv(x, k) {lines} f = Flatten(q) {last}")


def _curve(operator: str, quant: str = QUANT) -> Network:
    return _dense(f"b = Mul(a, fine) c = {operator} q = {quant}(c, half, zero, bits)")


def _curves(names: Sequence[str], quant: str = QUANT) -> tuple[Network, ...]:
    return tuple(_curve(name if "(" in name else f"{name}(b)", quant) for name in names)


NAMED_QONNX = ("qonnx.custom_op.general", "finn.custom_op.general")
QONNX = ("onnx.brevitas", *NAMED_QONNX)
COMPARISONS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")

ROWS: tuple[Row, ...] = (
    Row(
        ("MatMul", "Gemm"),
        "weights as the second input, `transA = 0`; `transB`, `alpha`, `beta` and a bias of any kind; MatMul at every "
        "position of a tensor, its channels last",
        (
            Network((12,), "a = Gemm <transB=1>(x, wt, bias8) q = Sign(a) y = MatMul(q, v)"),
            Network((9, 6), "a = MatMul(x, token) q = Sign(a) f = Flatten(q) y = MatMul(f, u45)"),
        ),
    ),
    Row(
        ("Conv",),
        "on images and on sequences (one-dimensional); any kernel, stride and padding, `auto_pad` too; groups, "
        "depthwise included; dilation, as a kernel with zeros between its weights; a bias",
        (
            _image(
                "b0 = Sign(a) b = Conv <group=4, strides=[2, 2], pads=[1, 1, 1, 1]>(b0, kd) q = Sign(b)",
                "y = MatMul(f, u36)",
            ),
            Network((3, 16), "a = Conv(x, ks) q = Sign(a) f = Flatten(q) y = MatMul(f, u56)"),
            Network(
                (3, 8, 8), "a = Conv <dilations=[2, 2]>(x, k) q = Sign(a) f = Flatten(q) y = MatMul(f, u64)"
            ),
        ),
    ),
    Row(
        ("Pad",),
        "in rows and columns, before Conv with any constant, before AveragePool with zeros",
        (_image("b = Sign(a) p = Pad(b, pads, minus) c = Conv(p, k1) q = Sign(c)", "y = MatMul(f, u144)"),),
    ),
    Row(
        ("Resize", "Upsample"),
        "to the nearest pixel, by whole factors of rows and columns; the layers behind it are unrolled to dense ones, "
        "of up to 2^24 weights each",
        (
            _image("b = Sign(a) c = Resize(b, , scales) d = Conv(c, k1) q = Sign(d)", "y = MatMul(f, u400)"),
            Network(
                (3, 8, 8),
                "a = Conv(x, k) b = Sign(a) c = Upsample(b, scales) d = Conv(c, k1) q = Sign(d) f = Flatten(q) "
                "y = MatMul(f, u400)",
                opset=9,
            ),
        ),
    ),
    Row(
        ("MaxPool", "GlobalMaxPool"),
        "any kernel and stride, dilation 1; padding below the kernel, which takes no part in the maximum; `auto_pad` "
        "and `ceil_mode` too",
        (
            _image("b = Sign(a) q = MaxPool <kernel_shape=[2, 2], strides=[2, 2]>(b)", "y = MatMul(f, u36)"),
            _image("b = Sign(a) q = GlobalMaxPool(b)", "y = MatMul(f, u4)"),
        ),
    ),
    Row(
        ("AveragePool", "GlobalAveragePool", "ReduceMean"),
        "any kernel and stride; padding with `count_include_pad = 1`; ReduceMean over rows and columns",
        (
            _image(
                "b = Sign(a) c = AveragePool <kernel_shape=[2, 2], strides=[2, 2]>(b) q = Sign(c)",
                "y = MatMul(f, u36)",
            ),
            _image("b = Sign(a) q = GlobalAveragePool(b)", "y = MatMul(f, u4)"),
            _image("b = Sign(a) q = ReduceMean(b, axes)", "y = MatMul(f, u4)"),
        ),
    ),
    Row(
        ("Add", "Sub", "Mul", "Div", "Neg", "Sum"),
        "with a constant: one value, or one for each channel; division by a constant only",
        (
            _dense(
                "b = Add(a, bias8) c = Sub(one, b) d = Div(c, half) e = Neg(d) g = Sum(e, half) h = Mul(g, half) "
                "q = Sign(h)"
            ),
        ),
    ),
    Row(
        ("Add", "Sum", "Concat"),
        "of two tensors of one shape, a residual connection; along the channels",
        (
            _dense("b = Sign(a) c = Mul(b, half) d = Sum(b, c) q = Add(d, b)"),
            _image(
                "b = Sign(a) c = Conv <pads=[1, 1, 1, 1]>(b, k1) d = Sign(c) q = Concat <axis=1>(b, d) "
                "g = GlobalAveragePool(q)",
                "h = Flatten(g) y = MatMul(h, v)",
            ),
        ),
    ),
    Row(
        ("Split", "Slice"),
        "along the channels",
        (
            _dense("b = Sign(a) c, d = Split <axis=1>(b, parts) q = Concat <axis=1>(d, c)"),
            _dense("b = Sign(a) q = Slice(b, axis1, four, axis1)", "y = MatMul(q, v3)"),
        ),
    ),
    Row(
        ("BatchNormalization", "qonnx.custom_op.channels_last.BatchNormalization"),
        "for inference",
        (
            _image("b = BatchNormalization(a, gain, shift, mean, spread) q = Sign(b)", "y = MatMul(f, u144)"),
            Network(
                (8, 8, 3),
                "a = qonnx.custom_op.channels_last.Conv(x, k) "
                "b = qonnx.custom_op.channels_last.BatchNormalization(a, gain, shift, mean, spread) "
                "q = Sign(b) f = Flatten(q) y = MatMul(f, u144)",
            ),
        ),
    ),
    Row(
        ("qonnx.custom_op.channels_last.Conv", "qonnx.custom_op.channels_last.MaxPool"),
        "kernels as ONNX has them",
        (
            Network(
                (8, 8, 3),
                "a = qonnx.custom_op.channels_last.Conv(x, k) b = Sign(a) "
                "q = qonnx.custom_op.channels_last.MaxPool <kernel_shape=[2, 2], strides=[2, 2]>(b) "
                "f = Flatten(q) y = MatMul(f, u36)",
            ),
        ),
    ),
    Row(
        tuple(f"{domain}.{name}" for domain in NAMED_QONNX for name in ("Im2Col", "MaxPoolNHWC")),
        "as FINN writes a convolution: Im2Col, padding zeros, and a MatMul of its windows",
        tuple(
            Network(
                (8, 8, 3),
                f"p = {domain}.Im2Col <stride=[1, 1], kernel_size=[3, 3]>(x) a = MatMul(p, patches) "
                f'b = {domain}.MultiThreshold <out_dtype="UINT2", data_layout="NHWC">(a, thresholds4) '
                f"q = {domain}.MaxPoolNHWC <kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0]>(b) "
                "f = Flatten(q) y = MatMul(f, u36)",
            )
            for domain in NAMED_QONNX
        ),
    ),
    Row(
        ("Relu", "Clip", "Min", "Max", "Sign"),
        "Clip in both its forms, bounds as attributes or inputs",
        (_dense("b = Relu(a) c = Min(b, s) d = Max(c, one) e = Clip(d, half, s) g = Sub(e, s) q = Sign(g)"),),
    ),
    Row(
        (
            *(
                "LeakyRelu",
                "PRelu",
                "Elu",
                "Selu",
                "Celu",
                "Softplus",
                "Softsign",
                "Sigmoid",
                "HardSigmoid",
                "Tanh",
            ),
            *("Erf", "Exp", "Atan", "Sinh", "Asinh"),
        ),
        "functions that rise everywhere: exact before a quantiser; see [Activation functions](#activation-functions)",
        _curves(
            (
                *(
                    "LeakyRelu(b)",
                    "PRelu(b, slopes)",
                    "Elu",
                    "Selu",
                    "Celu",
                    "Softplus",
                    "Softsign",
                    "Sigmoid",
                ),
                *("HardSigmoid", "Tanh", "Erf", "Exp", "Atan", "Sinh", "Asinh"),
            )
        ),
    ),
    Row(
        ("ThresholdedRelu", "Shrink"),
        "where they rise: alpha from 0 up, bias up to lambd; torch's Hardshrink and Softshrink too",
        _curves(("ThresholdedRelu", "Shrink", "Shrink <bias=0.5>(b)")),
    ),
    Row(
        (
            *("HardSwish", "Swish", "Mish", "Gelu", "com.microsoft.Gelu", "com.microsoft.FastGelu"),
            "com.microsoft.QuickGelu",
        ),
        "functions that fall and then rise: exact before a quantiser whose levels lie where they rise",
        (
            *_curves(("HardSwish", "Mish", "Gelu"), UNSIGNED),
            *(
                _dense(
                    f"b = Mul(a, fine) c = com.microsoft.{name}(b) d = QuantizeLinear(c, half, u8) "
                    "q = DequantizeLinear(d, half, u8)"
                )
                for name in ("Gelu", "FastGelu", "QuickGelu")
            ),
            Network(
                (12,),
                f"a = MatMul(x, w) b = Mul(a, fine) c = Swish(b) q = {UNSIGNED}(c, half, zero, bits) "
                "y = MatMul(q, v)",
                opset=24,
            ),
            _dense(f"b = Mul(a, fine) d = Sigmoid(b) c = Mul(b, d) q = {UNSIGNED}(c, half, zero, bits)"),
        ),
    ),
    Row(
        ("Round", "Floor", "Ceil"),
        "between Div and Mul, as fake quantisation writes them",
        tuple(
            _dense(f"b = Div(a, s) c = {name}(b) d = Clip(c, low, high) q = Mul(d, s)")
            for name in ("Round", "Floor", "Ceil")
        ),
    ),
    Row(
        (*COMPARISONS, "Not", "Where"),
        "comparisons with a constant, and the choice by one between two constants, or two lines of the tensor that is "
        "compared (`x > 0 ? x : 0.1 * x`)",
        (
            *(_dense(f"b = {name}(a, zero) c = Not(b) q = Where(c, one, minus)") for name in COMPARISONS),
            _dense(
                "b = Mul(a, fine) d = Mul(b, half) e = Greater(b, one) "
                f"c = Where(e, b, d) q = {QUANT}(c, half, zero, bits)"
            ),
        ),
    ),
    Row(
        tuple(
            f"{domain}.{name}".lstrip(".")
            for domain in ("", *QONNX)
            for name in ("BipolarQuant", "Quant", "IntQuant", "MultiThreshold")
        ),
        "in these domains and in none; one scale per tensor for activations, 1 to 16 bits",
        tuple(
            network
            for prefix in ("", *(f"{domain}." for domain in QONNX))
            for network in (
                _dense(
                    f'b = {prefix}Quant <signed=1, narrow=0, rounding_mode="ROUND">(a, s, zero, bits) '
                    f"q = {prefix}BipolarQuant(b, one)"
                ),
                _dense(f'q = {prefix}IntQuant <signed=1, narrow=1, rounding_mode="FLOOR">(a, s, zero, bits)'),
                _dense(f'q = {prefix}MultiThreshold <out_dtype="UINT2">(a, thresholds)'),
            )
        ),
    ),
    Row(
        (
            *(f"{domain}.Trunc".lstrip(".") for domain in ("", *QONNX)),
            *(f"{domain}.QuantAvgPool2d" for domain in NAMED_QONNX),
        ),
        "as Brevitas and FINN write a mean of whole numbers: the low bits of a sum cut off; Trunc in versions 1 and 2",
        (
            *(
                _image(
                    f"b = {UNSIGNED}(a, s, zero, bits) c = AveragePool <kernel_shape=[3, 3]>(b) d = Mul(c, nine) "
                    f"q = {prefix}Trunc(d, s, zero, eight, bits)",
                    "y = MatMul(f, u64)",
                )
                for prefix in ("", *(f"{domain}." for domain in QONNX))
            ),
            *(
                _image(
                    f"b = {UNSIGNED}(a, s, zero, bits) c = Div(b, s) "
                    f"q = {domain}.QuantAvgPool2d <kernel=3, stride=1, ibits=4, obits=4, signed=0>(c)",
                    "y = MatMul(f, u64)",
                )
                for domain in NAMED_QONNX
            ),
        ),
    ),
    Row(
        ("QuantizeLinear", "DequantizeLinear"),
        "in pairs, one scale, 4 to 16 bits; between them Clip, MaxPool, Concat and changes of shape (QDQ, QCDQ)",
        (_dense("b = QuantizeLinear(a, s, i8) c = Clip(b, i8low, i8high) q = DequantizeLinear(c, s, i8)"),),
    ),
    Row(
        ("ConvInteger", "MatMulInteger"),
        "behind QuantizeLinear, with stored zero points (static quantisation)",
        (
            Network(
                (3, 8, 8),
                "a = QuantizeLinear(x, one, u8) b = ConvInteger <strides=[2, 2]>(a, kq, u8, i8low) c = Cast <to=1>(b) "
                "d = Relu(c) e = QuantizeLinear(d, step, z) f = Flatten(e) g = MatMulInteger(f, mq36, z) "
                "y = Cast <to=1>(g)",
            ),
        ),
    ),
    Row(
        (
            *("QLinearConv", "QLinearMatMul", "com.microsoft.QLinearConv"),
            *(
                f"com.microsoft.QLinear{name}"
                for name in ("Add", "AveragePool", "Concat", "GlobalAveragePool")
            ),
            *(f"com.microsoft.QLinear{name}" for name in ("LeakyRelu", "Sigmoid", "Softmax")),
            "com.microsoft.QGemm",
        ),
        "as onnxruntime writes them, channels first: the float operator between quantisers",
        (
            Network(
                (3, 8, 8),
                "a = QuantizeLinear(x, one, u8) b = QLinearConv(a, one, u8, kq, half, i8, step, z) "
                "c = com.microsoft.QLinearLeakyRelu <alpha=0.125>(b, step, z, step, z) "
                "d = com.microsoft.QLinearAdd(b, step, z, c, step, z, step, z) "
                "e = com.microsoft.QLinearGlobalAveragePool(d, step, z, step, z) f = Flatten(e) "
                "g = com.microsoft.QGemm <transB=1>(f, step, z, mqt, half, i8, bias3, step, z) "
                "y = DequantizeLinear(g, step, z)",
            ),
            Network(
                (3, 8, 8),
                "a = QuantizeLinear(x, one, u8) b = com.microsoft.QLinearConv(a, one, u8, kq, half, i8, step, z) "
                "c = com.microsoft.QLinearSigmoid(b, step, z, fine, u8) "
                "d = com.microsoft.QLinearConcat <axis=1>(step, z, b, step, z, b, step, z) "
                "e = com.microsoft.QLinearAveragePool <kernel_shape=[6, 6]>(d, step, z, step, z) f = Flatten(e) "
                "g = QLinearMatMul(f, step, z, mq8, half, i8, step, z) "
                "h = com.microsoft.QLinearSoftmax <axis=1, opset=13>(g, step, z, fine, u8) "
                "y = DequantizeLinear(h, fine, u8)",
            ),
        ),
    ),
    Row(
        (
            *(
                "Flatten",
                "Reshape",
                "Squeeze",
                "Unsqueeze",
                "Transpose",
                "Identity",
                "Dropout",
                "Cast",
                "Shape",
            ),
        ),
        "where the batch axis stays first; see [Layouts](#layouts); Cast to floats, int32 and int64",
        (
            _dense(
                "b = Unsqueeze(a, two) c = Transpose <perm=[0, 2, 1]>(b) d = Squeeze(c, axis1) e = Identity(d) "
                "i = Dropout(e) j = Shape(x) n = Slice(j, zero1, top, zero1) l = Concat <axis=0>(n, minus1) "
                "g = Reshape(i, l) h = Cast <to=1>(g) m = Flatten(h) q = Sign(m)"
            ),
        ),
    ),
    Row(
        ("Softmax", "LogSoftmax", "ArgMax", "TopK"),
        "at the end; the hardware leaves them out and compares scores",
        tuple(
            Network((12,), f"a = MatMul(x, w) q = Sign(a) b = MatMul(q, v) {end}")
            for end in (
                "y = Softmax(b)",
                "y = LogSoftmax(b)",
                "y = ArgMax <axis=1>(b)",
                "c, y = TopK(b, top)",
            )
        ),
    ),
    Row(
        (),
        "maps of scores, for each position of an image or sequence",
        (_image("q = Sign(a) ", "y = Conv(q, map)"),),
    ),
)
