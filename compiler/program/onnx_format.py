"""Programs stored as ONNX files in the domain `bcsim`, one node per layer, so that Netron opens them.

The node Encode holds the input's encodings. Each Dense node reads the layer before it and each Conv node the layers
it names, its packed weights, uint8 (planes, outputs, ceil(inputs / 8)), its requantiser's int64 parameters and, where
some channels take the minimum, uint8 marks of these. Fractions are strings "n/d".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise, takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper

from bcsim.common.errors import BcsimError
from bcsim.common.files import write_bytes
from bcsim.common.metadata import NOTES_KEY
from bcsim.common.version import __version__
from bcsim.compiler.graph.onnx_file import MAX_ELEMENTS, OnnxFile, read_model
from bcsim.compiler.program.check import check_program
from bcsim.compiler.program.layer_onnx import (
    DOMAIN,
    encoding_attributes,
    layer_arrays,
    layer_node,
    make_node,
    read_layer,
)
from bcsim.compiler.program.layers import ConvLayer, DenseLayer, InputCoding, Program
from bcsim.compiler.program.node_fields import NodeFields
from bcsim.compiler.program.onnx_values import FORMAT, image_value, layer_values, stored_tensor

__all__ = ["is_program", "load_program", "save_program"]

VERSION = 1
# Modest enough for readers of 2022; onnx's own defaults are refused by older ones.
IR_VERSION, OPSET = 8, 13


def save_program(program: Program, path: str | Path) -> None:
    """Write `program` to the file `path`, whole or not at all; raises BcsimError where that fails."""
    write_bytes(path, _to_model(program).SerializeToString(deterministic=True))


def load_program(path: str | Path) -> Program:
    """The program stored in the file `path`, checked. Raises BcsimError for any other file."""
    file = read_model(path)
    if not _has_domain(file.model):
        raise BcsimError(
            f"File {str(path)!r} is an ONNX model but not a bcsim program (no operators of domain 'bcsim')"
        )
    try:
        program = _from_model(file)
        check_program(program)
    except BcsimError as error:
        raise BcsimError(f"Program file {str(path)!r}: {error}") from None
    return program


def is_program(path: str | Path) -> bool:
    """Whether the file `path` is an ONNX model that declares the domain `bcsim`."""
    return _has_domain(read_model(path).model)


def _has_domain(model: ModelProto) -> bool:
    return any(opset.domain == DOMAIN for opset in model.opset_import)


def _to_model(program: Program) -> ModelProto:
    nodes = [_encode_node(program)]
    tensors = [stored_tensor(name, array) for name, array in _input_arrays(program).items()]
    outputs = {"": "q0"} | {layer.name: f"q{index}" for index, layer in enumerate(program.layers, 1)}
    for index, layer in enumerate(program.layers):
        arrays = {f"layer{index}.{name}": array for name, array in layer_arrays(layer).items()}
        tensors += [stored_tensor(name, array) for name, array in arrays.items()]
        reads = [outputs[name] for name in layer.sources] if isinstance(layer, ConvLayer) else [f"q{index}"]
        nodes.append(layer_node(layer, reads, list(arrays), f"q{index + 1}"))
    *values, scores = layer_values(program)
    graph = helper.make_graph(
        nodes, program.name, [image_value(program)], [scores], tensors, doc_string=FORMAT, value_info=values
    )
    model = helper.make_model(
        graph,
        producer_name="bcsim",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)],
    )
    helper.set_model_props(model, {**program.metadata, NOTES_KEY: json.dumps(program.notes)})
    return model


def _encode_node(program: Program) -> NodeProto:
    attributes = {
        "input_shape": list(program.input_shape),
        **encoding_attributes("pixel", program.input.pixel),
        **encoding_attributes("stream", program.input.stream),
    }
    inputs = {name.partition(".")[2]: name for name in _input_arrays(program)}
    stored = [inputs.get("table", ""), *([inputs["order"]] if "order" in inputs else [])]
    return make_node("Encode", "input", ["image", *(stored if any(stored) else [])], "q0", attributes)


def _input_arrays(program: Program) -> dict[str, NDArray[np.int64]]:
    arrays = {"input.table": program.input.table, "input.order": program.input.order}
    return {name: array for name, array in arrays.items() if array is not None}


def _from_model(file: OnnxFile) -> Program:
    graph = file.model.graph
    version = next(opset.version for opset in file.model.opset_import if opset.domain == DOMAIN)
    if version != VERSION:
        raise BcsimError(f"it has the format version {version}; this bcsim reads version {VERSION}")
    kinds = [
        node.op_type if node.domain == DOMAIN else f"{node.domain}.{node.op_type}" for node in graph.node
    ]
    if kinds[:1] != ["Encode"] or not set(kinds[1:]) <= {"Dense", "Conv"}:
        raise BcsimError(
            f"its nodes must be one Encode and then Dense and Conv ones, not {', '.join(kinds[:8])}"
        )
    encode = NodeFields.of(graph.node[0], file)
    metadata = {entry.key: entry.value for entry in file.model.metadata_props}
    return Program(
        graph.name,
        _input_coding(encode),
        encode.integers("input_shape", 1, MAX_ELEMENTS),
        tuple(_layers(file)),
        _notes(metadata.pop(NOTES_KEY, "[]")),
        metadata,
    )


def _layers(file: OnnxFile) -> Iterator[DenseLayer]:
    """The layers; what each reads is known by the names of its node's inputs."""
    nodes = file.model.graph.node
    names = dict.fromkeys(nodes[0].output, "")
    for before, node in pairwise(nodes):
        if node.op_type == "Dense" and list(before.output) != list(node.input[:1]):
            raise BcsimError(f"node {node.name!r} does not read the output of the node before it")
        sources = tuple(names[name] for name in takewhile(names.__contains__, node.input))
        yield read_layer(NodeFields.of(node, file), node.op_type, sources)
        names |= dict.fromkeys(node.output, node.name)


def _notes(text: str) -> tuple[str, ...]:
    try:
        notes = json.loads(text)
    except (ValueError, RecursionError):
        notes = None
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise BcsimError(f"its metadata {NOTES_KEY!r} must be a list of strings in JSON")
    return tuple(notes)


def _input_coding(fields: NodeFields) -> InputCoding:
    table = fields.tensor(1, "int64", 1) if fields.inputs[1:2] not in ((), ("",)) else None
    order = fields.tensor(2, "int64", 1) if fields.tensors > 2 else None
    return InputCoding(fields.encoding("pixel"), fields.encoding("stream"), table, order)
