"""Every backend against a plain integer evaluation, on random programs and at the limits of the number formats."""

import os
import platform
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.layers import (
    DenseLayer,
    Divide,
    Encoding,
    InputCoding,
    Program,
    Requantiser,
    Search,
    WeightPlane,
)
from bcsim.execution.execute import BACKENDS, execute
from bcsim.execution.kernels.requantise import accumulator_bound, reciprocal

ROOT = Path(__file__).parents[4]


def _encoding(bits: int) -> Encoding:
    return Encoding(bits, Fraction(1), Fraction(0))


def _layer(planes: tuple[WeightPlane, ...], inputs: int, source: int, requantiser: Requantiser) -> DenseLayer:
    outputs = len(planes[0].packed)
    bound = sum(1 << plane.shift for plane in planes) * inputs * ((1 << source) - 1)
    return DenseLayer(
        name="dense",
        inputs=inputs,
        outputs=outputs,
        source=_encoding(source),
        target=_encoding(requantiser.bits),
        planes=planes,
        requantiser=requantiser,
        low=-bound,
        high=bound,
        exact=True,
        float_output="y",
    )


def _program(*layers: DenseLayer) -> Program:
    source = layers[0].source
    return Program("random", InputCoding(source, source), (layers[0].inputs,), layers)


def _divide(rng: np.random.Generator, bits: int, outputs: int, spread: float) -> Divide:
    """Offsets and divisors that put most accumulators of this spread inside 0..2**bits - 1."""
    fraction = int(rng.integers(0, 13))
    centre = rng.normal(0, spread, outputs) * 2.0**fraction
    step = 4 * spread * 2.0**fraction / (1 << bits)
    divisor = np.maximum(1, rng.uniform(0.5, 2, outputs) * step).astype(np.int64)
    return Divide(bits, fraction, (centre - 2 * spread * 2.0**fraction).astype(np.int64), divisor)


def _search(rng: np.random.Generator, bits: int, outputs: int, spread: float) -> Search:
    thresholds = rng.normal(0, 2 * spread, (outputs, (1 << bits) - 1)).astype(np.int64)
    return Search(bits, np.sort(thresholds, axis=1))


def _random_layer(
    rng: np.random.Generator, inputs: int, outputs: int, source: int, target: int
) -> DenseLayer:
    shifts = sorted(rng.choice(5, size=int(rng.integers(1, 4)), replace=False), reverse=True)
    planes = tuple(WeightPlane.pack(rng.choice([-1, 1], (outputs, inputs)), int(shift)) for shift in shifts)
    spread = 1 + sum(4.0**shift for shift in shifts) ** 0.5 * inputs**0.5 * (1 << source) / 2
    make = _search if target <= 6 and rng.random() < 0.5 else _divide
    return _layer(planes, inputs, source, make(rng, target, outputs, spread))


@st.composite
def _cases(draw: st.DrawFn) -> tuple[Program, NDArray[np.uint16]]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.integers(1, 200), min_size=2, max_size=4))
    bits = draw(st.lists(st.integers(1, 16), min_size=len(sizes), max_size=len(sizes)))
    images = draw(st.sampled_from([0, 1, 3, 32, 33, 290]))
    layers = [_random_layer(rng, *sizes[i : i + 2], *bits[i : i + 2]) for i in range(len(sizes) - 1)]
    return _program(*layers), rng.integers(0, 1 << bits[0], (images, sizes[0])).astype(np.uint16)


def _evaluate(program: Program, q: NDArray[np.uint16]) -> list[list[list[int]]]:
    """The definition in bcsim.compiler.program.layers, in 64-bit integers and nothing shared with any backend."""
    hidden, values = [], q.astype(np.int64)
    for layer in program.layers:
        accumulator = np.zeros((len(q), layer.outputs), dtype=np.int64)
        for plane in layer.planes:
            accumulator += (values @ plane.signs(layer.inputs).astype(np.int64).T) << plane.shift
        unit = layer.requantiser
        if isinstance(unit, Divide):
            quotient = ((accumulator << unit.fraction_bits) - unit.offset) // unit.divisor
            values = np.clip(quotient, 0, (1 << unit.bits) - 1)
        else:
            values = (accumulator[:, :, None] >= unit.thresholds).sum(axis=2)
        hidden.append(values.tolist())
    return hidden


def _hold_equal(program: Program, q: NDArray[np.uint16], backend: str, threads: int = 2) -> None:
    result = execute(program, q, keep=True, backend=backend, threads=threads)
    assert [values.tolist() for values in result.hidden] == _evaluate(program, q)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=40, deadline=None)
@given(case=_cases())
def test_random_programs_equal_the_definition(backend: str, case: tuple[Program, NDArray[np.uint16]]) -> None:
    _hold_equal(*case, backend)


def _extremes(backend: str, inputs: int, source: int) -> None:
    """All weights +1, all -1, alternating; all inputs greatest, least, and one greatest; in every lane of 3 blocks."""
    signs = np.ones((3, inputs), dtype=np.int64)
    signs[1] = -1
    signs[2, ::2] = -1
    divide = Divide(
        16, 8, np.array([0, -(inputs << (source + 8)), 0]), np.full(3, (inputs << source >> 8) + 1)
    )
    program = _program(_layer((WeightPlane.pack(signs),), inputs, source, divide))
    top = (1 << source) - 1
    rows = np.array([[top] * inputs, [0] * inputs, [top, *[0] * (inputs - 1)]], dtype=np.uint16)
    _hold_equal(program, rows[np.random.default_rng(0).integers(0, 3, 70)], backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("source", [1, 2, 3, 7, 8, 9, 16])
@pytest.mark.parametrize("inputs", [39, 40, 41, 257, 1024])
def test_the_greatest_and_least_accumulators(backend: str, source: int, inputs: int) -> None:
    """16-bit partial sums overflow from 258 inputs of 255 on, unless they are flushed in time."""
    _extremes(backend, inputs, source)


@pytest.mark.parametrize(("inputs", "source"), [(21845, 2), (21846, 2), (65535, 1), (65536, 1)])
def test_the_longest_rows_that_take_two_images_to_a_lane(inputs: int, source: int) -> None:
    """The first of each kind keeps its sums at 2**16 - 1."""
    _extremes("lookup", inputs, source)


@pytest.mark.parametrize("source", [8, 16])
@pytest.mark.parametrize("last", [0, 1])
def test_a_sum_of_65535_stays_and_one_of_65536_is_flushed(source: int, last: int) -> None:
    signs = np.ones((2, 400), dtype=np.int64)
    signs[1, 320:] = -1
    divide = Divide(16, 0, np.array([0, 0]), np.array([2, 2]))
    program = _program(_layer((WeightPlane.pack(signs),), 400, source, divide))
    image = [255] * 257 + [last] + [0] * 62 + [1] * 80
    _hold_equal(program, np.array([image], dtype=np.uint16), "lookup")


@pytest.mark.parametrize("source", [8, 16])
def test_blank_images_after_others(source: int) -> None:
    """Passes of zeros are left out; the sums of the images before must not show through."""
    rng = np.random.default_rng(5)
    program = _program(_random_layer(rng, 170, 6, source, 8))
    q = np.zeros((6, 32, 170), dtype=np.uint16)
    q[0] = rng.integers(0, 1 << source, (32, 170))
    q[2, :, :80] = 255
    q[3, :, 160:] = (1 << source) - 256
    _hold_equal(program, q.reshape(-1, 170), "lookup", threads=1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_accumulators_up_to_32_bits(backend: str) -> None:
    """2 * 65535 * 2**14 is the last multiple of 65535 * 2**14 below 2**31."""
    plane = WeightPlane.pack(np.array([[1, 1], [-1, -1], [1, -1]]), shift=14)
    limit = 2 * 65535 << 14
    thresholds = np.array([[limit - 1, limit, limit + 1], [-limit, 1 - limit, 1 << 40], [-(1 << 40), 0, 1]])
    program = _program(_layer((plane,), 2, 16, Search(2, thresholds)))
    _hold_equal(program, np.array([[65535, 65535], [65535, 65534], [0, 0]], dtype=np.uint16), backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_any_number_of_threads_gives_the_same(backend: str) -> None:
    rng = np.random.default_rng(3)
    program = _program(_random_layer(rng, 90, 20, 8, 8))
    q = rng.integers(0, 256, (700, 90)).astype(np.uint16)
    for threads in (1, 2, 5):
        _hold_equal(program, q, backend, threads)


@pytest.mark.parametrize("backend", BACKENDS)
def test_uint8_images_that_are_not_contiguous(backend: str) -> None:
    rng = np.random.default_rng(4)
    program = _program(_random_layer(rng, 65, 5, 8, 4))
    q = rng.integers(0, 256, (65, 40)).astype(np.uint8).T
    expected = _evaluate(program, q.astype(np.uint16))
    assert execute(program, q, backend=backend).scores.tolist() == expected[0]


def test_portable_sums_beyond_float64() -> None:
    """4 * 65535 * 2**37 is above 2**53: only integers hold it."""
    plane = WeightPlane.pack(np.array([[1, 1, 1, -1]]), shift=14)
    wide = Divide(1, 24, np.array([(3 * 65535 << 14 << 24)]), np.array([1]))
    program = _program(_layer((plane,), 4, 16, wide))
    _hold_equal(
        program, np.array([[65535, 65535, 65535, 0], [65535, 65535, 65534, 0]], dtype=np.uint16), "portable"
    )


def test_lookup_refuses_accumulators_beyond_32_bits_and_portable_serves() -> None:
    plane = WeightPlane.pack(np.ones((1, 3), dtype=np.int64), shift=14)
    program = _program(_layer((plane,), 3, 16, Divide(1, 0, np.array([0]), np.array([1]))))
    message = "Layer dense: accumulators may reach 3221176320, and the lookup backend takes up to 2**31 - 1"
    q = np.ones((1, 3), dtype=np.uint16)
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        execute(program, q, backend="lookup")
    assert execute(program, np.repeat(q, 1 << 20, axis=0)).scores.min() == 1


def test_lookup_refuses_numerators_beyond_50_bits() -> None:
    program = _program(
        _layer((WeightPlane.pack(np.array([[1]])),), 1, 8, Divide(1, 43, np.array([0]), np.array([1])))
    )
    message = (
        "Layer dense: 2**43 * accumulator - offset needs more than 50 bits, "
        "which the lookup backend does not take"
    )
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        execute(program, np.array([[1]], dtype=np.uint16), backend="lookup")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**49 - 1), st.integers(1, 2**51), st.integers(0, 20), st.integers(0, 2**29))
def test_the_reciprocal_is_exact_beside_every_multiple(
    offset: int, divisor: int, fraction: int, near: int
) -> None:
    """Accumulators on both sides of an integer quotient, where a rounding error would show."""
    divide = Divide(16, fraction, np.array([offset]), np.array([divisor]))
    bound = (1 << 29) >> max(0, fraction - 20)
    constants = reciprocal(divide, bound)
    assert constants is not None
    multiple = (near // divisor * divisor + offset) >> fraction
    accumulators = np.clip([multiple - 1, multiple, multiple + 1, near], -bound, bound)
    expected = [((int(a) << fraction) - offset) // divisor for a in accumulators]
    assert np.floor(accumulators * constants[0] + constants[1]).tolist() == expected


def test_the_reciprocal_is_refused_where_it_is_not_proved() -> None:
    one = np.array([1])
    assert reciprocal(Divide(8, 10, one - 1, one), (1 << 40) - 1) is not None
    assert reciprocal(Divide(8, 10, one - 1, one), 1 << 40) is None
    assert reciprocal(Divide(8, 10, one, one), (1 << 40) - 1) is not None
    assert reciprocal(Divide(8, 10, one * 1024, one), (1 << 40) - 1) is None


def test_the_accumulator_bound_counts_every_plane() -> None:
    planes = tuple(WeightPlane.pack(np.ones((1, 5), dtype=np.int64), shift) for shift in (2, 0))
    layer = _layer(planes, 5, 8, Divide(1, 0, np.array([0]), np.array([1])))
    assert accumulator_bound(layer) == 5 * 5 * 255


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86 processors")
@pytest.mark.parametrize("processor", ["x86-64", "haswell"])
def test_kernels_compiled_for_hosts_with_narrower_vectors(processor: str, tmp_path: Path) -> None:
    """SSE2 and AVX2 run on any newer x86 host: the same tests in a process that compiles for them."""
    environment = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    chosen = ["-k", "greatest_and_least and lookup or up_to_32_bits and lookup"]
    done = subprocess.run(
        command + chosen, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "36 passed" in done.stdout
