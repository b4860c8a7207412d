"""Chains: what a graph without branches is cut into."""

import re
from dataclasses import replace

import numpy as np
import pytest

from bcsim.compiler.chains import split_chains
from bcsim.compiler.graph import Flatten, Graph, Node
from bcsim.errors import BcsimError
from tests.compiler.exact import affine, chain_graph, dense, relu

GRAPH = chain_graph(
    [Flatten("flatten", "Flatten", (), ""), affine(2.0), dense([[1, 1]]), relu(), dense([[1]])], 2
)


def test_a_chain_runs_to_the_next_linear_layer() -> None:
    head, chains = split_chains(GRAPH)
    assert [node.name for node in head] == ["affine"]
    assert [[node.name for node in chain.nodes] for chain in chains] == [["relu"], []]
    assert [chain.output for chain in chains] == ["t3", "t4"]
    assert np.array_equal(chains[0].dense.weights, [[1, 1]])


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (
            chain_graph([relu()], 2),
            "Network 'chain' has no linear layer (MatMul or Gemm), which bcsim needs",
        ),
        (
            replace(GRAPH, nodes=(*GRAPH.nodes[:-1], replace(GRAPH.nodes[-1], inputs=("t2",)))),
            "Node 'dense' (MatMul) reads 't2'; accepted are networks in which every node reads only the one before "
            "it, here 't3'",
        ),
        (
            replace(GRAPH, nodes=(Node("pool", "MaxPool", ("x",), "t0"), *GRAPH.nodes[1:])),
            "Node 'pool' (MaxPool) cannot be lowered; accepted are linear layers and elementwise operations",
        ),
        (replace(GRAPH, output="t2"), "Network 'chain' gives 't2', which is not its last tensor, 't4'"),
    ],
)
def test_refusals(graph: Graph, message: str) -> None:
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        split_chains(graph)
