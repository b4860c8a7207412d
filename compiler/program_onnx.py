"""Programs stored as ONNX files in the domain `bcsim`, one node per layer, so that Netron opens them.

The node Encode holds the input's encodings; each Dense node reads the layer before it, its packed weights, uint8
(planes, outputs, ceil(inputs / 8)), and its requantiser's int64 parameters. Fractions are strings "n/d".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from bcsim.compiler.check_program import MAX_ACCUMULATOR, MAX_FRACTION_BITS, check_program
from bcsim.compiler.node_fields import NodeFields
from bcsim.compiler.onnx_file import MAX_ELEMENTS, OnnxFile, read_model
from bcsim.compiler.program import (
    DenseLayer,
    Divide,
    Encoding,
    InputCoding,
    Program,
    Requantiser,
    Search,
    WeightPlane,
)
from bcsim.errors import BcsimError
from bcsim.files import write_bytes

__all__ = ["is_program", "load_program", "save_program"]

DOMAIN = "bcsim"
VERSION = 1
# Modest enough for readers of 2022; onnx's own defaults are refused by older ones.
IR_VERSION, OPSET = 8, 13
NOTES = "bcsim.notes"


def save_program(program: Program, path: str | Path) -> None:
    """Write `program` to the file `path`, whole or not at all; raises BcsimError where that fails.

    Only dense layers are stored: BcsimError names the first other one.
    """
    for layer in program.layers:
        if type(layer) is not DenseLayer:
            raise BcsimError(
                f"Layer {layer.name!r} is a {type(layer).__name__}; program files hold only DenseLayer"
            )
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
    nodes, tensors = [_encode_node(program)], []
    if program.input.table is not None:
        tensors.append(numpy_helper.from_array(program.input.table, "input.table"))
    for index, layer in enumerate(program.layers):
        arrays = _layer_arrays(layer)
        names = [f"layer{index}.{name}" for name in arrays]
        tensors += [
            numpy_helper.from_array(array, name) for array, name in zip(arrays.values(), names, strict=True)
        ]
        nodes.append(_layer_node(layer, index, names))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["images", *program.input_shape])
    scores = helper.make_tensor_value_info(
        nodes[-1].output[0], TensorProto.UINT16, ["images", program.classes]
    )
    graph = helper.make_graph(nodes, program.name, [image], [scores], tensors)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)]
    model = helper.make_model(graph, producer_name="bcsim", ir_version=IR_VERSION, opset_imports=opsets)
    helper.set_model_props(model, {**program.metadata, NOTES: json.dumps(program.notes)})
    return model


def _encode_node(program: Program) -> NodeProto:
    inputs = ["image"] if program.input.table is None else ["image", "input.table"]
    attributes = {
        "input_shape": list(program.input_shape),
        **_encoding_attributes("pixel", program.input.pixel),
        **_encoding_attributes("stream", program.input.stream),
    }
    return _node("Encode", "input", inputs, "q0", attributes)


def _layer_node(layer: DenseLayer, index: int, tensors: list[str]) -> NodeProto:
    divide = layer.requantiser if isinstance(layer.requantiser, Divide) else None
    attributes = {
        "inputs": layer.inputs,
        "outputs": layer.outputs,
        "shifts": [plane.shift for plane in layer.planes],
        "requantiser": "divide" if divide else "search",
        "fraction_bits": divide.fraction_bits if divide else 0,
        "low": layer.low,
        "high": layer.high,
        "exact": int(layer.exact),
        "float_output": layer.float_output,
        **_encoding_attributes("source", layer.source),
        **_encoding_attributes("target", layer.target),
    }
    return _node("Dense", layer.name, [f"q{index}", *tensors], f"q{index + 1}", attributes)


def _node(kind: str, name: str, inputs: list[str], output: str, attributes: Mapping[str, Any]) -> NodeProto:
    node = helper.make_node(kind, inputs, [output], name=name, domain=DOMAIN)
    node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    return node


def _layer_arrays(layer: DenseLayer) -> dict[str, NDArray[Any]]:
    weights = {"weights": np.stack([plane.packed for plane in layer.planes])}
    if isinstance(layer.requantiser, Divide):
        return {**weights, "offset": layer.requantiser.offset, "divisor": layer.requantiser.divisor}
    return {**weights, "thresholds": layer.requantiser.thresholds}


def _encoding_attributes(name: str, encoding: Encoding) -> dict[str, int | str]:
    return {
        f"{name}_bits": encoding.bits,
        f"{name}_scale": str(encoding.scale),
        f"{name}_offset": str(encoding.offset),
    }


def _from_model(file: OnnxFile) -> Program:
    graph = file.model.graph
    version = next(opset.version for opset in file.model.opset_import if opset.domain == DOMAIN)
    if version != VERSION:
        raise BcsimError(f"it has the format version {version}; this bcsim reads version {VERSION}")
    kinds = [
        node.op_type if node.domain == DOMAIN else f"{node.domain}.{node.op_type}" for node in graph.node
    ]
    if kinds[:1] != ["Encode"] or any(kind != "Dense" for kind in kinds[1:]):
        raise BcsimError(f"its nodes must be one Encode and then Dense ones, not {', '.join(kinds[:8])}")
    for before, after in pairwise(graph.node):
        if list(before.output) != list(after.input[:1]):
            raise BcsimError(f"node {after.name!r} does not read the output of the node before it")
    encode, *layers = (NodeFields.of(node, file) for node in graph.node)
    metadata = {entry.key: entry.value for entry in file.model.metadata_props}
    return Program(
        graph.name,
        _input_coding(encode),
        encode.integers("input_shape", 1, MAX_ELEMENTS),
        tuple(_layer(fields) for fields in layers),
        _notes(metadata.pop(NOTES, "[]")),
        metadata,
    )


def _notes(text: str) -> tuple[str, ...]:
    try:
        notes = json.loads(text)
    except (ValueError, RecursionError):
        notes = None
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise BcsimError(f"its metadata {NOTES!r} must be a list of strings in JSON")
    return tuple(notes)


def _input_coding(fields: NodeFields) -> InputCoding:
    table = fields.tensor(1, "int64", 1) if fields.tensors > 1 else None
    return InputCoding(fields.encoding("pixel"), fields.encoding("stream"), table)


def _layer(fields: NodeFields) -> DenseLayer:
    shifts = fields.integers("shifts", 0, 15)
    packed = fields.tensor(1, "uint8", 3)
    if len(packed) != len(shifts):
        raise BcsimError(f"node {fields.name!r} has {len(packed)} weight planes and {len(shifts)} shifts")
    return DenseLayer(
        name=fields.name,
        inputs=fields.integer("inputs", 1, MAX_ELEMENTS),
        outputs=fields.integer("outputs", 1, MAX_ELEMENTS),
        source=fields.encoding("source"),
        target=fields.encoding("target"),
        planes=tuple(WeightPlane(shift, plane) for shift, plane in zip(shifts, packed, strict=True)),
        requantiser=_requantiser(fields),
        low=fields.integer("low", -MAX_ACCUMULATOR, MAX_ACCUMULATOR),
        high=fields.integer("high", -MAX_ACCUMULATOR, MAX_ACCUMULATOR),
        exact=bool(fields.integer("exact", 0, 1)),
        float_output=fields.text("float_output"),
    )


def _requantiser(fields: NodeFields) -> Requantiser:
    bits = fields.encoding("target").bits
    kind = fields.text("requantiser")
    if kind == "divide":
        fraction_bits = fields.integer("fraction_bits", 0, MAX_FRACTION_BITS)
        return Divide(bits, fraction_bits, fields.tensor(2, "int64", 1), fields.tensor(3, "int64", 1))
    if kind == "search":
        return Search(bits, fields.tensor(2, "int64", 2))
    raise BcsimError(f"node {fields.name!r} has the requantiser {kind!r}; accepted are 'divide' and 'search'")
