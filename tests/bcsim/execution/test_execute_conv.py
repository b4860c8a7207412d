"""Convolutional programs: every backend against the program's definition."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import ConvLayer, Encoding, InputCoding, Layer, Program, WeightPlane
from bcsim.execution.execute import BACKENDS, Levels, Prepared, execute
from bcsim.execution.kernels import backend as lookup_backend
from bcsim.execution.kernels import portable
from tests.conv_programs import conv_layer, random_conv_program
from tests.programs import random_images
from tests.reference import run_reference

SEEDS = range(0, 120, 20)

on_every_backend = pytest.mark.parametrize("backend", BACKENDS)


def _encoding(bits: int) -> Encoding:
    return Encoding(bits, Fraction(1), Fraction(0))


def _program(*layers: Layer) -> Program:
    first = layers[0].geometry
    coding = InputCoding(layers[0].source, layers[0].source)
    return Program("conv", coding, (first.channels[0], first.height, first.width), layers)


def _hold_equal(program: Program, q: Levels, backend: str, threads: int = 2) -> None:
    expected = run_reference(program, q)
    found = execute(program, q, keep=True, backend=backend, threads=threads)
    for layer, values in zip(program.layers, found.hidden, strict=True):
        np.testing.assert_array_equal(values, expected[layer.name], f"layer {layer.name}")
    last = expected[program.layers[-1].name]
    np.testing.assert_array_equal(found.scores, last.reshape(len(q), -1))


def _hold_last_equal(program: Program, q: Levels, backend: str) -> None:
    expected = run_reference(program, q)[program.layers[-1].name]
    found = execute(program, q, keep=True, backend=backend).hidden[-1]
    np.testing.assert_array_equal(found, expected)


@on_every_backend
@pytest.mark.parametrize("first", SEEDS)
def test_random_programs_equal_the_definition(backend: str, first: int) -> None:
    for seed in range(first, first + SEEDS.step):
        rng = np.random.default_rng(seed)
        program = random_conv_program(rng)
        print(f"seed {seed}")
        _hold_equal(program, random_images(rng, program, int(rng.integers(1, 70))), backend)


@on_every_backend
@pytest.mark.parametrize("bits", [1, 2, 8, 9, 16])
def test_the_greatest_and_least_sums_beside_padding(backend: str, bits: int) -> None:
    """All weights +1, all -1, alternating; 45 channels of a 3 x 3 window are 405 inputs, padded with the greatest."""
    rng = np.random.default_rng(bits)
    top = (1 << bits) - 1
    geometry = Geometry(4, 3, (45,), (3, 3), pads=(1, 0, 2, 1), pad_level=top)
    layer = conv_layer(rng, geometry, 3, _encoding(bits), 16, "conv", ("",))
    signs = np.ones((3, 405), dtype=np.int64)
    signs[1], signs[2, ::2] = -1, -1
    program = _program(replace(layer, planes=(WeightPlane.pack(signs),)))
    q = rng.choice([0, top], (35, 540), p=[0.1, 0.9])
    q[:2] = [[0], [top]]
    _hold_last_equal(program, q.astype(np.uint16), backend)


def _concatenation(rng: np.random.Generator) -> Program:
    """A branch of 3 channels and one of 6, read together in 3 groups, beside the input read once more at the end."""
    source = _encoding(4)
    point = Geometry(5, 4, (2,), (3, 3), pads=(1, 1, 1, 1))
    left = conv_layer(rng, point, 3, source, 4, "left", ("",))
    right = conv_layer(rng, point, 6, source, 4, "right", ("",))
    both = Geometry(
        5, 4, (3, 6), (2, 3), (2, 1), (0, 1, 1, 0), groups=3, pad_level=5, pool=Pool((2, 2), (1, 1))
    )
    joined = conv_layer(rng, both, 6, source, 4, "joined", ("left", "right"))
    rows, columns = both.output
    end = Geometry(rows, columns, (6,), (rows, columns))
    return _program(left, right, joined, conv_layer(rng, end, 5, source, 16, "scores", ("joined",)))


@on_every_backend
def test_sources_of_different_widths_in_groups(backend: str) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        program = _concatenation(rng)
        _hold_equal(program, random_images(rng, program, 40), backend)


@on_every_backend
@pytest.mark.parametrize("bits", [2, 3])
def test_groups_with_enough_inputs_for_tables(backend: str, bits: int) -> None:
    rng = np.random.default_rng(7)
    geometry = Geometry(4, 5, (20, 40), (3, 3), pads=(1, 1, 1, 1), groups=2, pool=Pool((2, 2), (2, 3)))
    first = conv_layer(rng, Geometry(4, 5, (20,)), 20, _encoding(bits), bits, "first", ("",))
    second = conv_layer(rng, Geometry(4, 5, (20,)), 40, _encoding(bits), bits, "second", ("first",))
    layer = conv_layer(rng, geometry, 16, _encoding(bits), 6, "conv", ("first", "second"))
    program = _program(first, second, layer)
    _hold_last_equal(program, random_images(rng, program, 50), backend)


@on_every_backend
def test_a_tensor_lives_until_its_last_reader(backend: str) -> None:
    """The input and the first layer are read again behind layers that could have taken their places."""
    rng = np.random.default_rng(1)
    source, point = _encoding(5), Geometry(3, 3, (4,))
    layers: list[ConvLayer] = []
    for name, reads in [
        ("a", ""),
        ("b", "a"),
        ("c", "b"),
        ("d", "a"),
        ("e", ""),
        ("unread", "e"),
        ("f", "d"),
    ]:
        layers.append(conv_layer(rng, point, 4, source, 5, name, (reads,)))
    end = Geometry(3, 3, (4, 4, 4), (3, 3))
    scores = conv_layer(rng, end, 7, source, 16, "scores", ("c", "e", "f"))
    program = _program(*layers, scores)
    _hold_equal(program, random_images(rng, program, 33), backend)


@on_every_backend
def test_several_tasks_and_blocks(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Least memory: one image at a time in NumPy; two blocks and one thread with tables."""
    monkeypatch.setattr(portable, "BLOCK_BYTES", 1)
    monkeypatch.setattr(lookup_backend, "TASK_BYTES", 1)
    monkeypatch.setattr(lookup_backend, "MEMORY", 1)
    rng = np.random.default_rng(2)
    program = random_conv_program(rng)
    q = random_images(rng, program, 150)
    found = Prepared(program).execute(q, backend=backend, threads=3)
    expected = run_reference(program, q)[program.layers[-1].name].reshape(len(q), -1)
    np.testing.assert_array_equal(found.scores, expected)
