"""The float graph as the lowering takes it: nodes in the order in which layers can do them."""

from __future__ import annotations

from dataclasses import replace

from bcsim.compiler.graph.nodes import Graph
from bcsim.compiler.lowering.fusion import needed_nodes
from bcsim.compiler.lowering.padded_maxima import quantise_before_maxima
from bcsim.compiler.lowering.step_sums import join_step_sums
from bcsim.compiler.lowering.unrolled import unroll_convolutions
from bcsim.compiler.lowering.upsampled import without_upsampling
from bcsim.compiler.lowering.views import views_last

__all__ = ["prepare_graph"]


def prepare_graph(graph: Graph) -> Graph:
    """A graph that computes the same output, with the tensors that a program's layers name as `float_output`.

    Nodes that the output does not need are left out.
    """
    graph = without_upsampling(_needed(graph))
    graph = join_step_sums(_needed(views_last(_needed(graph))))
    return quantise_before_maxima(_needed(unroll_convolutions(graph)))


def _needed(graph: Graph) -> Graph:
    return replace(graph, nodes=tuple(needed_nodes(graph)))
