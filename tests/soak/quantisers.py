"""Arithmetic behind linear operators, and the quantisers of every dialect."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from tests.soak.builder import BREVITAS, CHANNELS_LAST, MICROSOFT, Builder, Tensor

__all__ = ["arithmetic", "quantiser"]

EPSILON = 2.0**-10
GAINS = (-2.0, -1.0, -0.5, 0.25, 0.5, 1.0, 1.0, 2.0, 3.0)


def arithmetic(b: Builder, x: Tensor) -> Tensor:
    """One operation by a constant, for the tensor or for each channel, or a pooling before the quantiser."""
    step = 2.0 ** (math.floor(math.log2(x.span)) - 4)
    shifts = tuple(n * step for n in (-16, -5, -1, 0, 1, 3, 8))
    kind = b.whole(0, 8)
    if kind == 0:
        return _batch_norm(b, x, step)
    if kind == 1:
        return Tensor(b.node("Neg", [x.name]), x.shape, x.span)
    if kind == 2:
        return Tensor(b.node("Relu", [x.name]), x.shape, x.span)
    if kind == 3:
        low, high = sorted(int(n) for n in b.random.choice(np.arange(-32, 33), 2, replace=False))
        bounds = [b.constant(low * step), b.constant(high * step)]
        return Tensor(b.node("Clip", [x.name, *bounds]), x.shape, max(abs(low), abs(high)) * step)
    if kind in (4, 5):
        op, values = b.one_of(("Mul", GAINS), ("Div", (-1.0, 0.5, 2.0, 4.0)))
        return Tensor(b.node(op, [x.name, b.constant(b.per_channel(x, values))]), x.shape, x.span * 2)
    op = b.one_of("Add", "Sub", "Min", "Max", "Sum")
    constant = b.constant(
        b.per_channel(x, shifts) if op in ("Add", "Sub", "Sum") else b.random.choice(shifts)
    )
    given = [constant, x.name] if op in ("Add", "Sub") and b.rarely(3) else [x.name, constant]
    return Tensor(b.node(op, given), x.shape, x.span * 1.5)


def _batch_norm(b: Builder, x: Tensor, step: float) -> Tensor:
    """Every deviation is a power of two, variance and epsilon added."""
    channels = x.shape[0]
    gamma = b.random.choice(GAINS, channels)
    beta, mean = (b.random.integers(-16, 17, channels) * step for _ in range(2))
    variance = 4.0 ** b.random.integers(0, 3, channels) - EPSILON
    given = [b.constant(values) for values in (gamma, beta, mean, variance)]
    axes = len(x.shape)
    if axes > 1 and b.rarely(4):
        last = b.node("Transpose", [x.name], perm=[0, *range(2, axes + 1), 1])
        made = b.node("BatchNormalization", [last, *given], CHANNELS_LAST, epsilon=EPSILON)
        made = b.node("Transpose", [made], perm=[0, axes, *range(1, axes)])
    else:
        made = b.node("BatchNormalization", [x.name, *given], epsilon=EPSILON)
    return Tensor(made, x.shape, x.span * 2)


def quantiser(b: Builder, x: Tensor) -> Tensor:
    """A quantiser of any dialect; now and then none but a Relu, so that ranges are calibrated."""
    if b.rarely(40):
        b.quantised = False
        return Tensor(b.node("Relu", [x.name]), x.shape, x.span)
    return b.one_of(*QUANTISERS)(b, x)


def _scale(b: Builder, x: Tensor, bits: int) -> float:
    return float(2.0 ** (math.ceil(math.log2(x.span)) - bits + b.whole(0, 2)))


def _sign(b: Builder, x: Tensor) -> Tensor:
    return Tensor(b.node("Sign", [x.name]), x.shape, 1.0)


def _bipolar(b: Builder, x: Tensor) -> Tensor:
    scale = b.one_of(1.0, 0.5, 2.0)
    return Tensor(b.node("BipolarQuant", [x.name, b.constant(scale)], b.dialect()), x.shape, scale)


def _quant(b: Builder, x: Tensor) -> Tensor:
    bits, signed = b.one_of(1, 2, 2, 3, 4, 4, 6, 8), b.whole(0, 1)
    mode = b.one_of("ROUND", "ROUND", "FLOOR", "CEIL", "ROUND_TO_ZERO")
    narrow, zero = (0, 0.0) if bits == 1 else (b.whole(0, 1), b.one_of(0.0, 0.0, 0.0, 1.0, -2.0))
    scale = _scale(b, x, bits - signed)
    given = [b.constant(scale), b.constant(zero), b.constant(float(bits))]
    switches = {"signed": signed, "narrow": narrow, "rounding_mode": mode}
    made = b.node("Quant", [x.name, *given], b.dialect(), **switches)
    return Tensor(made, x.shape, scale * 2 ** (bits - signed))


def _multi_threshold(b: Builder, x: Tensor) -> Tensor:
    steps, rows = b.one_of(1, 3, 3, 7, 15), 1 if b.rarely(3) else x.shape[0]
    unit = 2.0 ** (math.floor(math.log2(x.span)) - 4)
    thresholds = np.sort(b.random.integers(-24, 25, (rows, steps)), axis=1) * unit
    scale, bias = b.one_of(1.0, 1.0, 2.0, 0.5), b.one_of(0.0, 0.0, -1.0, float(-steps))
    made = b.node(
        "MultiThreshold",
        [x.name, b.constant(thresholds)],
        b.dialect(),
        out_scale=scale,
        out_bias=bias,
        out_dtype="UINT4",
    )
    return Tensor(made, x.shape, scale * steps + abs(bias))


def _linear_quant(b: Builder, x: Tensor) -> Tensor:
    """QuantizeLinear and DequantizeLinear, at times with a Clip of the integers between, as QCDQ has it."""
    kind = b.one_of(np.uint8, np.int8)
    zero = b.one_of(0, 0, 3, 128) if kind is np.uint8 else b.one_of(0, 0, -2, 5)
    bits = b.whole(2, 8)
    scale = _scale(b, x, bits)
    grid = [b.constant(scale), b.constant(zero, kind)]
    q = b.node("QuantizeLinear", [x.name, *grid])
    if bits < 8:
        low = 0 if kind is np.uint8 else -(1 << (bits - 1))
        q = b.node("Clip", [q, b.constant(low, kind), b.constant(low + (1 << bits) - 1, kind)])
    return Tensor(b.node("DequantizeLinear", [q, *grid]), x.shape, scale * 256)


def _fake(b: Builder, x: Tensor) -> Tensor:
    """Div, Round, Clip, Mul, as fake quantisation writes it."""
    bits = b.whole(1, 4)
    scale, low = b.constant(_scale(b, x, bits)), b.one_of(0.0, float(-(1 << (bits - 1))))
    divided = b.node("Div", [x.name, scale])
    rounded = b.node(b.one_of("Round", "Floor", "Ceil"), [divided])
    bounds = [b.constant(low), b.constant(low + (1 << bits) - 1)]
    return Tensor(
        b.node("Mul", [b.node("Clip", [rounded, *bounds]), scale]), x.shape, b.arrays[scale] * 2**bits
    )


def _where(b: Builder, x: Tensor) -> Tensor:
    step = 2.0 ** (math.floor(math.log2(x.span)) - 4)
    bound = b.constant(b.per_channel(x, tuple(n * step for n in (-4, -1, 0, 0, 2))))
    compared = b.node(
        b.one_of("Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
        [bound, x.name] if b.rarely(3) else [x.name, bound],
    )
    if b.rarely(3):
        compared = b.node("Not", [compared])
    if b.rarely(4):
        return Tensor(b.node("Cast", [compared], to=1), x.shape, 1.0)
    given = [b.constant(b.one_of(1.0, 2.0)), b.constant(b.one_of(-1.0, 0.0))]
    return Tensor(b.node("Where", [compared, *given]), x.shape, 2.0)


CURVES: Mapping[str, tuple[int, Mapping[str, float]]] = {
    "LeakyRelu": (1, {"alpha": 0.125}),
    "PRelu": (1, {}),
    "Sigmoid": (0, {}),
    "Tanh": (1, {}),
    "Elu": (1, {"alpha": 0.5}),
    "Softplus": (0, {}),
    "Softsign": (1, {}),
    "HardSigmoid": (0, {"alpha": 0.125, "beta": 0.5}),
    "Atan": (1, {}),
    "Asinh": (1, {}),
    "Erf": (1, {}),
    "Selu": (1, {"alpha": 1.5, "gamma": 0.75}),
    "Celu": (1, {"alpha": 0.5}),
    "Exp": (0, {}),
    "Sinh": (1, {}),
}
"""Functions that rise, whether they give values below 0, and their attributes."""

VALLEYS: tuple[tuple[str, str, Mapping[str, float]], ...] = (
    ("HardSwish", "", {}),
    ("Mish", "", {}),
    ("Gelu", "", {}),
    ("Swish", "", {}),
    ("Swish", "", {"alpha": 0.5}),
    ("Gelu", MICROSOFT, {}),
    ("FastGelu", MICROSOFT, {}),
    ("QuickGelu", MICROSOFT, {"alpha": 1.5}),
    ("Sigmoid", "", {}),
)
"""Functions that fall and then rise: operator, domain, attributes. Sigmoid stands for its product with its input."""


def _curve(b: Builder, x: Tensor) -> Tensor:
    """A Mul to values near 1, a function with a curve, a Quant."""
    op = b.one_of(*CURVES)
    signed, given = CURVES[op]
    gain = b.constant(2.0 ** -math.ceil(math.log2(x.span / 4)))
    slopes = [b.constant(b.random.integers(0, 9, b.channel_shape(x)) / 8)] if op == "PRelu" else []
    made = b.node(op, [b.node("Mul", [x.name, gain]), *slopes], **given)
    bits, scale = b.whole(2, 5), b.one_of(1 / 16, 1 / 8, 1 / 4)
    switches = {"signed": signed, "narrow": 0, "rounding_mode": "ROUND"}
    inputs = [b.constant(scale), b.constant(0.0), b.constant(float(bits))]
    return Tensor(b.node("Quant", [made, *inputs], BREVITAS, **switches), x.shape, scale * 2**bits)


def _valley(b: Builder, x: Tensor) -> Tensor:
    """A Mul to values near 1, a function that falls and rises, a Quant without levels below 0."""
    op, domain, given = b.one_of(*VALLEYS)
    scaled = b.node("Mul", [x.name, b.constant(2.0 ** -math.ceil(math.log2(x.span / 8)))])
    made = b.node(op, [scaled], domain, **given)
    if op == "Sigmoid":
        made = b.node("Mul", [scaled, made])
    bits, scale = b.whole(2, 6), b.one_of(1 / 16, 1 / 8, 1 / 4)
    switches = {"signed": int(b.rarely(8)), "narrow": 0, "rounding_mode": "ROUND"}
    inputs = [b.constant(scale), b.constant(0.0), b.constant(float(bits))]
    quant = b.one_of("Quant", "IntQuant")
    return Tensor(b.node(quant, [made, *inputs], BREVITAS, **switches), x.shape, scale * 2**bits)


QUANTISERS: tuple[Callable[[Builder, Tensor], Tensor], ...] = (
    _sign,
    _bipolar,
    _quant,
    _quant,
    _multi_threshold,
    _linear_quant,
    _linear_quant,
    _fake,
    _where,
    _curve,
    _curve,
    _valley,
)
