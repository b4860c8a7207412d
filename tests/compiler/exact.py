"""An independent reference: the nodes of a float graph evaluated in exact rational arithmetic, one number at a time.

It shares no code with the compiler. Square roots are the only rounded results, at 120 decimal digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from math import ceil, floor

import numpy as np

from bcsim.compiler.graph.nodes import (
    Affine,
    BatchNorm,
    Bipolar,
    Clip,
    Dense,
    Graph,
    MultiThreshold,
    Node,
    Quant,
    Relu,
    Sign,
)

ROUND = {
    "ROUND": round,
    "CEIL": ceil,
    "FLOOR": floor,
    "ROUND_TO_ZERO": int,
    "HALF_UP": lambda x: (1 if x > 0 else -1) * floor(abs(x) + Fraction(1, 2)),
}


def _of(values: object, channel: int) -> Fraction:
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    return Fraction(float(flat[channel if len(flat) > 1 else 0]))


def _sqrt(x: Fraction) -> Fraction:
    with localcontext() as context:
        context.prec = 120
        return Fraction((Decimal(x.numerator) / Decimal(x.denominator)).sqrt())


def exact_node(node: Node, x: Fraction, channel: int) -> Fraction:
    """The output of an elementwise node at x."""
    if isinstance(node, Affine):
        return _of(node.scale, channel) * x + _of(node.shift, channel)
    if isinstance(node, BatchNorm):
        root = _sqrt(_of(node.variance, channel) + Fraction(node.epsilon))
        return _of(node.gamma, channel) * (x - _of(node.mean, channel)) / root + _of(node.beta, channel)
    if isinstance(node, Relu):
        return max(x, Fraction(0))
    if isinstance(node, Clip):
        x = x if node.low == -np.inf else max(x, Fraction(node.low))
        return x if node.high == np.inf else min(x, Fraction(node.high))
    if isinstance(node, Sign):
        return Fraction((x > 0) - (x < 0))
    if isinstance(node, Bipolar):
        return Fraction(node.scale) * (1 if x >= 0 else -1)
    if isinstance(node, Quant):
        steps = min(max(x / Fraction(node.scale) + Fraction(node.zero_point), node.low), node.high)
        return (ROUND[node.rounding](Fraction(steps)) - Fraction(node.zero_point)) * Fraction(node.scale)
    assert isinstance(node, MultiThreshold)
    row = node.thresholds[channel if len(node.thresholds) > 1 else 0]
    passed = sum(x >= Fraction(float(bound)) for bound in row)
    return Fraction(node.out_scale) * passed + Fraction(node.out_bias)


def exact_outputs(nodes: Sequence[Node], x: Sequence[Fraction]) -> list[Fraction]:
    """The output of a chain of dense and elementwise nodes for one input vector."""
    for node in nodes:
        if isinstance(node, Dense):
            x = [
                _of(node.scale, o) * sum((int(w) * v for w, v in zip(row, x, strict=True)), Fraction(0))
                for o, row in enumerate(node.weights)
            ]
        else:
            x = [exact_node(node, value, channel) for channel, value in enumerate(x)]
    return list(x)


def chain_graph(nodes: Sequence[Node], inputs: int, notes: tuple[str, ...] = ()) -> Graph:
    """A graph of nodes given in order; their tensors are renamed x, t0, t1, ..."""
    linked = []
    for index, node in enumerate(nodes):
        values = {name: getattr(node, name) for name in type(node).__dataclass_fields__}
        values |= {"inputs": (f"t{index - 1}" if index else "x",), "output": f"t{index}"}
        linked.append(type(node)(**values))
    return Graph("chain", "x", (inputs,), tuple(linked), f"t{len(nodes) - 1}" if nodes else "x", notes=notes)


def dense(weights: object, scale: object = 1.0) -> Dense:
    """A linear layer from a list of rows, with one scale for all outputs or one each."""
    array = np.array(weights, dtype=np.int16)
    return Dense("dense", "MatMul", (), "", array, np.broadcast_to(np.float64(scale), len(array)).copy())


def relu() -> Relu:
    return Relu("relu", "Relu", (), "")


def affine(scale: object, shift: object = 0.0) -> Affine:
    return Affine(
        "affine", "Mul", (), "", np.asarray(scale, dtype=np.float64), np.asarray(shift, dtype=np.float64)
    )


def batch_norm(
    gamma: object, beta: object, mean: object, variance: object, epsilon: float = 2.0**-10
) -> BatchNorm:
    arrays = (np.asarray(values, dtype=np.float64) for values in (gamma, beta, mean, variance))
    return BatchNorm("norm", "BatchNormalization", (), "", *arrays, epsilon)


def clip(low: float, high: float) -> Clip:
    return Clip("clip", "Clip", (), "", low, high)


def sign() -> Sign:
    return Sign("sign", "Sign", (), "")


def bipolar(scale: float = 1.0) -> Bipolar:
    return Bipolar("bipolar", "BipolarQuant", (), "", scale)


def quant(scale: float, low: int, high: int, rounding: str = "ROUND", zero_point: float = 0.0) -> Quant:
    return Quant("quant", "Quant", (), "", scale, zero_point, low, high, rounding)  # type: ignore[arg-type]


def multi_threshold(thresholds: object, out_scale: float = 1.0, out_bias: float = 0.0) -> MultiThreshold:
    rows = np.asarray(thresholds, dtype=np.float64)
    return MultiThreshold("steps", "MultiThreshold", (), "", rows, out_scale, out_bias)
