"""Padded maxima behind quantisers: a rewritten graph in which they read tensors that the network quantises.

A padded maximum is a layer of its own, so what it reads is stored. Where the network normalises and quantises its
result, the same nodes can come first: on channels that they raise nothing else changes, and those that they let fall
are reflected at the middle of the quantiser's values before the maximum and behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.graph.nodes import Affine, Flatten, Graph, MaxPool, Node
from bcsim.compiler.graph.shapes import tensor_shapes
from bcsim.compiler.lowering.linear import falling
from bcsim.compiler.lowering.node_functions import is_elementwise, to_functions
from bcsim.compiler.lowering.piecewise import Steps
from bcsim.compiler.lowering.quantiser_grids import quantiser_values

__all__ = ["quantise_before_maxima"]


def quantise_before_maxima(graph: Graph) -> Graph:
    """The graph with every padded maximum behind the elementwise nodes that follow it, up to the last quantiser.

    It computes the same output; tensors on the way have other names.
    """
    nodes = list(graph.nodes)
    for pool in graph.nodes:
        if isinstance(pool, MaxPool) and any(pool.pads):
            chain = _chain(pool, nodes, graph.output)
            moved = _moved(pool, chain, tensor_shapes(graph)[pool.output][0])
            if moved:
                place = nodes.index(pool)
                nodes[place : place + 1] = moved
                nodes = [node for node in nodes if not any(node is old for old in chain)]
    return replace(graph, nodes=tuple(nodes))


def _chain(pool: MaxPool, nodes: Sequence[Node], output: str) -> list[Node]:
    """The elementwise nodes that alone read each other's results behind the maximum, up to the last quantiser."""
    uses = Counter(name for node in nodes for name in node.inputs)
    chain: list[Node] = [pool]
    while uses[chain[-1].output] == 1 and chain[-1].output != output:
        reader = next(node for node in nodes if chain[-1].output in node.inputs)
        if not is_elementwise(reader) or isinstance(reader, Flatten):
            break
        chain.append(reader)
    while len(chain) > 1 and not any(isinstance(function, Steps) for function in to_functions(chain[-1:])):
        chain.pop()
    return chain[1:]


def _moved(pool: MaxPool, chain: Sequence[Node], channels: int) -> list[Node]:
    """The chain, then the maximum; empty where the chain has no quantiser or its values' middle is no float64."""
    functions = to_functions(chain)
    values = quantiser_values(functions)
    if not values or Fraction(float(values[0] + values[-1])) != values[0] + values[-1]:
        return []
    output, falls = chain[-1].output, falling(functions, channels)
    moved = _renamed([*chain, pool], pool.inputs[0], output)
    if falls.any():
        before = _reflection(pool, falls, float(values[0] + values[-1]), "before")
        behind = replace(before, name=f"{pool.name}/behind")
        moved = _renamed([*chain, before, pool, behind], pool.inputs[0], output)
    return moved


def _reflection(pool: MaxPool, falls: NDArray[np.bool_], ends: float, place: str) -> Affine:
    """x -> ends - x on channels that fall."""
    scale, shift = np.where(falls, -1.0, 1.0), np.where(falls, ends, 0.0)
    return Affine(f"{pool.name}/{place}", pool.op, pool.inputs, pool.output, scale, shift)


def _renamed(nodes: Sequence[Node], source: str, output: str) -> list[Node]:
    """The nodes one behind the other, from tensor `source` to tensor `output`."""
    names = [source, *(f"{output}/{index}" for index in range(1, len(nodes))), output]
    return [
        replace(node, inputs=(names[index],), output=names[index + 1]) for index, node in enumerate(nodes)
    ]
