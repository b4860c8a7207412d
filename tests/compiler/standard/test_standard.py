"""Programs in standard operators: onnxruntime and the reference evaluator give the program's integers."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from bcsim.common.float_engine import onnxruntime
from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import Encoding, InputCoding, Program, WeightPlane
from bcsim.compiler.standard.model import standard_model
from bcsim.execution.execute import Execution, execute
from bcsim.execution.raw_levels import arranged
from tests.conv_programs import conv_layer, random_conv_program
from tests.programs import random_layer, random_program


def run(model: ModelProto, images: NDArray[np.integer]) -> Sequence[NDArray[np.generic]]:
    """Scores, and the class where there is one, in onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, {"image": images}))


def levels(rng: np.random.Generator, program: Program, count: int = 16) -> NDArray[np.integer]:
    """Raw levels (count, *input_shape), the first image all least, the second all greatest."""
    pixel = program.input.pixel
    images = rng.integers(0, pixel.levels, (count, *program.input_shape))
    images[0], images[1] = 0, pixel.levels - 1
    return images.astype(np.uint8 if pixel.bits <= 8 else np.uint16)


def expected(program: Program, images: NDArray[np.integer]) -> Execution:
    """The program level's results for raw levels."""
    flat = arranged(program, images.reshape(len(images), -1))
    return execute(program, program.input.encode_levels(flat.astype(np.int64)))


def check(rng: np.random.Generator, program: Program) -> None:
    """onnxruntime gives every score and class of the program."""
    model, images = standard_model(program), levels(rng, program)
    onnx.checker.check_model(model, full_check=True)
    found, wanted = run(model, images), expected(program, images)
    assert found[0].dtype == np.uint16
    np.testing.assert_array_equal(found[0].reshape(wanted.scores.shape), wanted.scores)
    if len(found) > 1:
        np.testing.assert_array_equal(found[1], wanted.classes)


def with_table(rng: np.random.Generator, program: Program) -> Program:
    """The program with a table for each channel, and its values in another order."""
    pixel, stream = Encoding(int(rng.integers(1, 11)), Fraction(1), Fraction(0)), program.input.stream
    table = rng.integers(0, stream.levels, program.layers[0].geometry.channels[0] * pixel.levels)
    order = rng.permutation(program.inputs) if rng.random() < 0.5 else None
    return replace(program, input=InputCoding(pixel, stream, table, order))


@pytest.mark.parametrize("seed", range(30))
def test_dense_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    check(rng, with_table(rng, program) if seed % 3 == 0 else program)


@pytest.mark.parametrize("seed", range(60))
def test_convolutional_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_conv_program(rng)
    check(rng, with_table(rng, program) if seed % 3 == 0 else program)


@pytest.mark.parametrize("seed", range(6))
def test_the_reference_evaluator_agrees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_conv_program(rng, layers=2, largest=5) if seed % 2 else random_program(rng)
    images = levels(rng, program, 3)
    found = ReferenceEvaluator(standard_model(program)).run(None, {"image": images})
    np.testing.assert_array_equal(found[0], expected(program, images).scores)


def one_layer(rng: np.random.Generator, geometry: Geometry, outputs: int, bits: int) -> Program:
    """A program of one layer over sources of `bits` bits."""
    source = Encoding(bits, Fraction(1), Fraction(0))
    layer = conv_layer(rng, geometry, outputs, source, 16, "scores", ("",))
    shape = (geometry.channels[0], geometry.height, geometry.width)
    return Program("one", InputCoding(source, source), shape, (layer,))


@pytest.mark.parametrize("seed", range(8))
def test_sums_beyond_float32(seed: int) -> None:
    """8 rows of 16-bit values in 40 channels: 2**16 * 3 * 3 * 40 is above 2**24, so the weights are split."""
    rng = np.random.default_rng(seed)
    geometry = Geometry(5, 4, (40,), kernel=(3, 3), pads=(1, 0, 1, 2), pad_level=60000)
    check(rng, one_layer(rng, geometry, 3, 16))


@pytest.mark.parametrize("seed", range(4))
def test_matrices_beyond_float32(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = Encoding(16, Fraction(1), Fraction(0))
    layer = random_layer(rng, 700, 5, source, 16, "scores")
    check(rng, Program("wide", InputCoding(source, source), (700,), (layer,)))


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry(4, 6, (3,), kernel=(2, 2)),
        Geometry(4, 6, (3,), kernel=(2, 2), pool=Pool((3, 5), (1, 1))),
        Geometry(4, 6, (3,), kernel=(4, 6), pool=Pool((1, 1), (1, 1))),
        Geometry(1, 9, (2,), kernel=(1, 5), stride=(3, 2)),
        Geometry(1, 1, (4,), kernel=(1, 1), pads=(1, 1, 1, 1), pad_level=1),
        Geometry(1, 1, (4,), groups=2),
    ],
)
def test_shapes(geometry: Geometry) -> None:
    """Maps of scores, poolings to one position, sequences, and positions that are padding alone."""
    rng = np.random.default_rng(1)
    check(rng, one_layer(rng, geometry, 4, 2))


def test_one_score() -> None:
    rng = np.random.default_rng(0)
    program = one_layer(rng, Geometry(1, 1, (9,)), 1, 8)
    images = levels(rng, program, 64)
    median = int(np.median(expected(program, images).scores))
    (layer,) = program.layers
    program = replace(program, layers=(replace(layer, target=Encoding(16, Fraction(1), Fraction(-median))),))
    classes = run(standard_model(program), images)[1]
    np.testing.assert_array_equal(classes, expected(program, images).classes)
    assert set(classes) == {0, 1}


def test_every_tensor_has_a_type_and_a_shape() -> None:
    model = standard_model(random_conv_program(np.random.default_rng(4)))
    shown = {value.name for value in [*model.graph.value_info, *model.graph.output]}
    assert {name for node in model.graph.node for name in node.output} <= shown
    assert {node.domain for node in model.graph.node} == {""}


def test_a_planted_error_shows() -> None:
    """One weight of the other sign, in a program whose scores follow every sum."""
    rng = np.random.default_rng(2)
    program = one_layer(rng, Geometry(1, 1, (9,)), 3, 8)
    images = levels(rng, program)
    wanted = expected(program, images).scores
    model = standard_model(program)
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "layer0.weights")
    changed = numpy_helper.to_array(weights).copy()
    changed[0, 0] *= -1
    weights.CopyFrom(numpy_helper.from_array(changed, weights.name))
    assert (run(model, images)[0] != wanted).any()


def test_planes_of_many_shifts() -> None:
    """Weights of up to 2**12 on 12 planes, in a convolution whose sums need more than 24 bits."""
    rng = np.random.default_rng(3)
    geometry = Geometry(3, 3, (20,), kernel=(2, 2), groups=2)
    program = one_layer(rng, geometry, 4, 8)
    (layer,) = program.layers
    planes = tuple(
        WeightPlane.pack(rng.integers(0, 2, (4, layer.inputs)) * 2 - 1, shift)
        for shift in reversed(range(12))
    )
    most = 255 * layer.inputs * 4095
    check(rng, replace(program, layers=(replace(layer, planes=planes, low=-most, high=most),)))


@pytest.mark.soak
@pytest.mark.parametrize("block", range(10))
def test_many_random_programs(block: int) -> None:
    for seed in range(1000 + 200 * block, 1200 + 200 * block):
        rng = np.random.default_rng(seed)
        program = random_conv_program(rng) if seed % 3 else random_program(rng, largest=120)
        check(rng, with_table(rng, program) if seed % 2 else program)
