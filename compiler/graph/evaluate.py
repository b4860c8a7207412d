"""The float graph evaluated in float64: calibration's source of values, and a witness of the importer."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce, singledispatch

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.curves import evaluate_curve, round_floats
from bcsim.compiler.graph.image_windows import correlate, taps
from bcsim.compiler.graph.nodes import (
    Add,
    Affine,
    AveragePool,
    BatchNorm,
    Bipolar,
    Channels,
    Clip,
    Concat,
    Conv,
    Curve,
    Dense,
    Flatten,
    FloatArray,
    Graph,
    LeakyRelu,
    MaxPool,
    MultiThreshold,
    Node,
    PiecewiseLinear,
    Positions,
    Quant,
    Relu,
    Reshape,
    Round,
    Sign,
    Transpose,
    Upsample,
    Values,
)
from bcsim.compiler.graph.rounding import ROUNDINGS, bipolar, quantise

__all__ = ["evaluate_graph", "evaluate_node"]


def evaluate_graph(
    graph: Graph, x: FloatArray, keep: Iterable[str] | None = None, block: int | None = None
) -> dict[str, FloatArray]:
    """The value of every tensor of `graph`, by name, for a batch of images.

    x : float64 (n, *graph.input_shape); (n, features) is accepted too.
    keep : the tensors to return; the memory of others is freed behind their last use. None for all.
    block : how many images to evaluate at a time, which bounds the memory that is not returned; None for all.
    Each value is float64 with n as its first axis. A layer multiplies integers and scales afterwards, so its sums
    are exact for inputs on a grid. Raises BcsimError where x has another number of features.
    """
    x = np.asarray(x, dtype=np.float64)
    features = int(np.prod(graph.input_shape))
    if x.ndim < 2 or int(np.prod(x.shape[1:])) != features:
        raise BcsimError(
            f"Network {graph.name!r} takes images of shape {graph.input_shape}, not an array of {x.shape}"
        )
    x = x.reshape(len(x), *graph.input_shape)
    kept = frozenset(_tensors(graph) if keep is None else keep)
    starts = range(0, max(1, len(x)), block or max(1, len(x)))
    parts = [_evaluate_block(graph, x[start : start + starts.step], kept) for start in starts]
    return (
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts[1:] else parts[0]
    )


def _tensors(graph: Graph) -> list[str]:
    return [graph.input, *(node.output for node in graph.nodes)]


def _evaluate_block(graph: Graph, x: FloatArray, kept: frozenset[str]) -> dict[str, FloatArray]:
    last_use = {name: index for index, node in enumerate(graph.nodes) for name in node.inputs}
    values = {graph.input: x}
    for index, node in enumerate(graph.nodes):
        values[node.output] = evaluate_node(node, *(values[name] for name in node.inputs))
        for name in {*node.inputs, node.output} - kept:
            if last_use.get(name, index) == index:
                del values[name]
    return {name: value for name, value in values.items() if name in kept}


def _by_channel(array: FloatArray, x: FloatArray) -> FloatArray:
    """An array () or (C,) with axes for what follows the channels of x, (n, C, ...)."""
    return array.reshape(array.shape + (1,) * (x.ndim - 2)) if array.ndim else array


@singledispatch
def evaluate_node(node: Node, *inputs: FloatArray) -> FloatArray:
    """The output of `node`, float64 (n, ...), for its inputs, float64 (n, ...)."""
    raise TypeError(f"Node must be one of bcsim.compiler.graph.nodes, not {type(node).__name__}")


@evaluate_node.register
def _(node: Dense, x: FloatArray) -> FloatArray:
    return np.asarray((x @ node.weights.T.astype(np.float64)) * node.scale)


@evaluate_node.register
def _(node: Conv, x: FloatArray) -> FloatArray:
    sums = correlate(x, node.weights, node.stride, node.pads, node.groups, node.outside)
    sums *= _by_channel(node.scale, x)
    return sums


@evaluate_node.register
def _(node: MaxPool, x: FloatArray) -> FloatArray:
    return reduce(np.maximum, taps(x, node.kernel, node.stride, node.pads, -np.inf))


@evaluate_node.register
def _(node: AveragePool, x: FloatArray) -> FloatArray:
    total = reduce(np.add, taps(x, node.kernel, node.stride, node.pads))
    return np.asarray(total / (node.kernel[0] * node.kernel[1]))


@evaluate_node.register
def _(node: Add, a: FloatArray, b: FloatArray) -> FloatArray:
    return a + b


@evaluate_node.register
def _(node: Concat, *parts: FloatArray) -> FloatArray:
    return np.concatenate(parts, axis=1)


@evaluate_node.register
def _(node: Upsample, x: FloatArray) -> FloatArray:
    return x.repeat(node.factor[0], axis=2).repeat(node.factor[1], axis=3)


@evaluate_node.register
def _(node: Values, x: FloatArray) -> FloatArray:
    return x[:, node.index]


@evaluate_node.register
def _(node: Channels, x: FloatArray) -> FloatArray:
    return x[:, node.first : node.first + node.step * node.count : node.step]


@evaluate_node.register
def _(node: Affine, x: FloatArray) -> FloatArray:
    return np.asarray(x * _by_channel(node.scale, x) + _by_channel(node.shift, x))


@evaluate_node.register
def _(node: BatchNorm, x: FloatArray) -> FloatArray:
    deviation = np.sqrt(_by_channel(node.variance, x) + node.epsilon)
    gamma, beta, mean = (_by_channel(array, x) for array in (node.gamma, node.beta, node.mean))
    return np.asarray(gamma * (x - mean) / deviation + beta)


@evaluate_node.register
def _(node: Relu, x: FloatArray) -> FloatArray:
    return np.maximum(x, 0.0)


@evaluate_node.register
def _(node: Clip, x: FloatArray) -> FloatArray:
    return np.minimum(np.maximum(x, node.low), node.high)


@evaluate_node.register
def _(node: LeakyRelu, x: FloatArray) -> FloatArray:
    return np.where(x >= 0, x, round_floats(x * _by_channel(node.slope, x), node.kind))


@evaluate_node.register
def _(node: PiecewiseLinear, x: FloatArray) -> FloatArray:
    y = x * node.scales[0] + node.shifts[0]
    for bound, closed, scale, shift in zip(
        node.bounds, node.closed, node.scales[1:], node.shifts[1:], strict=True
    ):
        y = np.where(x >= bound if closed else x > bound, x * scale + shift, y)
    return y


@evaluate_node.register
def _(node: Curve, x: FloatArray) -> FloatArray:
    return round_floats(evaluate_curve(node.function, x), node.kind)


@evaluate_node.register
def _(node: Sign, x: FloatArray) -> FloatArray:
    return np.sign(x)


@evaluate_node.register
def _(node: Bipolar, x: FloatArray) -> FloatArray:
    return bipolar(x, node.scale)


@evaluate_node.register
def _(node: Quant, x: FloatArray) -> FloatArray:
    return quantise(x, node.scale, node.zero_point, node.low, node.high, node.rounding)


@evaluate_node.register
def _(node: Round, x: FloatArray) -> FloatArray:
    return ROUNDINGS[node.rounding](x)


@evaluate_node.register
def _(node: MultiThreshold, x: FloatArray) -> FloatArray:
    passed = np.zeros(x.shape)
    for threshold in node.thresholds.T:
        passed += x >= _by_channel(threshold, x)
    return np.asarray(passed * node.out_scale + node.out_bias)


@evaluate_node.register(Flatten)
@evaluate_node.register(Positions)
def _(node: Flatten | Positions, x: FloatArray) -> FloatArray:
    return x.reshape(len(x), -1)


@evaluate_node.register
def _(node: Reshape, x: FloatArray) -> FloatArray:
    return x.reshape(len(x), *node.shape)


@evaluate_node.register
def _(node: Transpose, x: FloatArray) -> FloatArray:
    return x.transpose(0, *(axis + 1 for axis in node.axes))
