"""ONNX files of trained networks: lean, unfused, checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from bcsim.common.errors import BcsimError
from bcsim.common.files import write_bytes
from bcsim.common.float_engine import onnxruntime
from bcsim.common.metadata import (
    DATASET_KEY,
    INPUT_OFFSET_KEY,
    INPUT_SCALE_KEY,
    PREPROCESSED_DATASET_KEY,
    PREPROCESSING_KEY,
    WEIGHTS_KEY,
)
from bcsim.models import preprocess
from bcsim.models.activation import Activation
from bcsim.models.recipes import Preprocessing, Recipe
from bcsim.models.topologies import Stage, Topology

Floats = NDArray[np.float32]

_OPSET = 21
_IR_VERSION = 10
# onnxruntime and PyTorch add float32 products in different orders; scores are of the order of 1.
_TOLERANCE = 1e-3
# One rounding the other way moves the scores this far at most, and happens to this part of the images at most.
_ROUNDED_TOLERANCE = 0.1
_TIES = 0.01
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class BakedLayer:
    """Linear layer and the BatchNorm behind it.

    weight : (outputs, inputs) or (outputs, inputs, rows, columns); int8 that holds only +1, -1 and, of
        ternary weights, 0; or float32 real weights.
    gamma, beta, mean, variance : float32 (outputs,).
    """

    weight: NDArray[np.int8] | Floats
    gamma: Floats
    beta: Floats
    mean: Floats
    variance: Floats
    epsilon: float

    @property
    def is_binary(self) -> bool:
        return self.weight.dtype == np.int8

    @property
    def stored(self) -> NDArray[Any]:
        """The weights as the file holds them: MatMul's are (inputs, outputs)."""
        return self.weight if self.weight.ndim > 2 else np.ascontiguousarray(self.weight.T)


def to_onnx(recipe: Recipe, layers: list[BakedLayer], *, packed: bool = False) -> onnx.ModelProto:
    """DequantizeLinear(weight) -> MatMul or Conv (-> MaxPool) -> BatchNormalization -> activation per layer.

    The last layer has no activation. Input `pixels` (N, *input_shape) and output `scores` (N, classes) are float32,
    N symbolic. `packed` stores two weights to a byte. The metadata give the meaning of the stored integers (input =
    bcsim.input_scale * integer + bcsim.input_offset) and what the host must have done to them.
    """
    topology, activation = recipe.topology, recipe.activation
    nodes: list[NodeProto] = []
    tensors, value = _constants(activation, layers), "pixels"
    for i, (stage, layer) in enumerate(zip(topology.stages, layers, strict=True), 1):
        result = "scores" if i == len(layers) else f"normalised{i}"
        nodes += _linear(i, stage, layer, value)
        nodes += _norm(i, stage, layer, result)
        tensors += _tensors(i, layer, packed)
        value = result
        if i < len(layers):
            nodes += _activation(i, activation, value)
            value = f"activation{i}"
    graph = helper.make_graph(
        nodes,
        topology.name,
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", *topology.input_shape])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", topology.classes])],
        tensors,
    )
    is_binary = all(layer.is_binary for layer in layers)
    return _model(graph, _metadata(topology, recipe.preprocess, is_binary))


def _constants(activation: Activation, layers: list[BakedLayer]) -> list[TensorProto]:
    """What all layers share."""
    values = {"one": np.array(1, np.float32)} if any(layer.is_binary for layer in layers) else {}
    if activation.is_sign:
        values["half"] = np.array(0.5, np.float32)
    elif not activation.is_real:
        bounds = {"step": activation.step, "bottom": 0, "top": activation.top}
        values |= {name: np.array(float(value), np.float32) for name, value in bounds.items()}
        values["zero"] = np.array(0, np.uint8)
    return [numpy_helper.from_array(array, name) for name, array in values.items()]


def _linear(i: int, stage: Stage, layer: BakedLayer, value: str) -> list[NodeProto]:
    nodes, weight = [], f"weight{i}"
    if layer.is_binary:
        weight = f"binary{i}"
        nodes.append(helper.make_node("DequantizeLinear", [f"weight{i}", "one"], [weight], f"dequantise{i}"))
    if stage.flattens:
        nodes.append(helper.make_node("Flatten", [value], ["flat"], "flatten"))
        value = "flat"
    if not stage.convolution:
        return [*nodes, helper.make_node("MatMul", [value, weight], [f"linear{i}"], f"matmul{i}")]
    pads = [layer.weight.shape[-1] // 2] * 4
    return [*nodes, helper.make_node("Conv", [value, weight], [f"linear{i}"], f"conv{i}", pads=pads)]


def _norm(i: int, stage: Stage, layer: BakedLayer, result: str) -> list[NodeProto]:
    nodes, value = [], f"linear{i}"
    if stage.pool:
        square: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
        nodes.append(helper.make_node("MaxPool", [value], [f"pooled{i}"], f"maxpool{i}", **square))
        value = f"pooled{i}"
    inputs = [value, *(f"{name}{i}" for name in ("gamma", "beta", "mean", "variance"))]
    norm = helper.make_node("BatchNormalization", inputs, [result], f"batchnorm{i}", epsilon=layer.epsilon)
    return [*nodes, norm]


def _activation(i: int, activation: Activation, value: str) -> list[NodeProto]:
    """Relu; or Sign(Sign(x) + 0.5), which makes 0 a +1; or quantisers, then what is above their bits cut off."""
    result = f"activation{i}"
    if activation.is_real:
        return [helper.make_node("Relu", [value], [result], f"relu{i}")]
    if activation.is_sign:
        return [
            helper.make_node("Sign", [value], [f"sign{i}"], f"sign{i}"),
            helper.make_node("Add", [f"sign{i}", "half"], [f"shifted{i}"], f"shift{i}"),
            helper.make_node("Sign", [f"shifted{i}"], [result], f"binarise{i}"),
        ]
    return [
        helper.make_node("QuantizeLinear", [value, "step", "zero"], [f"levels{i}"], f"quantise{i}"),
        helper.make_node("DequantizeLinear", [f"levels{i}", "step", "zero"], [f"steps{i}"], f"restore{i}"),
        helper.make_node("Clip", [f"steps{i}", "bottom", "top"], [result], f"clip{i}"),
    ]


def _tensors(i: int, layer: BakedLayer, packed: bool) -> list[TensorProto]:
    weight = layer.stored.astype(ml_dtypes.int4) if packed and layer.is_binary else layer.stored
    arrays = {name: getattr(layer, name) for name in ("gamma", "beta", "mean", "variance")}
    return [
        numpy_helper.from_array(array, f"{name}{i}") for name, array in {"weight": weight, **arrays}.items()
    ]


def _metadata(topology: Topology, preprocessing: Preprocessing, is_binary: bool) -> dict[str, str]:
    weights = {} if is_binary else {WEIGHTS_KEY: "real"}
    if preprocessing == "none":
        scale, offset = topology.scale, topology.offset
        source = {DATASET_KEY: topology.dataset}
    else:
        scale, offset = preprocess.SCALE, preprocess.OFFSET
        source = {PREPROCESSING_KEY: preprocessing, PREPROCESSED_DATASET_KEY: topology.dataset}
    return {
        **source,
        INPUT_SCALE_KEY: str(scale),
        INPUT_OFFSET_KEY: str(offset),
        **weights,
    }


def _model(graph: onnx.GraphProto, metadata: dict[str, str]) -> onnx.ModelProto:
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, ir_version=_IR_VERSION, opset_imports=opset, producer_name="bcsim")
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


def check(
    model: onnx.ModelProto,
    x: Floats,
    expected: Floats,
    *,
    is_exact: bool = True,
    is_ternary: bool = False,
) -> None:
    """Hold `model` in onnxruntime to the scores `expected` (n, classes) for `x` (n, *input_shape).

    Raises BcsimError unless every stored integer weight is +1, -1 or, `is_ternary`, 0, all scores are close and all
    classes equal.
    Without `is_exact`, for networks that round within, one image in 100 may be further off: sums near a tie fall on
    either side.
    """
    for tensor in model.graph.initializer:
        if not tensor.name.startswith("weight") or tensor.data_type == TensorProto.FLOAT:
            continue
        sizes = np.abs(numpy_helper.to_array(tensor).astype(np.int8))
        if not np.isin(sizes, (0, 1) if is_ternary else 1).all():
            accepted = "+1, 0 and -1" if is_ternary else "+1 and -1"
            raise BcsimError(f"Exported tensor {tensor.name} has values other than {accepted}")
    got = _run(model, x)
    differences = np.max(np.abs(got - expected), axis=1)
    classes = got.argmax(1) != expected.argmax(1)
    wrong = ~(differences <= (_TOLERANCE if is_exact else _ROUNDED_TOLERANCE)) | classes
    if wrong.sum() > (0 if is_exact else len(x) * _TIES):
        raise BcsimError(
            f"Exported network differs from the trained one: scores by {np.max(differences):.2g}, "
            f"classes of {classes.sum()} of {len(x)} images"
        )


def _run(model: onnx.ModelProto, x: Floats) -> Floats:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    file, providers = model.SerializeToString(), ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(file, options, providers=providers)
    parts = [session.run(None, {"pixels": x[i : i + _BATCH]})[0] for i in range(0, len(x), _BATCH)]
    return np.concatenate(parts)


def write(path: Path, model: onnx.ModelProto) -> None:
    """Write `model` to `path`, byte for byte the same for the same model."""
    write_bytes(path, model.SerializeToString(deterministic=True))
