"""Sums of quantisers: several elementwise branches of one tensor, added, as one quantiser.

Plain ONNX has thresholds as Sign(x - a) + Sign(x - b); the sum takes a value for each threshold passed, exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from typing import TypeAlias

import numpy as np

from bcsim.compiler.graph.evaluate import evaluate_node
from bcsim.compiler.graph.nodes import Add, FloatArray, Graph, Node
from bcsim.compiler.lowering.breakpoints import Breakpoints, pull_back
from bcsim.compiler.lowering.node_functions import is_elementwise, node_functions, to_functions
from bcsim.compiler.lowering.piecewise import Line, PiecewiseFunction, Steps, is_shared, parameter_rows
from bcsim.compiler.lowering.quantiser_grids import common_step, quantiser_values

__all__ = ["StepSum", "join_step_sums"]

Fractions: TypeAlias = tuple[Fraction, ...]
Bound: TypeAlias = tuple[Fraction, bool]

MOST_STEPS = 1 << 12


@dataclass(frozen=True, slots=True)
class StepSum(Node):
    """y = the sum of what chains of elementwise nodes make of x, all of them quantisers.

    functions : the same as one quantiser.
    """

    chains: tuple[tuple[Node, ...], ...]
    functions: tuple[PiecewiseFunction, ...]


@evaluate_node.register
def _(node: StepSum, x: FloatArray) -> FloatArray:
    parts = [reduce(lambda value, link: evaluate_node(link, value), chain, x) for chain in node.chains]
    return reduce(np.add, parts)


@node_functions.register
def _(node: StepSum) -> list[PiecewiseFunction]:
    return list(node.functions)


def join_step_sums(graph: Graph) -> Graph:
    """The graph with a StepSum for every addition of quantisers of one tensor that together rise or fall alone."""
    nodes: list[Node] = []
    uses = Counter(name for node in graph.nodes for name in node.inputs)
    for node in graph.nodes:
        joined = _joined(node, nodes, uses) if isinstance(node, Add) else None
        if joined is not None:
            gone = {link.output for chain in joined.chains for link in chain}
            nodes = [made for made in nodes if made.output not in gone]
            uses[joined.inputs[0]] -= len(joined.chains) - 1
        nodes.append(joined or node)
    return replace(graph, nodes=tuple(nodes))


def _joined(node: Add, nodes: Sequence[Node], uses: Counter[str]) -> StepSum | None:
    first, second = (_chains(name, nodes, uses) for name in node.inputs)
    source = next((tensor for tensor in second if tensor in first), None)
    if source is None:
        return None
    chains = (first[source], second[source])
    functions = _sum([to_functions(chain) for chain in chains])
    return StepSum(node.name, node.op, (source,), node.output, chains, functions) if functions else None


def _chains(tensor: str, nodes: Sequence[Node], uses: Counter[str]) -> dict[str, tuple[Node, ...]]:
    """The tensors of which elementwise nodes alone, each read once, make `tensor`; and these nodes."""
    makers = {node.output: node for node in nodes}
    chains: dict[str, tuple[Node, ...]] = {}
    chain: tuple[Node, ...] = ()
    while uses[tensor] == 1 and tensor in makers and is_elementwise(makers[tensor]):
        chain = (makers[tensor], *chain)
        tensor = chain[0].inputs[0]
        chains[tensor] = chain
    return chains


def _sum(branches: Sequence[Sequence[PiecewiseFunction]]) -> tuple[PiecewiseFunction, ...] | None:
    """The sum of branches of one input as a quantiser; None where a branch is none, or some rise and others fall."""
    values = [_values(functions) for functions in branches]
    if not all(values):
        return None
    step = common_step(value - part[0] for part in values for value in part)
    counts = [int((part[-1] - part[0]) / step) if step else 0 for part in values]
    if not step or sum(counts) > MOST_STEPS:
        return None
    parted = [
        pull_back(functions, _between(part[0], step, count), max(map(parameter_rows, functions), default=1))
        for functions, part, count in zip(branches, values, counts, strict=True)
    ]
    if any(_constant(row) for rows in parted for row in rows):
        return None
    channels = range(max(map(len, parted)))
    by_channel = [[rows[channel if len(rows) > 1 else 0] for rows in parted] for channel in channels]
    if any(len({row.rising for row in rows}) > 1 for rows in by_channel):
        return None
    least = sum(part[0] for part in values)
    return _quantiser(by_channel, tuple(least + step * level for level in range(sum(counts) + 1)))


def _values(functions: Sequence[PiecewiseFunction]) -> Fractions:
    """The values of a chain that ends in a quantiser and what is the same for all channels; empty for others."""
    last = max((index for index, part in enumerate(functions) if isinstance(part, Steps)), default=None)
    if last is None or not all(map(is_shared, functions[last + 1 :])):
        return ()
    return quantiser_values(functions) or ()


def _between(least: Fraction, step: Fraction, count: int) -> Breakpoints:
    """The breakpoints between values from `least` up, `count` steps."""
    start = least - step / 2
    denominator = start.denominator * step.denominator
    k = np.arange(1, count + 1).astype(object)
    numerators = k * (step.numerator * start.denominator) + start.numerator * step.denominator
    return Breakpoints(numerators, denominator, np.ones(count, dtype=np.bool_), True, 0, count)


def _constant(row: Breakpoints) -> bool:
    """Whether some value is met by every input or by none."""
    return row.first > 0 or row.last < len(row.numerators)


def _quantiser(
    by_channel: Sequence[Sequence[Breakpoints]], values: Fractions
) -> tuple[PiecewiseFunction, ...]:
    """Steps to `values` at all breakpoints of a channel; of the negated input where they fall."""
    rows = [sorted(map(_sort_key, _bounds(parts))) for parts in by_channel]
    bounds = tuple(tuple(bound for bound, _ in row) for row in rows)
    closed = tuple(tuple(not is_open for _, is_open in row) for row in rows)
    steps = Steps(values, bounds, closed)
    signs = tuple(Fraction(1 if parts[0].rising else -1) for parts in by_channel)
    if all(sign == 1 for sign in signs):
        return (steps,)
    return Line(signs, (Fraction(0),)), steps


def _bounds(parts: Sequence[Breakpoints]) -> list[Bound]:
    """Where the input, negated where the parts fall, passes each breakpoint, and whether it does at that point."""
    return [
        (part.bound(k) if part.rising else -part.bound(k), bool(part.closed[k]))
        for part in parts
        for k in range(len(part.numerators))
    ]


def _sort_key(bound: Bound) -> Bound:
    """Of equal bounds the closed ones come first."""
    return bound[0], not bound[1]
