"""Activation functions with curves and bends, exact behind any quantiser that they cross once for each level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Affine, BatchNorm, Clip, Curve, FloatArray, LeakyRelu, Node, Relu
from bcsim.compiler.importer.node_context import Lowered, NodeContext
from bcsim.compiler.importer.registry import MICROSOFT, ONNX, operator
from bcsim.compiler.importer.values import Activation

__all__ = ["bent", "gated"]

Fields: TypeAlias = tuple[str, str, tuple[str, ...], str]
Step: TypeAlias = Callable[[Fields], Node]

ONE, ZERO = np.ones(()), np.zeros(())
_RISING = ("Asinh", "Atan", "Erf", "Exp", "Sigmoid", "Sinh", "Softplus", "Softsign", "Tanh")
_PLAIN = (*_RISING, "HardSwish", "Mish")
# What torch writes for x * Sigmoid(x) and x * HardSigmoid(x) in operator sets that lack the product.
_SOFTPLUS = "Softplus"
"""Itself no gate, but its Tanh is that of Mish."""
_GATED = {"Sigmoid": "Swish", "HardSigmoid": "HardSwish", _SOFTPLUS: _SOFTPLUS}


@operator("LeakyRelu")
def leaky_relu(context: NodeContext) -> Lowered:
    alpha = context.attribute("alpha", 0.01)
    if alpha < 0:
        raise BcsimError(f"its alpha is {alpha:g}, so that it falls and rises; accepted are slopes from 0 up")
    return bent(context, context.activation(), np.asarray(alpha, dtype=np.float64))


@operator("PRelu")
def prelu(context: NodeContext) -> Lowered:
    x, slope = context.channels(1, "slope", context.activation())
    if (slope < 0).any():
        raise BcsimError(
            f"its least slope is {slope.min():g}, so that it falls and rises; accepted are slopes from 0 up"
        )
    return bent(context, x, slope)


def bent(context: NodeContext, x: Activation, slope: FloatArray) -> Lowered:
    """x where x >= 0, else slope * x."""
    fields = (context.name, context.op, (x.name,), context.output)
    node = LeakyRelu(*fields, slope, context.precision) if slope.any() else Relu(*fields)
    return Lowered(x.at(context.output), (node,))


@operator(*_PLAIN)
def plain(context: NodeContext) -> Lowered:
    x = context.activation()
    lowered = _chained(context, x, lambda fields: Curve(*fields, context.op))
    if context.op == "Tanh" and x.gate and x.gate[0] == _SOFTPLUS:
        return _gate(lowered, "Mish", x.gate[1])
    return _gate(lowered, _GATED.get(context.op, ""), x.name)


@operator("Elu")
def elu(context: NodeContext) -> Lowered:
    return _elu(context, _positive(context, "alpha", 1.0), 1.0)


@operator("Selu")
def selu(context: NodeContext) -> Lowered:
    alpha = _positive(context, "alpha", float(np.float32(1.67326319217681884765625)))
    return _elu(context, alpha, _positive(context, "gamma", float(np.float32(1.05070102214813232421875))))


def _elu(context: NodeContext, alpha: float, gamma: float) -> Lowered:
    """gamma * x, below 0 gamma * alpha * (exp(x) - 1): a curve of slope 1 at 0, a bend and a line."""
    steps: list[Step] = [lambda fields: Curve(*fields, "Elu")]
    if alpha != 1:
        steps.append(lambda fields: LeakyRelu(*fields, np.asarray(alpha)))
    if gamma != 1:
        steps.append(lambda fields: Affine(*fields, np.asarray(gamma), ZERO))
    return _chained(context, context.activation(), *steps)


@operator("Celu")
def celu(context: NodeContext) -> Lowered:
    """alpha * elu(x / alpha)"""
    alpha = _positive(context, "alpha", 1.0)
    return _scaled(context, "Elu", inner=1 / alpha, outer=alpha, divisor=alpha)


@operator("Gelu", domains=(*ONNX, *MICROSOFT))
def gelu(context: NodeContext) -> Lowered:
    kind = context.attribute("approximate", "none")
    if kind not in ("none", "tanh"):
        raise BcsimError(f"its approximate is {kind!r}; accepted are 'none' and 'tanh'")
    name = "Gelu" if kind == "none" else "TanhGelu"
    return _chained(context, context.activation(), lambda fields: Curve(*fields, name))


@operator("FastGelu", domains=MICROSOFT)
def fast_gelu(context: NodeContext) -> Lowered:
    if context.operand(1) is not None:
        raise BcsimError("it adds a bias; accepted is an Add before it")
    return _chained(context, context.activation(), lambda fields: Curve(*fields, "TanhGelu"))


@operator("Swish")
def swish(context: NodeContext) -> Lowered:
    """x * sigmoid(alpha * x)"""
    alpha = _positive(context, "alpha", 1.0)
    return _scaled(context, "Swish", inner=alpha, outer=1 / alpha)


@operator("QuickGelu", domains=MICROSOFT)
def quick_gelu(context: NodeContext) -> Lowered:
    alpha = _positive(context, "alpha", float(np.float32(1.702)))
    return _scaled(context, "Swish", inner=alpha, outer=1 / alpha)


def _scaled(context: NodeContext, curve: str, inner: float, outer: float, divisor: float = 0.0) -> Lowered:
    """outer * curve(inner * x); x / divisor in place of inner * x, exactly, where a divisor is given."""
    x = context.activation()
    if inner == outer == 1:
        return _chained(context, x, lambda fields: Curve(*fields, curve))
    spread = np.asarray(divisor) ** 2
    steps: list[Step] = [
        (lambda fields: BatchNorm(*fields, ONE, ZERO, ZERO, spread, 0.0))
        if divisor
        else (lambda fields: Affine(*fields, np.asarray(inner), ZERO)),
        lambda fields: Curve(*fields, curve, "exact"),
        lambda fields: Affine(*fields, np.asarray(outer), ZERO),
    ]
    if not divisor:
        steps.append(lambda fields: Curve(*fields, "Identity"))
    return _chained(context, x, *steps)


@operator("HardSigmoid")
def hard_sigmoid(context: NodeContext) -> Lowered:
    """max(0, min(1, alpha * x + beta))"""
    alpha = context.attribute("alpha", float(np.float32(0.2)))
    beta = context.attribute("beta", 0.5)
    if not np.isfinite([alpha, beta]).all():
        raise BcsimError(f"its alpha {alpha:g} and beta {beta:g} must be finite")
    x = context.activation()
    lowered = _chained(
        context,
        x,
        lambda fields: Affine(*fields, np.asarray(alpha), np.asarray(beta)),
        lambda fields: Clip(*fields, 0.0, 1.0),
    )
    sixth = abs(alpha * 6 - 1) < 1e-6 and beta == 0.5
    return _gate(lowered, _GATED["HardSigmoid"] if sixth else "", x.name)


def gated(context: NodeContext) -> Lowered | None:
    """x * gate(x), which is one curve; None for any other product of two tensors."""
    for index in range(2):
        x, gate = context.activation(1 - index), context.activation(index)
        if gate.gate and gate.gate[0] != _SOFTPLUS and gate.gate[1] == x.name and gate.layout == x.layout:
            return _chained(context, x, partial(_curve, function=gate.gate[0]))
    return None


def _curve(fields: Fields, function: str) -> Node:
    return Curve(*fields, function)


def _gate(lowered: Lowered, product: str, tensor: str) -> Lowered:
    """The result of a function of a tensor, by which that may be multiplied to give the curve `product`."""
    assert isinstance(lowered.value, Activation)
    return replace(lowered, value=replace(lowered.value, gate=(product, tensor) if product else None))


def _chained(context: NodeContext, x: Activation, *steps: Step) -> Lowered:
    """Nodes one behind the other, from x to the node's output."""
    names = [f"{context.output}/{index}" for index in range(1, len(steps))]
    sources, targets = [x.name, *names], [*names, context.output]
    nodes = (
        _in_precision(context, step((context.name, context.op, (source,), target)))
        for step, source, target in zip(steps, sources, targets, strict=True)
    )
    return Lowered(x.at(context.output), tuple(nodes))


def _in_precision(context: NodeContext, node: Node) -> Node:
    wanted = isinstance(node, LeakyRelu) or (isinstance(node, Curve) and node.kind != "exact")
    return replace(node, kind=context.precision) if wanted else node  # type: ignore[call-arg]


def _positive(context: NodeContext, name: str, default: float) -> float:
    value = context.attribute(name, default)
    if not (np.isfinite(value) and value > 0):
        raise BcsimError(f"its {name} is {value:g}; accepted are values above 0")
    return float(value)
