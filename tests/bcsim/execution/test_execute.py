"""execute(): its result, its refusals, and what it remembers."""

import re
from fractions import Fraction

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.layers import DenseLayer, Divide, Encoding, InputCoding, Program, WeightPlane
from bcsim.execution.execute import BACKENDS, execute, prepare


def _encoding(bits: int) -> Encoding:
    return Encoding(bits, Fraction(1), Fraction(0))


def _layer(weights: list[list[int]], source: int, divide: Divide) -> DenseLayer:
    signs = np.array(weights)
    return DenseLayer(
        name="dense",
        inputs=signs.shape[1],
        outputs=signs.shape[0],
        source=_encoding(source),
        target=_encoding(divide.bits),
        planes=(WeightPlane.pack(signs),),
        requantiser=divide,
        low=-signs.shape[1] * ((1 << source) - 1),
        high=signs.shape[1] * ((1 << source) - 1),
        exact=True,
        float_output="y",
    )


def _program() -> Program:
    """Two layers, worked by hand: q1 = clip(floor((acc + 2) / 2), 0, 3), scores = clip(acc + 3, 0, 7)."""
    first = Divide(2, 1, np.array([-4, -4]), np.array([4, 4]))
    second = Divide(3, 0, np.array([-3, -3, -3]), np.array([1, 1, 1]))
    layers = (_layer([[1, 1, -1], [-1, 1, 1]], 2, first), _layer([[1, 1], [1, -1], [-1, 1]], 2, second))
    return Program("hand", InputCoding(_encoding(2), _encoding(2)), (3,), layers)


IMAGES = np.array([[0, 0, 0], [3, 0, 0], [3, 3, 0], [1, 2, 3]], dtype=np.uint8)
# accumulators 0 0 | 3 -3 | 6 0 | 0 4
HIDDEN = [[1, 1], [2, 0], [3, 1], [1, 3]]
SCORES = [[5, 3, 3], [5, 5, 1], [7, 5, 1], [7, 1, 5]]


@pytest.mark.parametrize("backend", [None, *BACKENDS])
def test_scores_classes_and_hidden_of_a_program_worked_by_hand(backend: str | None) -> None:
    result = execute(_program(), IMAGES, keep=True, backend=backend)
    assert [h.tolist() for h in result.hidden] == [HIDDEN, SCORES]
    assert result.scores.tolist() == SCORES
    assert result.classes.tolist() == [0, 0, 0, 0]
    assert result.scores.dtype == np.uint16
    assert result.classes.dtype == np.int64


def test_hidden_is_empty_unless_kept() -> None:
    assert execute(_program(), IMAGES).hidden == ()


def test_a_program_is_packed_once() -> None:
    program = _program()
    assert prepare(program) is prepare(program)
    assert prepare(program) is not prepare(_program())


def test_uint16_input_is_the_same() -> None:
    assert execute(_program(), IMAGES.astype(np.uint16)).scores.tolist() == SCORES


@pytest.mark.parametrize(
    ("q", "message"),
    [
        (IMAGES.astype(np.int64), "The program's input must be uint8 or uint16 integers, not int64"),
        (IMAGES[:, :2], "The program's input must have the shape (images, 3), not (4, 2)"),
        (IMAGES[0], "The program's input must have the shape (images, 3), not (3,)"),
        (IMAGES + np.uint8(1), "The program's input must hold integers from 0 to 3, not 4"),
    ],
)
def test_wrong_inputs_are_refused(q: np.ndarray, message: str) -> None:
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        execute(_program(), q)


def test_an_unknown_backend_is_refused() -> None:
    message = f"Unknown backend 'gpu'; the backends here are {', '.join(BACKENDS)}"
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        execute(_program(), IMAGES, backend="gpu")


def test_numerators_beyond_64_bits_are_refused() -> None:
    divide = Divide(1, 62, np.array([0]), np.array([1]))
    program = Program("wide", InputCoding(_encoding(8), _encoding(8)), (1,), (_layer([[1]], 8, divide),))
    message = (
        "Layer dense: 2**62 * accumulator - offset needs more than 64 bits; "
        "the program level takes accumulators, fraction bits and offsets that stay within 64"
    )
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        execute(program, np.array([[1]], dtype=np.uint8))


def test_no_threads_are_refused() -> None:
    with pytest.raises(BcsimError, match=r"^Threads must be at least 1, not 0$"):
        execute(_program(), IMAGES, threads=0)


def test_a_large_batch_takes_the_compiled_kernels_and_keeps_them() -> None:
    prepared = prepare(_program())
    assert type(prepared._fastest(4)).__name__ == "Portable"
    assert type(prepared._fastest(1 << 30)).__name__ == "Lookup"
    assert type(prepared._fastest(4)).__name__ == "Lookup"
