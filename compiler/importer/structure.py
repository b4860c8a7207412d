"""The file's graph as a whole: one input, one output, every tensor defined once, nodes in order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.onnx_file import type_name
from bcsim.compiler.graph.shapes import MAX_VALUES
from bcsim.compiler.importer.node_context import label
from bcsim.compiler.importer.values import Shape

__all__ = ["Structure", "read_structure"]


_NUMBERS = (
    *(TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16),
    *(
        TensorProto.INT8,
        TensorProto.UINT8,
        TensorProto.INT16,
        TensorProto.UINT16,
        TensorProto.INT32,
        TensorProto.INT64,
    ),
)


@dataclass(frozen=True, slots=True)
class Structure:
    """A graph that can be walked.

    shape : of the input, without the batch axis; batch : the size that the file fixes it to, else 1.
    nodes : in topological order; live : the tensors that the network's output depends on.
    opsets : operator set version by domain.
    """

    input: str
    shape: Shape
    batch: int
    output: str
    nodes: tuple[NodeProto, ...]
    live: frozenset[str]
    initializers: Mapping[str, TensorProto]
    opsets: Mapping[str, int]


def read_structure(model: ModelProto) -> Structure:
    """Raises BcsimError for several inputs or outputs, axes that are dynamic or absurd, tensors that are undefined or
    defined twice, cycles, and operator sets that the installed onnx does not know.
    """
    graph = model.graph
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    _check_definitions(graph)
    source, output = _input(graph, initializers), _output(graph)
    shape, batch = _shape(source)
    nodes = _ordered(graph)
    _check_output(graph, output)
    return Structure(
        source.name, shape, batch, output, nodes, _live(nodes, output), initializers, _opsets(model)
    )


def _opsets(model: ModelProto) -> Mapping[str, int]:
    opsets = {"" if o.domain == "ai.onnx" else o.domain: int(o.version) for o in model.opset_import}
    version, newest = opsets.setdefault("", 1), onnx.defs.onnx_opset_version()
    if not 1 <= version <= newest:
        raise BcsimError(
            f"The model uses ONNX operator set {version}; the installed onnx knows 1 to {newest}"
        )
    return opsets


def _check_definitions(graph: GraphProto) -> None:
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise BcsimError(f"Tensor {name!r} is stored sparse; accepted are dense initialisers")
    defined: set[str] = set()
    stored = [tensor.name for tensor in graph.initializer]
    inputs = [value.name for value in graph.input if value.name not in stored]
    for name in [*stored, *inputs, *(name for node in graph.node for name in node.output if name)]:
        if name in defined:
            raise BcsimError(f"Tensor {name!r} is defined twice; every tensor must have one source")
        defined.add(name)
    for node in graph.node:
        for name in node.input:
            if name and name not in defined:
                raise BcsimError(
                    f"Node {label(node)!r} ({node.op_type}): input {name!r} is defined nowhere in the file"
                )


def _input(graph: GraphProto, initializers: Mapping[str, TensorProto]) -> ValueInfoProto:
    inputs: list[ValueInfoProto] = [value for value in graph.input if value.name not in initializers]
    if len(inputs) != 1:
        names = ", ".join(repr(value.name) for value in inputs)
        raise BcsimError(f"The network has {len(inputs)} inputs ({names}); accepted is one")
    return inputs[0]


def _output(graph: GraphProto) -> str:
    if len(graph.output) != 1:
        names = ", ".join(repr(value.name) for value in graph.output)
        raise BcsimError(
            f"The network has {len(graph.output)} outputs ({names}); accepted is one, so keep the class scores only"
        )
    return str(graph.output[0].name)


def _shape(source: ValueInfoProto) -> tuple[Shape, int]:
    dims, element = source.type.tensor_type.shape.dim, source.type.tensor_type.elem_type
    if element not in _NUMBERS:
        raise BcsimError(
            f"Input {source.name!r} has the element type {type_name(element)}; expected floats or integers"
        )
    if len(dims) < 2:
        raise BcsimError(
            f"Input {source.name!r} has {len(dims)} axes; expected a batch axis and at least one more"
        )
    for axis, dim in enumerate(dims):
        if axis and dim.dim_value < 1:
            raise BcsimError(
                f"Input {source.name!r}: axis {axis} is dynamic ({dim.dim_param or 'no size'}); "
                "only the batch axis (axis 0) may be"
            )
    shape = tuple(int(dim.dim_value) for dim in dims[1:])
    if math.prod(shape) > MAX_VALUES:
        raise BcsimError(
            f"Input {source.name!r} has the shape {shape}; accepted are up to {MAX_VALUES} elements"
        )
    return shape, max(1, int(dims[0].dim_value))


def _ordered(graph: GraphProto) -> tuple[NodeProto, ...]:
    """The nodes in topological order; the file's own order where that is one already."""
    source = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    needs = {i: {source[name] for name in node.input if name in source} for i, node in enumerate(graph.node)}
    if all(needed < i for i in needs for needed in needs[i]):
        return tuple(graph.node)
    try:
        return tuple(graph.node[i] for i in TopologicalSorter(needs).static_order())
    except CycleError as error:
        names = ", ".join(repr(label(graph.node[i])) for i in sorted(set(error.args[1]))[:3])
        raise BcsimError(
            f"The network has a cycle through {names}; accepted are feed-forward networks"
        ) from None


def _check_output(graph: GraphProto, output: str) -> None:
    for node in graph.node:
        if output in node.input:
            raise BcsimError(
                f"Output {output!r} also feeds node {label(node)!r} ({node.op_type}); it must be the end of the chain"
            )


def _live(nodes: tuple[NodeProto, ...], output: str) -> frozenset[str]:
    live = {output}
    for node in reversed(nodes):
        if live.intersection(node.output):
            live.update(name for name in node.input if name)
    return frozenset(live)
