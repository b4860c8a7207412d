"""Networks that others trained, held to published figures; and what random damage does to a file."""

import gzip
import os
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Conv, Dense
from bcsim.compiler.importer import import_onnx, inspect_onnx
from bcsim.models import SHIPPED, shipped_path
from tests.compiler.build import BREVITAS, check_equal, model, node, tensors

DATA = Path(os.environ.get("BCSIM_DATA", "/nonexistent"))


def network(name):
    path = DATA.parent / "models" / name
    if not path.is_file():
        pytest.skip(f"{name} is not there: set BCSIM_DATA to the data folder beside the networks' folder")
    return path


@pytest.fixture(scope="module")
def mnist():
    folder = DATA / "mnist"
    if not folder.is_dir():
        pytest.skip("MNIST is not there: set BCSIM_DATA to the data folder")
    images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    return np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784), np.frombuffer(
        labels, np.uint8, offset=8
    )


def correct(graph, x, labels):
    return int((evaluate_graph(graph, x)[graph.output].argmax(axis=1) == labels).sum())


@pytest.mark.parametrize(("name", "expected"), [("TFC_1W1A", 9296), ("TFC_1W2A", 9474), ("TFC_2W2A", 9660)])
def test_tfc_accuracy(name, expected, mnist):
    graph = import_onnx(network(f"qonnx_tfc/{name}.onnx"))
    assert correct(graph, mnist[0] / 255.0, mnist[1]) == expected


@pytest.mark.parametrize("name", ["TFC_1W1A", "TFC_1W2A", "TFC_2W2A"])
def test_tfc_scores_of_the_qonnx_package(name):
    graph = import_onnx(network(f"qonnx_tfc/{name}.onnx"))
    golden = np.load(network(f"qonnx_tfc/golden_{name}.npz"))
    scores = evaluate_graph(graph, golden["x"].astype(np.float64))[graph.output]
    np.testing.assert_allclose(scores, golden["y"], rtol=1e-5, atol=1e-5)


def test_tfc_weights():
    kinds = {"TFC_1W1A": {-1, 1}, "TFC_2W2A": {-1, 0, 1}}
    for name, kind in kinds.items():
        layers = [n for n in import_onnx(network(f"qonnx_tfc/{name}.onnx")).nodes if isinstance(n, Dense)]
        assert [layer.weights.shape for layer in layers] == [(64, 784), (64, 64), (64, 64), (10, 64)]
        assert {int(w) for layer in layers for w in np.unique(layer.weights)} == kind


def test_lfc_accuracy(mnist):
    graph = import_onnx(network("bnn_pynq/mnist-lfcW1A1.onnx"))
    assert correct(graph, np.where(mnist[0] > 127, 1.0, -1.0), mnist[1]) == 9834


@pytest.mark.parametrize("image", ["car", "deer"])
def test_cnv_scores_that_the_fpga_printed(image):
    graph = import_onnx(network("bnn_pynq/cifar10-cnvW1A1.onnx"))
    golden = np.load(network(f"bnn_pynq/cifar10-cnvW1A1-{image}.npz"))
    scores = evaluate_graph(graph, golden["x"][None].astype(np.float64))[graph.output][0, :10]
    assert ((scores + 512) / 2).tolist() == golden["hw"].tolist()


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks(name):
    graph = import_onnx(shipped_path(name))
    layers = [n for n in graph.nodes if isinstance(n, (Dense, Conv))]
    assert all(set(np.unique(layer.weights)) == {-1, 1} and (layer.scale == 1).all() for layer in layers)
    assert set(graph.metadata) >= {"bcsim.dataset", "bcsim.input_scale", "bcsim.input_offset"}


def random_network(rng):
    """A dense network of two to four layers in random dialects, on 2x3 images."""
    widths = [6, *rng.integers(2, 9, rng.integers(2, 5))]
    nodes, arrays = [node("Flatten", "x", "h0")], {"one": 1.0, "zero": 0.0, "two": 2.0}
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        arrays |= {
            f"l{i}": rng.normal(size=(inputs, outputs)),
            f"g{i}": rng.normal(size=outputs),
            f"b{i}": rng.normal(size=outputs),
            f"v{i}": rng.uniform(0.1, 4, outputs),
            f"s{i}": rng.choice([0.25, 0.5, 1.0]),
        }
        weights = [
            node("Sign", f"l{i}", f"w{i}"),
            node("BipolarQuant", f"l{i} s{i}", f"w{i}", domain=BREVITAS),
            node(
                "Quant",
                f"l{i} s{i} zero two",
                f"w{i}",
                domain=BREVITAS,
                signed=1,
                narrow=1,
                rounding_mode="ROUND",
            ),
        ]
        linear = [node("MatMul", f"h{i} w{i}", f"a{i}"), node("Gemm", f"h{i} w{i} b{i}", f"a{i}")]
        norm = [
            node("BatchNormalization", f"a{i} g{i} b{i} b{i} v{i}", f"n{i}"),
            node("Mul", f"a{i} g{i}", f"n{i}"),
            node("Div", f"a{i} v{i}", f"n{i}"),
        ]
        activation = [node("Relu", f"n{i}", f"h{i + 1}"), node("Clip", f"n{i} zero two", f"h{i + 1}")]
        for choices in (weights, linear, norm, activation):
            nodes.append(choices[rng.integers(len(choices))])
    nodes.append(node("Identity", f"h{len(widths) - 1}", "y"))
    return model(nodes, tensors(**arrays), shape=(2, 3), opset=15)


@pytest.mark.parametrize("seed", range(25))
def test_random_networks_equal_the_reference(seed, tmp_path):
    rng = np.random.default_rng(seed)
    graph = check_equal(random_network(rng), tmp_path, rng.normal(size=(7, 2, 3)), 1e-4)
    assert graph.dropped[-1].endswith("(Identity)")


def damaged(whole, rng):
    data = bytearray(whole)
    for place in rng.integers(len(data), size=rng.integers(1, 4)):
        data[place] = rng.integers(256)
    return bytes(data)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_files_import_or_are_refused(seed, tmp_path):
    rng = np.random.default_rng(seed)
    path = tmp_path / "model.onnx"
    whole = random_network(rng).SerializeToString()
    for _ in range(5):
        path.write_bytes(damaged(whole, rng))
        # Anything but a BcsimError fails the test.
        with suppress(BcsimError):
            inspect_onnx(path)
            import_onnx(path)
