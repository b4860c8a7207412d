"""A program as an ONNX model of standard operators: raw levels in, scores and class out, the same integers.

Every tensor between layers is float32 and holds q; accumulators and requantisers are int64.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto, helper, shape_inference

from bcsim.common.errors import BcsimError
from bcsim.common.files import write_bytes
from bcsim.common.metadata import NOTES_KEY, SCORE_OFFSET_KEY, SCORE_SCALE_KEY, STANDARD_KEY
from bcsim.common.version import __version__
from bcsim.compiler.program.classes import least_positive
from bcsim.compiler.program.dependencies import INPUT, layer_reads
from bcsim.compiler.program.layers import ConvLayer, DenseLayer, Program
from bcsim.compiler.standard.accumulators import accumulators, is_flat
from bcsim.compiler.standard.operators import Operators
from bcsim.compiler.standard.requantisers import pooled, requantised

__all__ = ["save_standard", "standard_model"]

# GreaterOrEqual on integers and Pad with its value as an input came by 13; readers of 2021 on have both.
IR_VERSION, OPSET = 8, 13
MAX_FILE_BYTES = 2**31 - 2**20


def save_standard(program: Program, path: str | Path) -> None:
    """Write `standard_model(program)` to the file `path`, whole or not at all; raises BcsimError where that fails."""
    write_bytes(path, standard_model(program).SerializeToString(deterministic=True))


def standard_model(program: Program) -> ModelProto:
    """The model. Its tensors, n images each:

    image : uint8, uint16 where a level has more than 8 bits, (n, *input_shape): levels as a data set stores them.
    scores : uint16 (n, classes), or (n, rows, columns, classes) where they lie at more than one position.
    class : int64 (n,), the first greatest score, of one score whether it is positive; where they lie at one position.

    Raises BcsimError where the model would be larger than an ONNX file can be.
    """
    ops = Operators()
    tensors = {INPUT: _input(ops, program)}
    for index, (layer, reads) in enumerate(zip(program.layers, layer_reads(program), strict=True)):
        ops.scope = f"layer{index}"
        first = len(ops.nodes)
        tensors[index] = _layer(ops, layer, [tensors[read] for read in reads])
        ops.nodes[first].doc_string = f"Layer {layer.name!r} begins here"
    outputs = _outputs(ops, program, tensors[len(program.layers) - 1])
    graph = helper.make_graph(ops.nodes, program.name, [_image(program)], outputs, ops.constants)
    return _finished(graph, program)


def _finished(graph: GraphProto, program: Program) -> ModelProto:
    model = helper.make_model(
        graph,
        producer_name="bcsim",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(model, {**program.metadata, **_facts(program)})
    if model.ByteSize() > MAX_FILE_BYTES:
        raise BcsimError(
            f"Program {program.name!r} takes {model.ByteSize()} bytes in standard operators; "
            f"an ONNX file holds at most {MAX_FILE_BYTES}: compile it without --standard"
        )
    return shape_inference.infer_shapes(model)


def _facts(program: Program) -> dict[str, str]:
    scores = program.layers[-1].target
    return {
        STANDARD_KEY: "1",
        NOTES_KEY: json.dumps(program.notes),
        SCORE_SCALE_KEY: str(scores.scale),
        SCORE_OFFSET_KEY: str(scores.offset),
    }


def _image(program: Program) -> ValueInfoProto:
    pixel = program.input.pixel
    kind = TensorProto.UINT8 if pixel.bits <= 8 else TensorProto.UINT16
    doc = (
        f"Levels from 0 to {pixel.levels - 1}, as a data set stores them. A float x has the level nearest to "
        f"(x - {float(pixel.offset):.9g}) / {float(pixel.scale):.9g}."
    )
    return helper.make_tensor_value_info("image", kind, ["images", *program.input_shape], doc_string=doc)


def _input(ops: Operators, program: Program) -> str:
    """The first layer's source, float32, of the raw levels: in another order, then by a table."""
    ops.scope = "input"
    geometry, coding, levels = program.layers[0].geometry, program.input, "image"
    size = (geometry.height, geometry.width, geometry.channels[0])
    flat = size[:2] == (1, 1)
    if coding.order is not None:
        order = coding.order.reshape(size).transpose(2, 0, 1).reshape(-1)
        levels = ops.add("Gather", ops.add("Flatten", levels), ops.constant(order, "order"), axis=1)
    levels = ops.reshape(levels, [-1, size[2]] if flat else [-1, size[2], *size[:2]])
    if coding.table is None:
        return ops.cast(levels, TensorProto.FLOAT)
    places = ops.cast(levels, TensorProto.INT64)
    if len(coding.table) > coding.pixel.levels:
        starts = np.arange(len(coding.table), step=coding.pixel.levels)
        places = ops.add("Add", places, ops.constant(starts if flat else starts.reshape(-1, 1, 1), "starts"))
    return ops.add("Gather", ops.constant(coding.table.astype(np.float32), "table"), places, axis=0)


def _layer(ops: Operators, layer: DenseLayer, sources: list[str]) -> str:
    """q, float32 (n, O, rows, columns), or (n, O) at one position."""
    accumulator, geometry = accumulators(ops, layer, sources), layer.geometry
    q = requantised(ops, layer, accumulator, image=not is_flat(geometry))
    if geometry.pool is None:
        return q
    q = pooled(ops, q, geometry.pool, layer.minimum if isinstance(layer, ConvLayer) else None)
    return ops.add("Flatten", q) if geometry.output == (1, 1) else q


def _outputs(ops: Operators, program: Program, q: str) -> list[ValueInfoProto]:
    ops.scope = "output"
    rows, columns = program.layers[-1].geometry.output
    place = () if (rows, columns) == (1, 1) else (rows, columns)
    if place:
        q = ops.add("Transpose", q, perm=[0, 2, 3, 1])
    ops.end("Cast", q, "scores", to=TensorProto.UINT16)
    shape = ["images", *place, program.classes]
    scores = helper.make_tensor_value_info("scores", TensorProto.UINT16, shape, _meaning(program))
    if place:
        return [scores]
    _class(ops, program, q)
    doc = "The first greatest score" if program.classes > 1 else "1 where the score is positive, else 0"
    return [scores, helper.make_tensor_value_info("class", TensorProto.INT64, ["images"], doc)]


def _meaning(program: Program) -> str:
    target = program.layers[-1].target
    return f"A score q stands for {float(target.scale):.9g} * q + {float(target.offset):.9g} in the float network."


def _class(ops: Operators, program: Program, q: str) -> None:
    if program.classes > 1:
        ops.end("ArgMax", q, "class", axis=1, keepdims=0)
        return
    least = ops.constant(np.array(least_positive(program.layers[-1].target), np.float32), "least_positive")
    ops.end("Cast", ops.reshape(ops.add("GreaterOrEqual", q, least), [-1]), "class", to=TensorProto.INT64)
