"""The float network run for comparison: batches, fixed batch sizes, QONNX operators, score tensors."""

import os
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Conv, Graph, Relu
from bcsim.compiler.importer import import_onnx
from bcsim.data import load_dataset
from bcsim.execution.float_reference import MEMORY, most_images, run_float
from bcsim.execution.input_text import reading_from_text
from tests.compiler.build import BREVITAS, model, node, save, tensors

RNG = np.random.default_rng(0)
WEIGHTS = np.where(RNG.random((4, 3)) < 0.5, -1.0, 1.0)
X = RNG.normal(size=(2500, 4))


def built(tmp_path: Path, *nodes: onnx.NodeProto, batch: int | str = "N", **arrays: object) -> Path:
    return save(model(nodes, tensors(w=WEIGHTS, **arrays), batch=batch), tmp_path)


@pytest.mark.parametrize("batch", ["N", 1, 7])
def test_batches_whatever_the_file_declares(tmp_path: Path, batch: int | str) -> None:
    path = built(tmp_path, node("MatMul", "x w", "y"), batch=batch)
    found = run_float(path, import_onnx(path), X)
    np.testing.assert_allclose(found.scores, X @ WEIGHTS, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.classes, found.scores.argmax(axis=1))
    assert found.engine == "onnxruntime"


def test_batch_of_one_held_in_the_nodes(tmp_path: Path) -> None:
    path = built(
        tmp_path, node("Reshape", "x s", "r"), node("MatMul", "r w", "y"), batch=1, s=np.array([1, 4])
    )
    found = run_float(path, Graph("g", "x", (4,), (), "y"), X[:9])
    np.testing.assert_allclose(found.scores, X[:9] @ WEIGHTS, rtol=1e-4, atol=1e-5)


def test_scores_are_what_stands_before_softmax(tmp_path: Path) -> None:
    path = built(tmp_path, node("MatMul", "x w", "s"), node("Softmax", "s", "y"))
    found = run_float(path, import_onnx(path), X[:50])
    np.testing.assert_allclose(found.scores, X[:50] @ WEIGHTS, rtol=1e-4, atol=1e-5)


def test_qonnx_operators_go_through_the_evaluator(tmp_path: Path) -> None:
    nodes = (
        node("Quant", "x scale zero bits", "q", BREVITAS, signed=1, narrow=0, rounding_mode="ROUND"),
        node("BipolarQuant", "latent scale", "b", BREVITAS),
        node("MatMul", "q b", "y"),
    )
    latent = RNG.normal(size=(4, 3))
    path = built(tmp_path, *nodes, scale=0.5, zero=0.0, bits=3.0, latent=latent)
    found = run_float(path, import_onnx(path), X)
    quantised = np.clip(np.rint(X.astype(np.float32) / 0.5), -4, 3) * 0.5
    np.testing.assert_allclose(
        found.scores, quantised @ np.where(latent >= 0, 0.5, -0.5), rtol=1e-5, atol=1e-5
    )
    assert found.engine == "onnx reference evaluator with QONNX operators"


def test_batch_normalisation_before_opset_14_is_not_training(tmp_path: Path) -> None:
    nodes = (
        node("Quant", "x scale zero bits", "q", BREVITAS, signed=1),
        node("MatMul", "q w", "m"),
        node("BatchNormalization", "m gamma beta mean variance", "y", momentum=0.9),
    )
    three = np.ones(3)
    arrays = {"gamma": 2 * three, "beta": three, "mean": 3 * three, "variance": 4 * three}
    weights = [numpy_helper.from_array(WEIGHTS.astype(np.float32), "w")]
    extra = tensors(scale=0.25, zero=0.0, bits=8.0, **arrays)
    path = save(model(nodes, weights + extra, opset=9), tmp_path)
    found = run_float(path, import_onnx(path), X)
    expected = evaluate_graph(import_onnx(path), X)["y"]
    np.testing.assert_allclose(found.scores, expected, rtol=1e-4, atol=1e-4)


def test_floats_that_overflow_are_infinite_without_a_word(tmp_path: Path) -> None:
    quantiser = node("Quant", "m s z b", "y", BREVITAS, signed=1, narrow=0, rounding_mode="ROUND")
    path = built(
        tmp_path, node("MatMul", "x w", "m"), quantiser, s=np.float32(1e-38), z=np.float32(0), b=np.float32(8)
    )
    found = run_float(path, Graph("g", "x", (4,), (), "y"), 100 * X[:9])
    sums = (100 * X[:9]).astype(np.float32) @ WEIGHTS.astype(np.float32)
    np.testing.assert_allclose(found.scores, np.where(sums > 0, 127, -128) * 1e-38, rtol=1e-6)


def test_multi_threshold_counts_thresholds_reached(tmp_path: Path) -> None:
    thresholds = np.sort(RNG.normal(size=(3, 3)), axis=1)
    domain = "finn.custom_op.general"
    multi = node("MultiThreshold", "m t", "y", domain, out_scale=0.5, out_bias=-1.0, out_dtype="UINT2")
    path = built(tmp_path, node("MatMul", "x w", "m"), multi, t=thresholds)
    found = run_float(path, Graph("g", "x", (4,), (), "y"), X[:300])
    sums = X[:300].astype(np.float32) @ WEIGHTS.astype(np.float32)
    expected = 0.5 * (sums[:, :, None] >= thresholds.astype(np.float32)).sum(axis=2) - 1
    np.testing.assert_allclose(found.scores, expected)


def test_what_no_engine_can_run(tmp_path: Path) -> None:
    path = built(tmp_path, node("MatMul", "x w", "m"), node("Reshape", "m s", "y"), s=np.array([5, 7]))
    with pytest.raises(BcsimError, match=r"^Float network 'g' cannot be run for comparison: .+$"):
        run_float(path, Graph("g", "x", (4,), (), "y"), X)


def models() -> Path:
    data = os.environ.get("BCSIM_DATA")
    if data is None or not (Path(data).parent / "models").is_dir():
        pytest.skip("other people's networks are not at hand (BCSIM_DATA/../models)")
    return Path(data).parent / "models"


@pytest.mark.parametrize(("name", "correct"), [("TFC_1W1A", 9296), ("TFC_1W2A", 9474), ("TFC_2W2A", 9660)])
def test_accuracy_of_the_qonnx_networks(name: str, correct: int) -> None:
    path, data = models() / "qonnx_tfc" / f"{name}.onnx", load_dataset("mnist")
    found = run_float(path, import_onnx(path), reading_from_text("unit", 8, 255).floats(data.x))
    assert int((found.classes == data.y).sum()) == correct


def test_accuracy_of_lfc_whose_batch_is_one() -> None:
    path, data = models() / "bnn_pynq" / "mnist-lfcW1A1.onnx", load_dataset("mnist")
    found = run_float(path, import_onnx(path), reading_from_text("sign", 8, 255).floats(data.x))
    assert int((found.classes == data.y).sum()) == 9834


def test_external_weights_are_found_beside_the_file(tmp_path: Path) -> None:
    proto = model([node("MatMul", "x w", "y")], tensors(w=WEIGHTS))
    onnx.save(proto, str(tmp_path / "m.onnx"), save_as_external_data=True, location="w.bin", size_threshold=0)
    path = tmp_path / "m.onnx"
    found = run_float(path, Graph("m", "x", (4,), (), "y"), X[:5])
    np.testing.assert_allclose(found.scores, X[:5] @ WEIGHTS, rtol=1e-4, atol=1e-5)


def test_message_is_one_line(tmp_path: Path) -> None:
    path = built(tmp_path, helper.make_node("Gather", ["x", "i"], ["y"], axis=1), i=np.array([99]))
    with pytest.raises(BcsimError) as raised:
        run_float(path, Graph("g", "x", (4,), (), "y"), X)
    assert re.fullmatch(r"[^\n]+", str(raised.value))


def test_qonnx_operators_without_a_domain(tmp_path: Path) -> None:
    quant = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
    arrays = {"scale": 0.5, "zero": 0.0, "bits": 3.0}
    found = []
    for domain in ("", BREVITAS):
        nodes = (node("Quant", "x scale zero bits", "q", domain, **quant), node("MatMul", "q w", "y"))
        path = built(tmp_path, *nodes, **arrays)
        found.append(run_float(path, import_onnx(path), X[:40]))
    np.testing.assert_array_equal(found[0].scores, found[1].scores)
    assert found[0].engine == "onnx reference evaluator with QONNX operators"


@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        (onnx.TensorProto.FLOAT16, "onnxruntime"),
        (onnx.TensorProto.BFLOAT16, "onnx reference evaluator"),
        (onnx.TensorProto.DOUBLE, "onnxruntime"),
    ],
)
@pytest.mark.parametrize("cast", [True, False])
def test_other_precisions(tmp_path: Path, kind: int, engine: str, cast: bool) -> None:
    """Casts at both ends or none: the file runs in its own precision, and its scores come in float64."""
    precision = helper.tensor_dtype_to_np_dtype(kind)
    weights = numpy_helper.from_array((WEIGHTS / 3).astype(precision), "w")
    nodes = [node("MatMul", "x w", "y")]
    if cast:
        nodes = [node("Cast", "x", "h", to=kind), node("MatMul", "h w", "a"), node("Cast", "a", "y", to=1)]
    made = model(nodes, [weights])
    if not cast:
        for value in (*made.graph.input, *made.graph.output):
            value.type.tensor_type.elem_type = kind
    path = save(made, tmp_path)
    found = run_float(path, import_onnx(path), X[:40])
    assert found.engine == engine
    rounded = X[:40].astype(precision).astype(np.float64) @ (WEIGHTS / 3).astype(precision).astype(np.float64)
    np.testing.assert_allclose(
        found.scores, rounded, atol=4 * float(np.finfo(np.float32).eps if kind == 11 else 0.01)
    )
    assert (found.scores == found.scores.astype(precision).astype(np.float64)).all()


def test_float_weights_between_quantisers_are_not_rounded(tmp_path: Path) -> None:
    """onnxruntime's optimiser makes 8-bit integers of a float matrix between two pairs of quantisers."""
    weights = np.random.default_rng(1).choice([-0.5, 0.0, 0.5], (12, 2))
    path = save(
        model(
            [
                *(node("QuantizeLinear", "x one zero", "q"), node("DequantizeLinear", "q one zero", "d")),
                *(node("MatMul", "d w", "m"), node("Add", "m b", "s")),
                *(node("QuantizeLinear", "s four zero", "r"), node("DequantizeLinear", "r four zero", "y")),
            ],
            tensors(w=weights, b=np.array([-6.0, 3.0]), one=1.0, four=4.0, zero=np.uint8(0)),
            shape=(12,),
            opset=17,
        ),
        tmp_path,
    )
    x = np.random.default_rng(2).integers(0, 7, (200, 12)).astype(float)
    found = run_float(path, Graph("g", "x", (12,), (), "y"), x)
    expected = 4 * np.maximum(np.rint((x @ weights + [-6, 3]) / 4), 0)
    np.testing.assert_array_equal(found.scores, expected)


@pytest.mark.parametrize(("side", "most"), [(1, 1000), (64, 113), (1024, 1)])
def test_batches_are_as_large_as_memory_has_room_for(side: int, most: int) -> None:
    """64 x 64 with 32 channels: the input, the convolution, its quantiser, and 9 * 8 values a window."""
    weights = np.ones((32, 8, 3, 3), np.int16)
    pads = (1, 1, 1, 1)
    nodes = (
        Conv("c", "Conv", ("x",), "c", weights, np.ones(32), (1, 1), pads, 1),
        Relu("r", "Relu", ("c",), "r"),
    )
    graph = Graph("g", "x", (8, side, side), nodes, "r")
    values = (8 + 2 * 32 + 9 * 8) * side**2
    assert most_images(graph) == min(1000, max(1, MEMORY // (4 * values))) == most
