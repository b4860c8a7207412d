"""Small ONNX models made in memory, and onnx's reference evaluator with QONNX's operators added."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from bcsim.common.errors import BcsimError
from bcsim.common.float_engine import onnxruntime
from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Graph
from bcsim.compiler.importer import import_onnx

Array = NDArray[Any]
BREVITAS = "onnx.brevitas"


def node(op: str, inputs: str, output: str, domain: str = "", **attributes: Any) -> NodeProto:
    """A node named after its output; inputs separated by blanks, "-" for one left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op, names, output.split(), f"n_{output.split()[0]}", domain=domain, **attributes)


def tensors(**arrays: Any) -> list[TensorProto]:
    """Initialisers; floats become float32."""
    made = []
    for name, values in arrays.items():
        array = np.asarray(values)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        made.append(numpy_helper.from_array(array, name))
    return made


def model(
    nodes: Sequence[NodeProto],
    initializers: Sequence[TensorProto] = (),
    shape: Sequence[int | str | None] = (4,),
    opset: int = 13,
    batch: int | str = "N",
) -> ModelProto:
    """A model from input x (batch, *shape) to output y."""
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])
    target = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "built", [source], [target], list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def save(built: ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(built.SerializeToString())
    return path


def imported(built: ModelProto, folder: Path) -> Graph:
    return import_onnx(save(built, folder))


def refusal(built: ModelProto, folder: Path) -> str:
    """The message with which the importer refuses the model."""
    with pytest.raises(BcsimError) as caught:
        imported(built, folder)
    return str(caught.value)


class BipolarQuant(OpRun):  # type: ignore[misc]
    op_domain = BREVITAS

    def _run(self, x: Array, scale: Array) -> tuple[Array]:
        return (np.where(x < 0, -scale, scale).astype(np.float32),)


class Quant(OpRun):  # type: ignore[misc]
    op_domain = BREVITAS

    def _run(
        self, x: Array, scale: Array, zero: Array, bits: Array, signed: int, narrow: int, rounding_mode: str
    ) -> tuple[Array]:
        levels = 2 ** int(bits)
        low = -levels // 2 + narrow if signed else 0
        high = levels // 2 - 1 if signed else levels - 1 - narrow
        rounding = {"ROUND": np.round, "FLOOR": np.floor, "CEIL": np.ceil}[rounding_mode]
        integers = rounding(np.minimum(np.maximum(x / scale + zero, low), high))
        return (((integers - zero) * scale).astype(np.float32),)


class MultiThreshold(OpRun):  # type: ignore[misc]
    op_domain = BREVITAS

    def _run(
        self, x: Array, thresholds: Array, out_scale: float, out_bias: float, out_dtype: str
    ) -> tuple[Array]:
        passed = (x[:, :, None] >= thresholds[None]).sum(axis=2)
        return ((passed * out_scale + out_bias).astype(np.float32),)


def reference(built: ModelProto, x: Array) -> Array:
    """y for x, float32, by onnx's reference evaluator."""
    copy = onnx.ModelProto()
    copy.CopyFrom(built)
    if all(entry.domain != BREVITAS for entry in copy.opset_import):
        copy.opset_import.append(helper.make_opsetid(BREVITAS, 1))
    evaluator = ReferenceEvaluator(copy, new_ops=[BipolarQuant, Quant, MultiThreshold])
    return np.asarray(evaluator.run(None, {"x": x.astype(np.float32)})[0])


def runtime(built: ModelProto, x: Array) -> Array:
    """y for x, float32, by onnxruntime."""
    session = onnxruntime.InferenceSession(built.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x.astype(np.float32)})[0])


def check_equal(
    built: ModelProto,
    folder: Path,
    x: Array,
    tolerance: float = 1e-5,
    witness: Callable[[ModelProto, Array], Array] = reference,
) -> Graph:
    """Hold the imported graph, in float64, to another evaluator of the file; the graph."""
    graph = imported(built, folder)
    values = evaluate_graph(graph, x.astype(np.float32).astype(np.float64))[graph.output]
    np.testing.assert_allclose(values, witness(built, x), rtol=tolerance, atol=tolerance)
    return graph
