"""The float graph evaluated in float64: calibration's source of values, and a witness of the importer."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from bcsim.compiler.graph import (
    Affine,
    BatchNorm,
    Bipolar,
    Clip,
    Dense,
    Flatten,
    FloatArray,
    Graph,
    MultiThreshold,
    Node,
    Quant,
    Relu,
    Sign,
)
from bcsim.compiler.rounding import bipolar, quantise
from bcsim.errors import BcsimError

__all__ = ["evaluate_graph", "evaluate_node"]


def evaluate_graph(graph: Graph, x: FloatArray) -> dict[str, FloatArray]:
    """The value of every tensor of `graph`, by name, for a batch of images.

    x : float64 (n, *graph.input_shape); (n, features) is accepted too.
    Each value is float64 with n as its first axis. A dense layer multiplies integers and scales afterwards,
    so its sums are exact for inputs on a grid. Raises BcsimError where x has another number of features.
    """
    x = np.asarray(x, dtype=np.float64)
    features = int(np.prod(graph.input_shape))
    if x.ndim < 2 or int(np.prod(x.shape[1:])) != features:
        raise BcsimError(
            f"Network {graph.name!r} takes images of shape {graph.input_shape}, not an array of {x.shape}"
        )
    values = {graph.input: x.reshape(len(x), *graph.input_shape)}
    for node in graph.nodes:
        values[node.output] = evaluate_node(node, values[node.inputs[0]])
    return values


@singledispatch
def evaluate_node(node: Node, x: FloatArray) -> FloatArray:
    """The output of `node`, float64 (n, ...), for its input x, float64 (n, ...)."""
    raise TypeError(f"Node must be one of bcsim.compiler.graph, not {type(node).__name__}")


@evaluate_node.register
def _(node: Dense, x: FloatArray) -> FloatArray:
    return np.asarray((x @ node.weights.T.astype(np.float64)) * node.scale)


@evaluate_node.register
def _(node: Affine, x: FloatArray) -> FloatArray:
    return np.asarray(x * node.scale + node.shift)


@evaluate_node.register
def _(node: BatchNorm, x: FloatArray) -> FloatArray:
    deviation = np.sqrt(node.variance + node.epsilon)
    return np.asarray(node.gamma * (x - node.mean) / deviation + node.beta)


@evaluate_node.register
def _(node: Relu, x: FloatArray) -> FloatArray:
    return np.maximum(x, 0.0)


@evaluate_node.register
def _(node: Clip, x: FloatArray) -> FloatArray:
    return np.minimum(np.maximum(x, node.low), node.high)


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
def _(node: MultiThreshold, x: FloatArray) -> FloatArray:
    passed = np.zeros(x.shape)
    for threshold in node.thresholds.T:
        passed += x >= threshold
    return np.asarray(passed * node.out_scale + node.out_bias)


@evaluate_node.register
def _(node: Flatten, x: FloatArray) -> FloatArray:
    return x.reshape(len(x), -1)
