"""Networks that others trained, lowered: every class and every hidden integer of 10,000 images, held to float64."""

import gzip
import lzma
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Graph
from bcsim.compiler.importer import import_onnx
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.program.layers import Encoding, Program
from bcsim.execution.execute import execute
from bcsim.execution.input_text import reading_from_text
from bcsim.execution.raw_levels import arranged
from tests.compiler.nets import channels_last

DATA = Path(os.environ.get("BCSIM_DATA", os.devnull))
SHIPPED = Path(__file__).parents[3] / "models"
PIXEL = Encoding(8, Fraction(1, 255), Fraction(0))
FIXED = Encoding(8, Fraction(1), Fraction(-128))
BATCH = 2000
# How many of the first test images onnxruntime classifies correctly.
CNV_IMAGES, CNV_CORRECT = 100, 83


def read_idx(name: str, header: int) -> NDArray[np.uint8]:
    path = DATA / "mnist" / name
    if not path.is_file():
        pytest.skip("BCSIM_DATA names no folder with MNIST in it")
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return read_idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 784)


@pytest.fixture(scope="module")
def labels() -> NDArray[np.uint8]:
    return read_idx("t10k-labels-idx1-ubyte.gz", 8)


def trained(name: str) -> Path:
    path = DATA.parent / "models" / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the folder that BCSIM_DATA names")
    return path


def run(program: Program, levels: NDArray[np.integer]) -> list[NDArray[np.uint16]]:
    """The q of every layer, its sums by float64 products, exact below 2**53."""
    q, values = program.input.encode_levels(levels), []
    for layer in program.layers:
        accumulator = (q.astype(np.float64) @ layer.weights().T.astype(np.float64)).astype(np.int64)
        assert accumulator.min() >= layer.low
        assert accumulator.max() <= layer.high
        q = layer.requantiser.apply(accumulator)
        values.append(q)
    return values


def count_correct(program: Program, levels: NDArray[np.integer], labels: NDArray[np.uint8]) -> int:
    """How many images the program gives their label."""
    return sum(
        int(
            (
                run(program, levels[start : start + BATCH])[-1].argmax(axis=1)
                == labels[start : start + BATCH]
            ).sum()
        )
        for start in range(0, len(levels), BATCH)
    )


def check_equal(path: Path, pixel: Encoding, levels: NDArray[np.integer]) -> Program:
    """Every layer's real values, and so every hidden integer and class, equal the float graph's."""
    graph = import_onnx(path)
    program = lower(graph, pixel=pixel)
    assert program.exact
    for start in range(0, len(levels), BATCH):
        part = levels[start : start + BATCH]
        expected = evaluate_graph(graph, pixel.decode(part))
        for layer, q in zip(program.layers, run(program, part), strict=True):
            np.testing.assert_allclose(
                layer.target.decode(q), expected[layer.float_output], rtol=0, atol=1e-9
            )
        assert (q.argmax(axis=1) == expected[graph.output].argmax(axis=1)).all()
    return program


@pytest.mark.parametrize(
    ("name", "correct", "bits"),
    [("TFC_1W1A", 9296, (1, 1, 1, 1)), ("TFC_1W2A", 9474, (2, 2, 2, 2)), ("TFC_2W2A", 9660, (2, 2, 2, 2))],
)
def test_quantised_networks_are_exact_on_every_test_image(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], name: str, correct: int, bits: tuple[int, ...]
) -> None:
    levels = images.astype(np.int64)
    program = check_equal(trained(f"qonnx_tfc/{name}.onnx"), PIXEL, levels)
    assert tuple(layer.source.bits for layer in program.layers) == bits
    assert count_correct(program, levels, labels) == correct


def test_a_binarised_network_is_exact_on_every_test_image(
    images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> None:
    levels = (images >= 128).astype(np.int64)
    program = check_equal(
        trained("bnn_pynq/mnist-lfcW1A1.onnx"), Encoding(1, Fraction(2), Fraction(-1)), levels
    )
    assert count_correct(program, levels, labels) == 9834


@pytest.fixture(scope="module")
def cnv() -> tuple[Graph, Program]:
    """The CIFAR-10 network of BNN-PYNQ on its 8-bit fixed-point input."""
    graph = import_onnx(trained("bnn_pynq/cifar10-cnvW1A1.onnx"))
    return graph, lower(graph, pixel=FIXED)


@pytest.mark.parametrize("name", ["car", "deer"])
def test_scores_equal_those_that_the_fpga_printed(cnv: tuple[Graph, Program], name: str) -> None:
    program = cnv[1]
    with np.load(trained(f"bnn_pynq/cifar10-cnvW1A1-{name}.npz")) as golden:
        q = arranged(program, (golden["x"].astype(np.int64) + 128).reshape(1, -1)).astype(np.uint8)
        scores = program.layers[-1].target.decode(execute(program, q).scores)[0, :10]
        np.testing.assert_array_equal((scores + 512) / 2, golden["hw"])


def test_every_hidden_integer_of_a_convolutional_network(cnv: tuple[Graph, Program]) -> None:
    graph, program = cnv
    path = DATA / "cifar10" / "test_batch.bin.xz"
    if not path.is_file():
        pytest.skip("BCSIM_DATA names no folder with CIFAR-10 in it")
    with lzma.open(path) as file:
        records = np.frombuffer(file.read(CNV_IMAGES * 3073), np.uint8).reshape(-1, 3073)
    levels = records[:, 1:].reshape(-1, 3, 32, 32)
    x = reading_from_text("fixed", 8, 255).floats(levels)
    outputs = [layer.float_output for layer in program.layers]
    expected = evaluate_graph(graph, x, keep=outputs, block=20)
    q = arranged(program, program.input.encode(x).reshape(len(x), -1))
    hidden = execute(program, q.astype(np.uint8), keep=True).hidden
    assert program.exact
    for layer, values in zip(program.layers, hidden, strict=True):
        found = layer.target.decode(values).reshape(len(x), *layer.geometry.output, -1)
        np.testing.assert_array_equal(found, channels_last(expected[layer.float_output]))
    assert int((hidden[-1].reshape(len(x), -1).argmax(axis=1) == records[:, 0]).sum()) == CNV_CORRECT


@pytest.mark.parametrize("name", ["TFC_1W1A", "TFC_1W2A", "TFC_2W2A"])
def test_scores_equal_those_that_qonnx_computed(name: str) -> None:
    program = lower(import_onnx(trained(f"qonnx_tfc/{name}.onnx")), pixel=PIXEL)
    with np.load(trained(f"qonnx_tfc/golden_{name}.npz")) as golden:
        levels = np.rint(golden["x"].reshape(-1, 784) * 255).astype(np.int64)
        scores = program.layers[-1].target.decode(run(program, levels)[-1])
        np.testing.assert_allclose(scores, golden["y"], rtol=0, atol=1e-6)


def test_the_shipped_network_loses_nothing_at_8_bits(
    images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> None:
    graph = import_onnx(SHIPPED / "mnist-mlp.onnx")
    pixel = Encoding(
        8, Fraction(graph.metadata["bcsim.input_scale"]), Fraction(graph.metadata["bcsim.input_offset"])
    )
    training = read_idx("train-images-idx3-ubyte.gz", 16).reshape(-1, 784)[:500]
    program = lower(graph, pixel=pixel, bits=[8], calibration=pixel.decode(training))
    levels = images[:BATCH].astype(np.int64)
    correct = int(
        (evaluate_graph(graph, pixel.decode(levels))[graph.output].argmax(axis=1) == labels[:BATCH]).sum()
    )
    assert abs(count_correct(program, levels, labels[:BATCH]) - correct) <= 1
    assert max(layer.requantiser.fraction_bits for layer in program.layers) <= 16  # type: ignore[union-attr]
