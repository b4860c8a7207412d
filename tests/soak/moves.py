"""What moves, pools or joins quantised tensors, and what ends a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tests.soak.builder import CHANNELS_LAST, FINN, MICROSOFT, Builder, Tensor

__all__ = ["ending", "join", "move"]


def move(b: Builder, x: Tensor) -> Tensor:
    """A pooling, a reshape, a transpose and back, a part of the channels, or nothing."""
    kind = b.whole(0, 9)
    if kind == 9:
        return _in_integers(b, x)
    if kind == 0:
        if b.rarely(3):
            return replace(x, name=b.node("Cast", [x.name], to=1))
        return replace(x, name=b.node(b.one_of("Identity", "Dropout"), [x.name]))
    if kind == 1:
        axes = b.constant([len(x.shape) + 1], np.int64)
        return replace(x, name=b.node("Squeeze", [b.node("Unsqueeze", [x.name, axes]), axes]))
    if len(x.shape) == 1:
        return _part(b, x) if kind > 4 else x
    if kind == 2:
        return _there_and_back(b, x)
    if kind == 3:
        flat = b.node("Flatten", [x.name], axis=1)
        shape = b.constant([0, *x.shape], np.int64)
        return replace(x, name=b.node("Reshape", [flat, shape]))
    if kind == 4:
        return _part(b, x)
    if kind == 8 and len(x.shape) == 3 and max(x.shape[1:]) <= 4:
        return _resized(b, x)
    return _max_pool(b, x) if kind < 7 else _average(b, x)


def _resized(b: Builder, x: Tensor) -> Tensor:
    """Every pixel repeated."""
    factors = b.one_of((1, 2), (2, 1), (2, 2))
    scales = b.constant([1, 1, *factors])
    given = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    sizes = (x.shape[1] * factors[0], x.shape[2] * factors[1])
    if b.rarely(2):
        made = b.node("Upsample", [x.name, scales], mode="nearest")
    else:
        made = b.node("Resize", [x.name, "", scales], **given)
    return replace(x, name=made, shape=(x.shape[0], *sizes))


def _in_integers(b: Builder, x: Tensor) -> Tensor:
    """QuantizeLinear, a function or pooling of integers, DequantizeLinear."""
    image = len(x.shape) == 3
    op = b.one_of("LeakyRelu", "Sigmoid", *(("AveragePool", "GlobalAveragePool") if image else ()))
    after = 1.0 if op == "Sigmoid" else x.span
    bits, grids = b.whole(3, 7), []
    for span in (x.span, after):
        scale = 2.0 ** (math.ceil(math.log2(span)) - bits + 1)
        grids.append([b.constant(scale), b.constant(b.one_of(0, 1, -2), np.int8)])
    given, shape = {}, x.shape
    if op == "LeakyRelu":
        given = {"alpha": b.one_of(0.125, 0.5)}
    if op == "AveragePool":
        given = {"kernel_shape": [b.one_of(*(k for k in (1, 2, 4) if k <= size)) for size in x.shape[1:]]}
        kernel = given["kernel_shape"]
        shape = (x.shape[0], *(size - k + 1 for size, k in zip(x.shape[1:], kernel, strict=True)))
    if op == "GlobalAveragePool":
        if (area := math.prod(x.shape[1:])) & (area - 1):
            return x
        shape = (x.shape[0], 1, 1)
    q = b.node("QuantizeLinear", [x.name, *grids[0]])
    made = b.node(f"QLinear{op}", [q, *grids[0], *grids[1]], MICROSOFT, **given)
    return Tensor(b.node("DequantizeLinear", [made, *grids[1]]), shape, after)


def _there_and_back(b: Builder, x: Tensor) -> Tensor:
    rank = len(x.shape) + 1
    last = b.node("Transpose", [x.name], perm=[0, *range(2, rank), 1])
    return replace(x, name=b.node("Transpose", [last], perm=[0, rank - 1, *range(1, rank - 1)]))


def _part(b: Builder, x: Tensor) -> Tensor:
    """A Slice of the channels, or one part of a Split."""
    channels = x.shape[0]
    if channels < 2:
        return x
    first = b.whole(1, channels - 1)
    if b.rarely(2):
        sizes = b.constant([first, channels - first], np.int64)
        name = b.node("Split", [x.name, sizes], outputs=2, axis=1)
        return replace(x, name=f"{name}_1", shape=(channels - first, *x.shape[1:]))
    given = [b.constant([value], np.int64) for value in (0, first, 1)]
    return replace(x, name=b.node("Slice", [x.name, *given]), shape=(first, *x.shape[1:]))


def _max_pool(b: Builder, x: Tensor) -> Tensor:
    if b.rarely(4):
        return replace(
            x, name=b.node("GlobalMaxPool", [x.name]), shape=(x.shape[0], *[1] * (len(x.shape) - 1))
        )
    axes = len(x.shape) - 1
    kernel = [b.whole(1, min(3, size)) for size in x.shape[1:]]
    strides = [b.whole(1, 3) for _ in kernel]
    pads = [b.whole(0, k - 1) if b.rarely(3) else 0 for k in kernel * 2]
    sizes = tuple(
        (size + pads[i] + pads[axes + i] - kernel[i]) // strides[i] + 1 for i, size in enumerate(x.shape[1:])
    )
    if b.rarely(8):
        last = b.node("Transpose", [x.name], perm=[0, *range(2, axes + 2), 1])
        given = {"kernel_shape": kernel, "strides": strides, "pads": pads}
        if axes == 2 and b.rarely(2):
            pooled = b.node("MaxPoolNHWC", [last], b.one_of(*FINN), **given)
        else:
            pooled = b.node("MaxPool", [last], CHANNELS_LAST, **given)
        back = b.node("Transpose", [pooled], perm=[0, axes + 1, *range(1, axes + 1)])
        return replace(x, name=back, shape=(x.shape[0], *sizes))
    made = b.node("MaxPool", [x.name], kernel_shape=kernel, strides=strides, pads=pads)
    return replace(x, name=made, shape=(x.shape[0], *sizes))


def _average(b: Builder, x: Tensor) -> Tensor:
    """A mean over a power of two of values, which float64 holds exactly."""
    channels, sizes = x.shape[0], x.shape[1:]
    area = math.prod(sizes)
    if area & (area - 1) == 0 and b.rarely(2):
        if b.rarely(2):
            return replace(x, name=b.node("GlobalAveragePool", [x.name]), shape=(channels, *[1] * len(sizes)))
        if len(sizes) == 2:
            axes = b.constant([2, 3], np.int64)
            return replace(x, name=b.node("ReduceMean", [x.name, axes], keepdims=0), shape=(channels,))
    kernel = [b.one_of(*(k for k in (1, 2, 4) if k <= size)) for size in sizes]
    strides = [b.whole(1, 2) for _ in kernel]
    made = b.node("AveragePool", [x.name], kernel_shape=kernel, strides=strides)
    shape = tuple((size - k) // s + 1 for size, k, s in zip(sizes, kernel, strides, strict=True))
    return replace(x, name=made, shape=(channels, *shape))


def join(b: Builder, branches: Sequence[Tensor]) -> Tensor:
    """The sum of branches of one shape, or a concatenation of those of one size; else the last."""
    first, last = branches[0], branches[-1]
    if len(branches) < 2 or first.name == last.name:
        return last
    names, span = [first.name, last.name], first.span + last.span
    if first.shape == last.shape and b.rarely(6):
        return _integer_sum(b, first, last)
    if first.shape == last.shape and b.rarely(2):
        return Tensor(b.node(b.one_of("Add", "Sum"), names), first.shape, span)
    if first.shape[1:] == last.shape[1:] and b.rarely(6):
        return _integer_concat(b, first, last)
    if first.shape[1:] == last.shape[1:]:
        shape = (first.shape[0] + last.shape[0], *first.shape[1:])
        return Tensor(b.node("Concat", names, axis=1), shape, span)
    return last


def _integer_sum(b: Builder, first: Tensor, last: Tensor) -> Tensor:
    """QuantizeLinear of both, QLinearAdd, DequantizeLinear."""
    given = []
    for x, bits in ((first, 7), (last, 7), (replace(first, span=first.span + last.span), b.whole(4, 8))):
        scale = 2.0 ** (math.ceil(math.log2(x.span)) - bits + 1)
        given.append([b.constant(scale), b.constant(b.one_of(0, 1, -2), np.int8)])
    a, c = (b.node("QuantizeLinear", [x.name, *grid]) for x, grid in zip((first, last), given, strict=False))
    made = b.node("QLinearAdd", [a, *given[0], c, *given[1], *given[2]], MICROSOFT)
    return Tensor(b.node("DequantizeLinear", [made, *given[2]]), first.shape, first.span + last.span)


def _integer_concat(b: Builder, first: Tensor, last: Tensor) -> Tensor:
    """QuantizeLinear of both, QLinearConcat, DequantizeLinear."""
    span, given = max(first.span, last.span), []
    for x in (first, last, replace(first, span=span)):
        scale = 2.0 ** (math.ceil(math.log2(x.span)) - b.whole(4, 7) + 1)
        given.append([b.constant(scale), b.constant(b.one_of(0, 1, -2), np.int8)])
    a, c = (b.node("QuantizeLinear", [x.name, *grid]) for x, grid in zip((first, last), given, strict=False))
    made = b.node("QLinearConcat", [*given[2], a, *given[0], c, *given[1]], MICROSOFT, axis=1)
    shape = (first.shape[0] + last.shape[0], *first.shape[1:])
    return Tensor(b.node("DequantizeLinear", [made, *given[2]]), shape, span)


def ending(b: Builder, x: Tensor) -> Tensor:
    """Nothing, or what the hardware leaves out."""
    kind = b.whole(0, 8)
    if kind < 4 or len(x.shape) > 1:
        return x
    if kind == 4:
        return replace(x, name=b.node(b.one_of("Softmax", "LogSoftmax"), [x.name], axis=1))
    if kind == 5:
        b.classes = True
        return replace(x, name=b.node("ArgMax", [x.name], axis=1, keepdims=0))
    if kind == 6:
        b.classes = True
        name = b.node("TopK", [x.name, b.constant([1], np.int64)], outputs=2, axis=1)
        return replace(x, name=f"{name}_1")
    if kind == 8:
        return _integer_softmax(b, x)
    return replace(x, name=b.node(b.one_of("Sigmoid", "Tanh"), [x.name]))


def _integer_softmax(b: Builder, x: Tensor) -> Tensor:
    """QuantizeLinear, QLinearSoftmax, DequantizeLinear."""
    scale = 2.0 ** (math.ceil(math.log2(x.span)) - b.whole(4, 7))
    grid = [b.constant(scale), b.constant(b.one_of(0, 1, -2), np.int8)]
    fine = [b.constant(1 / 256), b.constant(-128, np.int8)]
    q = b.node("QuantizeLinear", [x.name, *grid])
    made = b.node("QLinearSoftmax", [q, *grid, *fine], MICROSOFT, axis=1, opset=13)
    return replace(x, name=b.node("DequantizeLinear", [made, *fine]))
