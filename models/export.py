"""ONNX files of trained BinaryConnect networks: lean, unfused, checked."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bcsim.errors import BcsimError
from bcsim.files import write_bytes
from bcsim.models.topologies import Topology

Floats = NDArray[np.float32]

_OPSET = 21
_IR_VERSION = 10
# onnxruntime and PyTorch add float32 products in different orders; scores are of the order of 1.
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """Binary linear layer and the BatchNorm behind it.

    `weight` (inputs, outputs) int8 holds only +1 and -1; `gamma`, `beta`, `mean` and `variance` are
    (outputs,) float32.
    """

    weight: NDArray[np.int8]
    gamma: Floats
    beta: Floats
    mean: Floats
    variance: Floats
    epsilon: float


def to_onnx(topology: Topology, layers: list[DenseLayer]) -> onnx.ModelProto:
    """DequantizeLinear(weight) -> MatMul -> BatchNormalization -> Relu per layer; no Relu at the end.

    Input `pixels` (N, features) and output `scores` (N, classes) are float32, N symbolic. The metadata give
    the meaning of the data set's stored integers: input = bcsim.input_scale * integer + bcsim.input_offset.
    """
    nodes, tensors, value = [], [numpy_helper.from_array(np.array(1, np.float32), "one")], "pixels"
    for i, layer in enumerate(layers, 1):
        result = "scores" if i == len(layers) else f"normalised{i}"
        nodes += _nodes(i, layer.epsilon, value, result)
        tensors += _tensors(i, layer)
        value = result
        if i < len(layers):
            value = f"activation{i}"
            nodes.append(helper.make_node("Relu", [result], [value], f"relu{i}"))
    graph = helper.make_graph(
        nodes,
        topology.name,
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", topology.widths[0]])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", topology.widths[-1]])],
        tensors,
    )
    return _model(graph, topology)


def _nodes(i: int, epsilon: float, value: str, result: str) -> list[onnx.NodeProto]:
    norm = [f"linear{i}", *(f"{name}{i}" for name in ("gamma", "beta", "mean", "variance"))]
    return [
        helper.make_node("DequantizeLinear", [f"weight{i}", "one"], [f"binary{i}"], f"dequantise{i}"),
        helper.make_node("MatMul", [value, f"binary{i}"], [f"linear{i}"], f"matmul{i}"),
        helper.make_node("BatchNormalization", norm, [result], f"batchnorm{i}", epsilon=epsilon),
    ]


def _tensors(i: int, layer: DenseLayer) -> list[onnx.TensorProto]:
    names = ("weight", "gamma", "beta", "mean", "variance")
    return [numpy_helper.from_array(getattr(layer, name), f"{name}{i}") for name in names]


def _model(graph: onnx.GraphProto, topology: Topology) -> onnx.ModelProto:
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, ir_version=_IR_VERSION, opset_imports=opset, producer_name="bcsim")
    metadata = {
        "bcsim.dataset": topology.dataset,
        "bcsim.input_scale": str(topology.scale),
        "bcsim.input_offset": str(topology.offset),
    }
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


def check(model: onnx.ModelProto, x: Floats, expected: Floats) -> None:
    """Hold `model` in onnxruntime to the scores `expected` (n, classes) for `x` (n, features).

    Raises BcsimError unless every weight is +1 or -1, all scores are close and all classes equal.
    """
    for tensor in model.graph.initializer:
        if tensor.name.startswith("weight") and not np.all(np.abs(numpy_helper.to_array(tensor)) == 1):
            raise BcsimError(f"Exported tensor {tensor.name} has values other than +1 and -1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    got = session.run(None, {"pixels": x})[0]
    difference = float(np.max(np.abs(got - expected)))
    classes = int(np.sum(got.argmax(1) != expected.argmax(1)))
    if not difference <= _TOLERANCE or classes:
        raise BcsimError(
            f"Exported network differs from the trained one: scores by {difference:.2g}, "
            f"classes of {classes} of {len(x)} images"
        )


def write(path: Path, model: onnx.ModelProto) -> None:
    """Write `model` to `path`, byte for byte the same for the same model."""
    write_bytes(path, model.SerializeToString(deterministic=True))
