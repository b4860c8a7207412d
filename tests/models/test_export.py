from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from bcsim.errors import BcsimError
from bcsim.models.export import DenseLayer, check, to_onnx, write
from bcsim.models.topologies import Topology

_SMALL = Topology("small", "none", (7, 5, 3), Fraction(2, 255), Fraction(-1))


def _layer(rng: np.random.Generator, inputs: int, outputs: int) -> DenseLayer:
    gamma, beta, mean = rng.normal(size=(3, outputs)).astype(np.float32)
    variance = rng.uniform(0.5, 2, outputs).astype(np.float32)
    weight = rng.choice([-1, 1], (inputs, outputs)).astype(np.int8)
    return DenseLayer(weight, gamma, beta, mean, variance, 1e-4)


def _apply(layer: DenseLayer, x: np.ndarray) -> np.ndarray:
    normal = (x @ layer.weight.astype(np.float64) - layer.mean) / np.sqrt(layer.variance + layer.epsilon)
    return np.asarray(normal * layer.gamma + layer.beta)


@pytest.fixture
def layers() -> list[DenseLayer]:
    rng = np.random.default_rng(1)
    return [_layer(rng, 7, 5), _layer(rng, 5, 3)]


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(2).uniform(-1, 1, (11, 7)).astype(np.float32)


def _expected(layers: list[DenseLayer], x: np.ndarray) -> np.ndarray:
    return _apply(layers[1], np.maximum(_apply(layers[0], x), 0)).astype(np.float32)


def test_file_computes_what_its_layers_say(layers: list[DenseLayer], x: np.ndarray) -> None:
    model = to_onnx(_SMALL, layers)
    check(model, x, _expected(layers, x))
    (got,) = ReferenceEvaluator(model).run(None, {"pixels": x})
    np.testing.assert_allclose(np.asarray(got), _expected(layers, x), rtol=1e-4, atol=1e-4)


def test_file_is_lean_and_modest(layers: list[DenseLayer]) -> None:
    model = to_onnx(_SMALL, layers)
    assert model.ir_version == 10
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 21)]
    norm = ["DequantizeLinear", "MatMul", "BatchNormalization"]
    assert [node.op_type for node in model.graph.node] == [*norm, "Relu", *norm]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    assert {p.key: p.value for p in model.metadata_props} == {
        "bcsim.dataset": "none",
        "bcsim.input_scale": "2/255",
        "bcsim.input_offset": "-1",
    }


def test_check_refuses_other_scores(layers: list[DenseLayer], x: np.ndarray) -> None:
    with pytest.raises(BcsimError) as caught:
        check(to_onnx(_SMALL, layers), x, _expected(layers, x) + np.float32(0.5))
    message = "Exported network differs from the trained one: scores by 0.5, classes of 0 of 11 images"
    assert str(caught.value) == message


def test_check_refuses_nan_scores(layers: list[DenseLayer], x: np.ndarray) -> None:
    with pytest.raises(BcsimError, match=r"^Exported network differs from the trained one: scores by nan, "):
        check(to_onnx(_SMALL, layers), x, np.full((11, 3), np.nan, np.float32))


def test_check_refuses_weights_that_are_not_binary(layers: list[DenseLayer], x: np.ndarray) -> None:
    layers[1].weight[2, 1] = 0
    with pytest.raises(BcsimError) as caught:
        check(to_onnx(_SMALL, layers), x, _expected(layers, x))
    assert str(caught.value) == "Exported tensor weight2 has values other than +1 and -1"


def test_write_leaves_nothing_beside(tmp_path: Path, layers: list[DenseLayer]) -> None:
    write(tmp_path / "small.onnx", to_onnx(_SMALL, layers))
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]
    stored = onnx.load(tmp_path / "small.onnx").graph.initializer
    weight = next(numpy_helper.to_array(tensor) for tensor in stored if tensor.name == "weight1")
    assert np.array_equal(weight, layers[0].weight)


def test_write_says_why_it_failed(tmp_path: Path, layers: list[DenseLayer]) -> None:
    path = tmp_path / "missing" / "small.onnx"
    with pytest.raises(BcsimError) as caught:
        write(path, to_onnx(_SMALL, layers))
    assert str(caught.value) == f"Cannot write {path}: No such file or directory"
