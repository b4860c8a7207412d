"""The float network: the user's own ONNX file in onnxruntime, the figure that every level is compared with.

onnxruntime knows no QONNX operators; a file that has some goes through onnx's reference evaluator, to which
they are added here straight from their definitions, independently of the importer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, ValueInfoProto, helper

from bcsim.common.console import track
from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Conv, Graph, Node
from bcsim.compiler.graph.onnx_file import read_model
from bcsim.compiler.graph.shapes import Shape, tensor_shapes
from bcsim.compiler.program.classes import classes_of_scores
from bcsim.execution.qonnx_operators import OPERATORS, QONNX_NAMES

__all__ = ["FloatRun", "most_images", "run_float"]

Runner: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]

BATCH = 1000
MEMORY = 1 << 28
"""Bytes that the tensors of a batch may take together; the evaluator keeps all of them, and windows of one beside."""
ONNX_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")


@dataclass(frozen=True, slots=True)
class FloatRun:
    """What the float network says.

    scores : float64 (n, classes), the tensor that holds the class scores, before a final Softmax or ArgMax.
    classes : int64 (n,), the first greatest score of each image; of one score 1 where it is positive.
    engine : what computed them, for reports.
    """

    scores: NDArray[np.float64]
    classes: NDArray[np.int64]
    engine: str


def run_float(path: Path, graph: Graph, x: NDArray[np.generic]) -> FloatRun:
    """The network in the file `path` for the float input x (n, ...), in batches even where the file fixes one.

    graph : the same file as imported; names the input, its shape and the tensor of class scores.
    Raises BcsimError where no engine can run the file.
    """
    model = _rebatched(read_model(path).model, graph)
    info = next(value for value in model.graph.input if value.name == graph.input)
    images = x.reshape(len(x), *graph.input_shape).astype(helper.tensor_dtype_to_np_dtype(_element(info)))
    try:
        run, engine = _engine(model, graph, path)
        scores = _in_batches(run, images, most_images(graph))
    except Exception as error:  # both engines raise their own types, which say nothing to a user
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BcsimError(f"Float network {graph.name!r} cannot be run for comparison: {reason}") from error
    return FloatRun(scores, classes_of_scores(scores), engine)


def _engine(model: ModelProto, graph: Graph, path: Path) -> tuple[Runner, str]:
    """What runs the file in the precision it is in: onnxruntime, which has no bfloat16, else the evaluator."""
    if not all(_is_standard(node) for node in model.graph.node):
        return _evaluator(model, graph), "onnx reference evaluator with QONNX operators"
    from bcsim.common.float_engine import onnxruntime

    try:
        return _onnxruntime(model, graph, path), "onnxruntime"
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        return _evaluator(model, graph), "onnx reference evaluator"


def _is_standard(node: NodeProto) -> bool:
    """Whether onnxruntime may have it; old Brevitas wrote its quantisers without a domain."""
    return node.domain in ONNX_DOMAINS and node.op_type not in QONNX_NAMES


def _element(info: ValueInfoProto) -> int:
    return int(info.type.tensor_type.elem_type)


def _rebatched(model: ModelProto, graph: Graph) -> ModelProto:
    """The model with a free batch axis, and with the class scores as its only output."""
    for value in model.graph.input:
        if value.type.tensor_type.HasField("shape") and value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    own = model.graph.output[0].name
    del model.graph.value_info[:]
    del model.graph.output[:]
    # Without a type: the engines find the one that it has, which need not be float32.
    model.graph.output.append(ValueInfoProto(name=graph.output if _makes(model, graph.output) else own))
    return model


def _makes(model: ModelProto, name: str) -> bool:
    """Whether the file has the tensor; what integers of QuantizeLinear mean is one of the graph's alone."""
    return any(name in node.output for node in model.graph.node)


def _onnxruntime(model: ModelProto, graph: Graph, path: Path) -> Runner:
    from bcsim.common.float_engine import onnxruntime

    options = onnxruntime.SessionOptions()
    if any("Linear" in node.op_type for node in model.graph.node):
        # Beyond the basic ones, its optimisations round values of quantised files that the file leaves as they are.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4  # a fixed batch in the file makes it warn about every node
    # Between quantisers its optimiser rounds float weights to integers, and is off by whole steps then.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(path.parent))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: np.asarray(session.run(None, {graph.input: x})[0])


def _evaluator(model: ModelProto, graph: Graph) -> Runner:
    from onnx.reference import ReferenceEvaluator

    known = {entry.domain for entry in model.opset_import}
    domains = {node.domain for node in model.graph.node} - known
    model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in sorted(domains))
    session: Any = ReferenceEvaluator(model, new_ops=list(OPERATORS))

    def run(x: NDArray[Any]) -> NDArray[Any]:
        # Beyond floats lies infinity, without a word, as in onnxruntime.
        with np.errstate(all="ignore"):
            return np.asarray(session.run(None, {graph.input: x})[0])

    return run


def _batches(images: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    return (images[start : start + size] for start in range(0, len(images), size))


def most_images(graph: Graph) -> int:
    """How many images a batch may have, by the network's tensors in float32 and its widest convolution's windows."""
    shapes = tensor_shapes(graph)
    values = sum(map(prod, shapes.values())) + max(
        [0, *(_window_values(node, shapes) for node in graph.nodes)]
    )
    return min(BATCH, max(1, MEMORY // (4 * values)))


def _window_values(node: Node, shapes: Mapping[str, Shape]) -> int:
    """Values that a convolution reads, each as often as windows have it."""
    return prod(node.weights.shape[1:]) * prod(shapes[node.output][1:]) if isinstance(node, Conv) else 0


def _in_batches(run: Runner, images: NDArray[Any], most: int) -> NDArray[np.float64]:
    """Scores of all images; one at a time where the network holds more than the declared batch fixed."""
    first = min(most, len(images))
    size = first if _takes(run, images[:first]) else 1
    total = -(-len(images) // size)
    scores = [
        np.asarray(run(batch), dtype=np.float64).reshape(len(batch), -1)
        for batch in track(_batches(images, size), "Float network", total)
    ]
    return np.concatenate(scores)


def _takes(run: Runner, batch: NDArray[Any]) -> bool:
    """Whether a whole batch gives one row an image, the first the same as alone."""
    if len(batch) == 1:
        return True
    try:
        together = run(batch)
    except Exception:  # whatever the engine raises on a shape that does not fit
        return False
    if len(together) != len(batch):
        return False
    # Half precision rounds sums of another order in another way.
    tolerance = 1e-4 if together.dtype.itemsize >= 4 else 1e-1
    first, alone = (values.astype(np.float64) for values in (together[:1], run(batch[:1])))
    return np.allclose(first, alone, rtol=tolerance, atol=tolerance)
