"""Chains: a graph cut into linear layers, each with the elementwise nodes up to the next one."""

from __future__ import annotations

from dataclasses import dataclass

from bcsim.compiler.graph import Dense, Flatten, Graph, Node
from bcsim.compiler.pieces import is_elementwise
from bcsim.errors import BcsimError

__all__ = ["Chain", "split_chains"]


@dataclass(frozen=True, slots=True)
class Chain:
    """A linear layer and the elementwise nodes that follow it."""

    dense: Dense
    nodes: tuple[Node, ...]

    @property
    def output(self) -> str:
        """The tensor that feeds the next linear layer, or holds the scores."""
        return self.nodes[-1].output if self.nodes else self.dense.output


def split_chains(graph: Graph) -> tuple[tuple[Node, ...], tuple[Chain, ...]]:
    """The elementwise nodes before the first linear layer, and the chains.

    Raises BcsimError for a network that branches, for one without a linear layer, and for other operations.
    """
    _check_sequence(graph)
    nodes = [node for node in graph.nodes if not isinstance(node, Flatten)]
    starts = [index for index, node in enumerate(nodes) if isinstance(node, Dense)]
    if not starts:
        raise BcsimError(f"Network {graph.name!r} has no linear layer (MatMul or Gemm), which bcsim needs")
    chains = []
    for start, end in zip(starts, [*starts[1:], len(nodes)], strict=True):
        dense = nodes[start]
        assert isinstance(dense, Dense)
        chains.append(Chain(dense, tuple(nodes[start + 1 : end])))
    return tuple(nodes[: starts[0]]), tuple(chains)


def _check_sequence(graph: Graph) -> None:
    expected = graph.input
    for node in graph.nodes:
        if not isinstance(node, Dense) and not is_elementwise(node):
            raise BcsimError(
                f"Node {node.name!r} ({node.op}) cannot be lowered; accepted are linear layers and "
                "elementwise operations"
            )
        if node.inputs != (expected,):
            raise BcsimError(
                f"Node {node.name!r} ({node.op}) reads {', '.join(node.inputs)!r}; accepted are networks in which "
                f"every node reads only the one before it, here {expected!r}"
            )
        expected = node.output
    if graph.output != expected:
        raise BcsimError(
            f"Network {graph.name!r} gives {graph.output!r}, which is not its last tensor, {expected!r}"
        )
