"""Means in the dense layer behind them: its weights at every place of a window, and the division behind its sum.

A mean of many values takes more levels than 8 bits have, so as a layer of its own it would be rounded. The dense layer
sums the windows as well, exactly, for as many steps of the array or fewer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from bcsim.compiler.graph.nodes import AveragePool, BatchNorm, Dense, Flatten, Graph, Node
from bcsim.compiler.graph.shapes import Shape, image_shape, tensor_shapes

__all__ = ["MOST_WEIGHTS", "merge_means"]

MOST_WEIGHTS = 1 << 22
"""Beyond these the mean stays a layer, and is rounded."""


def merge_means(graph: Graph, rounded: Collection[str]) -> Graph:
    """The graph with every mean of `rounded` in the dense layer that alone reads it; the same graph without one."""
    nodes, shapes = list(graph.nodes), tensor_shapes(graph)
    merged = False
    for dense in graph.nodes:
        chain = _chain(dense, nodes, shapes) if isinstance(dense, Dense) else []
        if chain and chain[0].output in rounded:
            place = next(index for index, node in enumerate(nodes) if node is dense)
            nodes[place : place + 1] = _merged(chain, shapes)
            nodes = [node for node in nodes if not any(node is gone for gone in chain)]
            merged = True
    return replace(graph, nodes=tuple(nodes)) if merged else graph


def _chain(dense: Dense, nodes: Sequence[Node], shapes: dict[str, Shape]) -> list[Node]:
    """The mean of whole windows, a Flatten and the dense layer, each alone to read the one before; else empty."""
    makers, uses = {node.output: node for node in nodes}, Counter(name for n in nodes for name in n.inputs)
    chain: list[Node] = [dense]
    while uses[chain[0].inputs[0]] == 1 and chain[0].inputs[0] in makers:
        chain.insert(0, makers[chain[0].inputs[0]])
        pool = chain[0]
        if isinstance(pool, AveragePool):
            size = image_shape(shapes[pool.inputs[0]])[1:]
            tiles = pool.kernel == pool.stride and all(
                n % k == 0 for n, k in zip(size, pool.kernel, strict=True)
            )
            few = len(dense.weights) * prod(shapes[pool.inputs[0]]) <= MOST_WEIGHTS
            return chain if tiles and few and not any(pool.pads) else []
        if not isinstance(pool, Flatten):
            break
    return []


def _merged(chain: Sequence[Node], shapes: dict[str, Shape]) -> list[Node]:
    pool, dense = chain[0], chain[-1]
    assert isinstance(pool, AveragePool)
    assert isinstance(dense, Dense)
    kernels = dense.weights.reshape(len(dense.weights), *image_shape(shapes[pool.output]))
    kernels = kernels.repeat(pool.kernel[0], axis=2).repeat(pool.kernel[1], axis=3)
    flat, total = f"{dense.output}/window", f"{dense.output}/total"
    count = np.asarray(float(prod(pool.kernel)))
    one, zero = np.ones(()), np.zeros(())
    return [
        Flatten(pool.name, pool.op, pool.inputs, flat),
        replace(dense, inputs=(flat,), output=total, weights=kernels.reshape(len(kernels), -1)),
        # A division by the number of places, exactly.
        BatchNorm(pool.name, pool.op, (total,), dense.output, one, zero, zero, count**2, 0.0),
    ]
