"""Linear operators and the ways in which exporters store their weights."""

from __future__ import annotations

import math

import numpy as np

from tests.soak.builder import CHANNELS_LAST, FINN, MICROSOFT, Array, Builder, Tensor

__all__ = ["conv", "dense", "dense_at_positions", "qlinear", "windows_by_rows"]

SCALES = (1.0, 1.0, 0.5, 0.25, 2.0)


def _latent(b: Builder, signs: Array) -> Array:
    """Real weights with these signs, none of them zero."""
    return signs * b.random.integers(1, 64, signs.shape) / 64


def _signs(b: Builder, shape: tuple[int, ...]) -> Array:
    return b.random.choice([-1.0, 1.0], shape)


def weights(b: Builder, shape: tuple[int, ...], outputs: int) -> tuple[str, float]:
    """The name of a weight tensor whose axis `outputs` is the outputs', and about the magnitude of its values."""
    kind = b.whole(0, 10)
    signs = _signs(b, shape)
    if kind <= 2:
        return b.constant(signs), 1.0
    if kind == 3:
        scale = b.one_of(*SCALES)
        return b.constant(signs * scale), scale
    if kind == 4:
        return b.constant(b.random.choice([-1.0, 0.0, 1.0], shape)), 1.0
    if kind == 5:
        return b.node("Sign", [b.constant(_latent(b, signs))]), 1.0
    if kind == 6:
        scale = b.one_of(*SCALES)
        return b.node("BipolarQuant", [b.constant(_latent(b, signs)), b.constant(scale)], b.dialect()), scale
    if kind == 7:
        compared = b.node("GreaterOrEqual", [b.constant(_latent(b, signs)), b.constant(0.0)])
        return b.node("Where", [compared, b.constant(1.0), b.constant(-1.0)]), 1.0
    if kind == 8:
        bits, scale = b.whole(2, 4), b.one_of(*SCALES)
        values = b.random.integers(-64, 64, shape) / 32 * scale * 2 ** (bits - 2)
        switches = {"signed": 1, "narrow": b.whole(0, 1), "rounding_mode": "ROUND"}
        given = [b.constant(values), b.constant(scale), b.constant(0.0), b.constant(float(bits))]
        op = b.one_of("Quant", "IntQuant")
        return b.node(op, given, b.dialect(), **switches), scale * 2 ** (bits - 1)
    if kind == 10 and b.rarely(3):
        return _real(b, shape, outputs)
    integers = b.random.integers(-3, 4, shape)
    if b.rarely(2):
        step = b.random.choice(SCALES, shape[outputs])
        zero = b.constant(np.zeros(shape[outputs]), np.int8)
        return b.node(
            "DequantizeLinear", [b.constant(integers, np.int8), b.constant(step), zero], axis=outputs
        ), 3.0
    return b.node(
        "DequantizeLinear", [b.constant(integers, np.int8), b.constant(0.5), b.constant(0, np.int8)]
    ), 2.0


def _real(b: Builder, shape: tuple[int, ...], outputs: int) -> tuple[str, float]:
    """Weights of 8 bits without a quantiser; the greatest of each output is 127 steps of its own."""
    b.real = True
    whole = np.moveaxis(b.random.integers(-127, 128, shape), outputs, 0).reshape(shape[outputs], -1)
    whole[:, 0] = b.random.choice([-127, 127], len(whole))
    step = 2.0 ** -b.random.integers(5, 8, (len(whole), 1))
    rest = [size for axis, size in enumerate(shape) if axis != outputs]
    return b.constant(np.moveaxis((whole * step).reshape(-1, *rest), 0, outputs)), 2.0


def _spread(x: Tensor, taps: int, size: float) -> float:
    """About the magnitude of a sum of so many products."""
    return x.span * size * max(1.0, math.sqrt(taps))


def flat(b: Builder, x: Tensor) -> Tensor:
    if len(x.shape) == 1:
        return x
    count = math.prod(x.shape)
    if b.rarely(3):
        return Tensor(b.node("Reshape", [x.name, b.constant([0, -1], np.int64)]), (count,), x.span)
    return Tensor(b.node("Flatten", [x.name], axis=1), (count,), x.span)


def _bias(b: Builder, outputs: int, span: float) -> Array:
    step = 2.0 ** (math.floor(math.log2(span)) - 4)
    return b.random.integers(-16, 17, outputs) * step


def dense(b: Builder, x: Tensor, outputs: int = 0) -> Tensor:
    """MatMul or Gemm."""
    x = flat(b, x)
    outputs, inputs = outputs or b.whole(1, 8), x.shape[0]
    transposed = b.rarely(3)
    shape = (outputs, inputs) if transposed else (inputs, outputs)
    w, size = weights(b, shape, 0 if transposed else 1)
    span = _spread(x, inputs, size)
    if transposed and b.rarely(2):
        return Tensor(b.node("MatMul", [x.name, b.node("Transpose", [w], perm=[1, 0])]), (outputs,), span)
    if not transposed and b.rarely(2):
        return Tensor(b.node("MatMul", [x.name, w]), (outputs,), span)
    given = {"alpha": b.one_of(1.0, 1.0, 0.5, 2.0), "beta": b.one_of(1.0, 1.0, 0.5, -1.0)}
    third = [b.constant(_bias(b, outputs, span))] if b.rarely(2) else []
    made = b.node("Gemm", [x.name, w, *third], transB=int(transposed), **given)
    return Tensor(made, (outputs,), span * given["alpha"])


def conv(b: Builder, x: Tensor) -> Tensor:
    """Conv with any kernel, stride, padding, dilation and groups that fit."""
    axes, channels = len(x.shape) - 1, x.shape[0]
    kernel, strides, dilations, pads = [], [], [], []
    for size in x.shape[1:]:
        around = b.one_of(0, 0, 1, 2)
        length = b.whole(1, min(3, size + around))
        dilation = b.one_of(1, 1, 2) if 2 * (length - 1) + 1 <= size + around else 1
        kernel.append(length)
        strides.append(b.one_of(1, 1, 1, 2, 3))
        dilations.append(dilation)
        pads.append((around, b.whole(0, around)))
    groups = b.one_of(*(g for g in range(1, channels + 1) if channels % g == 0))
    outputs = groups * b.whole(1, 4 if groups < 3 else 2)
    w, size = weights(b, (outputs, channels // groups, *kernel), 0)
    span = _spread(x, channels // groups * math.prod(kernel), size)
    given = {"strides": strides, "dilations": dilations, "group": groups}
    given["pads"] = [before for before, _ in pads] + [0] * axes
    for place, (before, behind) in enumerate(pads):
        given["pads"][axes + place] = min(before, behind)
    third = [b.constant(_bias(b, outputs, span))] if b.rarely(3) else []
    sizes = [
        (length + given["pads"][i] + given["pads"][axes + i] - (kernel[i] - 1) * dilations[i] - 1)
        // strides[i]
        + 1
        for i, length in enumerate(x.shape[1:])
    ]
    if min(sizes) < 1:
        given |= {"pads": [2] * 2 * axes, "dilations": [1] * axes}
        sizes = [(s + 4 - k) // t + 1 for s, k, t in zip(x.shape[1:], kernel, strides, strict=True)]
    shape = (outputs, *sizes)
    if b.rarely(10):
        there, back = [0, *range(2, axes + 2), 1], [0, axes + 1, *range(1, axes + 1)]
        moved = b.node("Transpose", [x.name], perm=there)
        made = b.node("Conv", [moved, w, *third], CHANNELS_LAST, **given)
        return Tensor(b.node("Transpose", [made], perm=back), shape, span)
    if b.rarely(10):
        ends = [0, 0, *given["pads"][:axes], 0, 0, *given["pads"][axes:]]
        value = b.one_of(0.0, 0.0, 1.0, -(2.0 ** math.floor(math.log2(x.span))))
        padded = b.node("Pad", [x.name, b.constant(ends, np.int64), b.constant(value)])
        return Tensor(b.node("Conv", [padded, w, *third], **given | {"pads": [0] * 2 * axes}), shape, span)
    return Tensor(b.node("Conv", [x.name, w, *third], **given), shape, span)


def dense_at_positions(b: Builder, x: Tensor) -> Tensor:
    """A MatMul of more than two axes, its channels last, and at times a bias."""
    axes, outputs = len(x.shape), b.whole(1, 6)
    moved = b.node("Transpose", [x.name], perm=[0, *range(2, axes + 1), 1])
    w, size = weights(b, (x.shape[0], outputs), 1)
    span = _spread(x, x.shape[0], size)
    made = b.node("MatMul", [moved, w])
    if b.rarely(2):
        made = b.node("Add", [made, b.constant(_bias(b, outputs, span))])
    back = b.node("Transpose", [made], perm=[0, axes, *range(1, axes)])
    return Tensor(back, (outputs, *x.shape[1:]), span)


def windows_by_rows(b: Builder, x: Tensor) -> Tensor:
    """A convolution as FINN has it: Im2Col with channels last and a MatMul of its windows."""
    channels, outputs = x.shape[0], b.whole(1, 4)
    kernel = [b.whole(1, min(3, size)) for size in x.shape[1:]]
    strides, pads = [b.whole(1, 2) for _ in kernel], [b.whole(0, k - 1) for k in kernel * 2]
    moved = b.node("Transpose", [x.name], perm=[0, 2, 3, 1])
    given = {"kernel_size": kernel, "stride": strides, "pad_amount": pads}
    shape = f"(1,{x.shape[1]},{x.shape[2]},{channels})"
    rows = b.node("Im2Col", [moved], b.one_of(*FINN), input_shape=shape, **given)
    taps = math.prod(kernel) * channels
    w, size = weights(b, (taps, outputs), 1)
    made = b.node("Transpose", [b.node("MatMul", [rows, w])], perm=[0, 3, 1, 2])
    sizes = (
        (length + pads[i] + pads[2 + i] - kernel[i]) // strides[i] + 1 for i, length in enumerate(x.shape[1:])
    )
    return Tensor(made, (outputs, *sizes), _spread(x, taps, size))


def qlinear(b: Builder, x: Tensor) -> Tensor:
    """QuantizeLinear, QLinearMatMul, QGemm or QLinearConv, DequantizeLinear."""
    if len(x.shape) != 3:
        x = flat(b, x)
    step = 2.0 ** math.ceil(math.log2(x.span / 100))
    source = [b.constant(step), b.constant(b.one_of(0, 1, -3), np.int8)]
    outputs, image = b.whole(1, 6), len(x.shape) == 3
    kernel = (b.whole(1, x.shape[1]), b.whole(1, x.shape[2])) if image else ()
    shape = (outputs, x.shape[0], *kernel) if image else (x.shape[0], outputs)
    w = [b.constant(_signs(b, shape), np.int8), b.constant(b.one_of(*SCALES)), b.constant(0, np.int8)]
    span = _spread(x, math.prod(shape) // outputs, 1.0)
    target = [b.constant(2.0 ** math.ceil(math.log2(span / 64))), b.constant(b.one_of(0, 2, -5), np.int8)]
    q = b.node("QuantizeLinear", [x.name, *source])
    if not image and b.rarely(2):
        third = b.constant(b.random.integers(-99, 100, outputs), np.int32) if b.rarely(2) else ""
        made = b.node("QGemm", [q, *source, *w, third, *target], MICROSOFT, alpha=b.one_of(1.0, 0.5, 2.0))
    else:
        made = b.node("QLinearConv" if image else "QLinearMatMul", [q, *source, *w, *target])
    sizes = tuple(size - k + 1 for size, k in zip(x.shape[1:], kernel, strict=True)) if image else ()
    return Tensor(b.node("DequantizeLinear", [made, *target]), (outputs, *sizes), span)
