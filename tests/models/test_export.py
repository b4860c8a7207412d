import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from bcsim.common.errors import BcsimError
from bcsim.compiler.importer import import_onnx
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.program.layers import Encoding
from bcsim.models.activation import Activation
from bcsim.models.export import BakedLayer, check, to_onnx, write
from bcsim.models.recipes import Recipe, recipe_for

_SMALL = Recipe("digits", width=5)
_CNN = Recipe("digits-cnn", width=4)


def _layer(rng: np.random.Generator, shape: tuple[int, ...]) -> BakedLayer:
    gamma, beta, mean = rng.normal(size=(3, shape[0])).astype(np.float32)
    variance = rng.uniform(9, 40, shape[0]).astype(np.float32)
    return BakedLayer(rng.choice([-1, 1], shape).astype(np.int8), gamma, beta, mean, variance, 1e-4)


def _layers(recipe: Recipe) -> list[BakedLayer]:
    rng = np.random.default_rng(1)
    return [_layer(rng, stage.weight_shape) for stage in recipe.topology.stages]


def _inputs(recipe: Recipe, n: int = 11) -> np.ndarray:
    levels = np.random.default_rng(2).integers(0, 17, (n, *recipe.topology.input_shape))
    return (levels / 8 - 1).astype(np.float32)


def _convolved(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return np.einsum("nirckl,oikl->norc", windows, weight.astype(np.float64))


def _activated(x: np.ndarray, activation: Activation) -> np.ndarray:
    if activation.is_real:
        return np.maximum(x, 0)
    if activation.is_sign:
        return np.where(x >= 0, 1.0, -1.0)
    return np.clip(np.rint(x / float(activation.step)), 0, 2**activation.bits - 1) * float(activation.step)


def _expected(recipe: Recipe, layers: list[BakedLayer], x: np.ndarray) -> np.ndarray:
    """The scores, straight from the definition, in float64."""
    value = x.astype(np.float64)
    for stage, layer in zip(recipe.topology.stages, layers, strict=True):
        if stage.convolution:
            value = _convolved(value, layer.weight)
        else:
            value = value.reshape(len(x), -1) @ layer.weight.T.astype(np.float64)
        if stage.pool:
            n, channels, rows, columns = value.shape
            value = value.reshape(n, channels, rows // 2, 2, columns // 2, 2).max(axis=(3, 5))
        shape = (1, -1, *[1] * (value.ndim - 2))
        gain = layer.gamma / np.sqrt(layer.variance.astype(np.float64) + layer.epsilon)
        value = (value - layer.mean.reshape(shape)) * gain.reshape(shape) + layer.beta.reshape(shape)
        if layer is not layers[-1]:
            value = _activated(value, recipe.activation)
    return value.astype(np.float32)


@pytest.fixture
def layers() -> list[BakedLayer]:
    return _layers(_SMALL)


@pytest.fixture
def x() -> np.ndarray:
    return _inputs(_SMALL)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("bits", [0, 1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("network", ["digits", "digits-cnn"])
def test_file_computes_what_its_definition_says(network: str, bits: int, packed: bool) -> None:
    given = {"method": "bnn"} if bits == 1 else {"activation_bits": bits}
    recipe = recipe_for({"network": network, "width": 6, **given})
    layers, x = _layers(recipe), _inputs(recipe)
    check(to_onnx(recipe, layers, packed=packed), x, _expected(recipe, layers, x))


@pytest.mark.parametrize("network", ["digits", "digits-cnn"])
@pytest.mark.parametrize("bits", range(1, 9))
def test_quantised_networks_compile_exactly(bits: int, network: str, tmp_path: Path) -> None:
    given = {"method": "bnn"} if bits == 1 else {"activation_bits": bits}
    recipe = recipe_for({"network": network, "width": 5, **given})
    write(tmp_path / "net.onnx", to_onnx(recipe, _layers(recipe)))
    topology = recipe.topology
    program = lower(import_onnx(tmp_path / "net.onnx"), pixel=Encoding(5, topology.scale, topology.offset))
    assert program.exact
    # Where a convolution pads a sign, 0 is a third value.
    expected = [2 if bits == 1 and layer.convolution else bits for layer in topology.stages[1:]]
    assert [layer.source.bits for layer in program.layers[1:]] == expected


def test_fast_networks_compile_exactly(tmp_path: Path) -> None:
    recipe = recipe_for({"network": "cifar10-fast", "width": 3})
    write(tmp_path / "net.onnx", to_onnx(recipe, _layers(recipe), packed=True))
    topology = recipe.topology
    program = lower(import_onnx(tmp_path / "net.onnx"), pixel=Encoding(8, topology.scale, topology.offset))
    assert program.exact
    assert [layer.source.bits for layer in program.layers] == [8, 4, 4, 4, 4, 4, 4, 4]


def test_reference_evaluator_agrees(layers: list[BakedLayer], x: np.ndarray) -> None:
    (got,) = ReferenceEvaluator(to_onnx(_SMALL, layers)).run(None, {"pixels": x})
    np.testing.assert_allclose(np.asarray(got), _expected(_SMALL, layers, x), rtol=1e-4, atol=1e-4)


def test_file_is_lean_and_modest(layers: list[BakedLayer]) -> None:
    model = to_onnx(_SMALL, layers)
    assert model.ir_version == 10
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 21)]
    norm = ["DequantizeLinear", "MatMul", "BatchNormalization"]
    assert [node.op_type for node in model.graph.node] == [*norm, "Relu", *norm, "Relu", *norm]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    assert {p.key: p.value for p in model.metadata_props} == {
        "bcsim.dataset": "digits",
        "bcsim.input_scale": "1/8",
        "bcsim.input_offset": "-1",
    }


def test_convolutions_keep_the_papers_order() -> None:
    model = to_onnx(_CNN, _layers(_CNN))
    assert [node.op_type for node in model.graph.node][:6] == [
        "DequantizeLinear", "Conv", "MaxPool", "BatchNormalization", "Relu", "DequantizeLinear"
    ]  # fmt: skip
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value or dim.dim_param for dim in dims] == ["N", 1, 8, 8]


def test_packed_weights_take_half_the_bytes(layers: list[BakedLayer]) -> None:
    stored = {t.name: t for t in to_onnx(_SMALL, layers, packed=True).graph.initializer}
    assert stored["weight1"].data_type == TensorProto.INT4
    assert len(stored["weight1"].raw_data) == 64 * 5 // 2


def test_preprocessed_network_names_no_data_set(layers: list[BakedLayer]) -> None:
    model = to_onnx(Recipe("digits", width=5, preprocess="gcn-zca"), layers)
    assert {p.key: p.value for p in model.metadata_props} == {
        "bcsim.preprocessing": "gcn-zca",
        "bcsim.preprocessed_dataset": "digits",
        "bcsim.input_scale": "1/32",
        "bcsim.input_offset": "-4",
    }


def test_real_weights_say_so_and_do_not_compile(
    layers: list[BakedLayer], tmp_path: Path, x: np.ndarray
) -> None:
    real = [dataclasses.replace(layer, weight=layer.weight * np.float32(0.3)) for layer in layers]
    model = to_onnx(_SMALL, real)
    check(model, x, _expected(_SMALL, real, x))
    path = tmp_path / "real.onnx"
    write(path, model)
    with pytest.raises(BcsimError) as caught:
        import_onnx(path)
    assert str(caught.value) == (
        f"File {path} says that its weights are real (bcsim.weights): it runs as a float network, in onnxruntime, "
        "and compiles with --weight-bits alone, which rounds them"
    )


def test_rounding_networks_may_differ_in_one_image_of_a_hundred(layers: list[BakedLayer]) -> None:
    x = _inputs(_SMALL, 200)
    model, expected = to_onnx(_SMALL, layers), _expected(_SMALL, layers, x)
    expected[:2] += 0.5
    check(model, x, expected, is_exact=False)
    expected[2] += 0.5
    with pytest.raises(BcsimError) as caught:
        check(model, x, expected, is_exact=False)
    message = "Exported network differs from the trained one: scores by 0.5, classes of 0 of 200 images"
    assert str(caught.value) == message


def test_check_refuses_other_scores(layers: list[BakedLayer], x: np.ndarray) -> None:
    with pytest.raises(BcsimError) as caught:
        check(to_onnx(_SMALL, layers), x, _expected(_SMALL, layers, x) + np.float32(0.5))
    message = "Exported network differs from the trained one: scores by 0.5, classes of 0 of 11 images"
    assert str(caught.value) == message


def test_check_refuses_nan_scores(layers: list[BakedLayer], x: np.ndarray) -> None:
    with pytest.raises(BcsimError, match=r"^Exported network differs from the trained one: scores by nan, "):
        check(to_onnx(_SMALL, layers), x, np.full((11, 10), np.nan, np.float32))


def test_check_refuses_weights_that_are_not_binary(layers: list[BakedLayer], x: np.ndarray) -> None:
    layers[1].weight[2, 1] = 0
    with pytest.raises(BcsimError) as caught:
        check(to_onnx(_SMALL, layers), x, _expected(_SMALL, layers, x))
    assert str(caught.value) == "Exported tensor weight2 has values other than +1 and -1"
    check(to_onnx(_SMALL, layers), x, _expected(_SMALL, layers, x), is_ternary=True)
    layers[1].weight[2, 1] = 2
    with pytest.raises(BcsimError, match=r"^Exported tensor weight2 has values other than \+1, 0 and -1$"):
        check(to_onnx(_SMALL, layers), x, _expected(_SMALL, layers, x), is_ternary=True)


def test_ternary_networks_compile_exactly(tmp_path: Path) -> None:
    recipe = recipe_for({"network": "digits", "width": 5, "method": "ternary", "activation_bits": 4})
    layers = _layers(recipe)
    for layer in layers:
        layer.weight[np.random.default_rng(3).random(layer.weight.shape) < 0.4] = 0
    write(tmp_path / "net.onnx", to_onnx(recipe, layers, packed=True))
    topology = recipe.topology
    program = lower(import_onnx(tmp_path / "net.onnx"), pixel=Encoding(5, topology.scale, topology.offset))
    assert program.exact


def test_write_leaves_nothing_beside(tmp_path: Path, layers: list[BakedLayer]) -> None:
    write(tmp_path / "small.onnx", to_onnx(_SMALL, layers))
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]
    stored = onnx.load(tmp_path / "small.onnx").graph.initializer
    weight = next(numpy_helper.to_array(tensor) for tensor in stored if tensor.name == "weight1")
    assert np.array_equal(weight, layers[0].weight.T)


def test_write_says_why_it_failed(tmp_path: Path, layers: list[BakedLayer]) -> None:
    path = tmp_path / "missing" / "small.onnx"
    with pytest.raises(BcsimError) as caught:
        write(path, to_onnx(_SMALL, layers))
    assert str(caught.value) == f"Cannot write {path}: No such file or directory"
