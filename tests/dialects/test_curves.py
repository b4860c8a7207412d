"""Activation functions with curves before a quantiser, held to their definitions, rounded to the file's float32."""

from math import erf

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from tests.compiler.build import BREVITAS, model, node, tensors
from tests.dialects.check import check, pixels, signs

RNG = np.random.default_rng(53)
X = pixels(RNG, 120, (12,))
WEIGHTS, LAST = signs(RNG, 12, 8), signs(RNG, 8, 3)
SLOPES = RNG.integers(0, 9, 8) / 8
GAIN = 1 / 128


def network(made, scale, bits, signed, gain=GAIN, before=()):
    """y = LAST @ quantised(function(gain * (WEIGHTS @ x)))"""
    nodes = [
        node("MatMul", "x w", "a0"),
        node("Mul", "a0 g", "a1" if before else "a"),
        *before,
        *made,
        node("Quant", "f s z b", "q", BREVITAS, signed=signed, narrow=0, rounding_mode="ROUND"),
        node("MatMul", "q v", "y"),
    ]
    arrays = {"w": WEIGHTS, "v": LAST, "g": gain, "slopes": SLOPES, "s": scale, "z": 0.0, "b": float(bits)}
    return model(nodes, tensors(**arrays), shape=(12,), opset=20)


def witness(function, scale, bits, signed, gain=GAIN):
    low = -(1 << (bits - 1)) if signed else 0

    def scores(built, x):
        value = function(gain * (x @ WEIGHTS)).astype(np.float32).astype(np.float64)
        return np.rint(np.clip(value / scale, low, low + (1 << bits) - 1)) * scale @ LAST

    return scores


def elementwise(function):
    return np.vectorize(function, otypes=[np.float64])


def celu(x):
    return np.where(x > 0, x, 0.75 * np.expm1(np.minimum(x, 0) / 0.75))


RISING = [
    (node("LeakyRelu", "a", "f", alpha=0.125), lambda a: np.where(a > 0, a, a / 8), 0.5, 4),
    (node("PRelu", "a slopes", "f"), lambda a: np.where(a > 0, a, a * SLOPES), 0.5, 5),
    (node("ThresholdedRelu", "a", "f", alpha=1.25), lambda a: np.where(a > 1.25, a, 0), 0.5, 4),
    (
        node("Shrink", "a", "f", lambd=0.75, bias=0.25),
        lambda a: np.where(a > 0.75, a - 0.25, np.where(a < -0.75, a + 0.25, 0)),
        0.25,
        5,
    ),
    (node("Shrink", "a", "f", lambd=0.5), lambda a: np.where(np.abs(a) > 0.5, a, 0), 0.25, 5),
    (node("Sigmoid", "a", "f"), lambda a: 1 / (1 + np.exp(-a)), 1 / 16, 5),
    (node("Tanh", "a", "f"), np.tanh, 1 / 8, 4),
    (node("Atan", "a", "f"), np.arctan, 1 / 16, 6),
    (node("Asinh", "a", "f"), np.arcsinh, 1 / 8, 5),
    (node("Sinh", "a", "f"), np.sinh, 1 / 4, 6),
    (node("Erf", "a", "f"), elementwise(erf), 1 / 32, 8),
    (node("Elu", "a", "f"), lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))), 1 / 4, 6),
    (
        node("Elu", "a", "f", alpha=0.5),
        lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0)) / 2),
        1 / 8,
        6,
    ),
    (
        node("Selu", "a", "f", alpha=1.5, gamma=0.75),
        lambda a: np.where(a > 0, a, 1.5 * np.expm1(a)) * 0.75,
        1 / 4,
        6,
    ),
    (node("Celu", "a", "f", alpha=0.75), celu, 1 / 4, 6),
    (node("Softplus", "a", "f"), lambda a: np.logaddexp(0, a), 1 / 2, 5),
    (node("Softsign", "a", "f"), lambda a: a / (1 + np.abs(a)), 1 / 8, 4),
    (node("HardSigmoid", "a", "f", alpha=0.125, beta=0.5), lambda a: np.clip(a / 8 + 0.5, 0, 1), 1 / 16, 6),
]


@pytest.mark.parametrize(
    ("made", "function", "scale", "bits"), RISING, ids=lambda part: getattr(part, "op_type", "")
)
def test_a_function_that_rises_everywhere(made, function, scale, bits, tmp_path):
    built = network([made], scale, bits, signed=1)
    check(built, tmp_path, X, witness(function, scale, bits, signed=1))


TENTH = float(np.float32(0.1))
WHERE = [
    ("Greater", "a c", "a t", lambda a: np.where(a > 0, a, TENTH * a)),
    ("GreaterOrEqual", "a c", "a t", lambda a: np.where(a >= 0, a, TENTH * a)),
    ("Less", "a c", "t a", lambda a: np.where(a < 0, TENTH * a, a)),
    ("LessOrEqual", "c a", "a t", lambda a: np.where(a >= 0, a, TENTH * a)),
    ("Greater", "a c", "a d", lambda a: np.where(a > 0, a, -3.25)),
    ("GreaterOrEqual", "a c", "a d", lambda a: np.where(a >= 0, a, -3.25)),
    ("Less", "c a", "u a", lambda a: np.where(a > 0, 2 * a, a)),
]


@pytest.mark.parametrize(("op", "compared", "chosen", "function"), WHERE)
@pytest.mark.parametrize("turned", [False, True])
def test_where_between_lines_of_a_tensor(op, compared, chosen, function, turned, tmp_path):
    """What frameworks write for LeakyReLU, thresholds and rectifiers of other slopes; sums lie on the bound."""
    made = [
        node("Mul", "a tenth", "t"),
        node("Mul", "a two", "u"),
        node(op, compared, "n0"),
        node("Not", "n0", "n"),
        node("Where", f"n {' '.join(chosen.split()[::-1])}" if turned else f"n0 {chosen}", "f"),
    ]
    built = network(made, 0.5, 5, signed=1)
    built.graph.initializer.extend(tensors(c=0.0, tenth=0.1, two=2.0, d=-3.25))
    check(built, tmp_path, X, witness(function, 0.5, 5, signed=1))


def test_a_function_that_falls_with_the_sum(tmp_path):
    built = network([node("Tanh", "a", "f")], 1 / 8, 4, signed=1, gain=-GAIN)
    check(built, tmp_path, X, witness(np.tanh, 1 / 8, 4, 1, gain=-GAIN))


VALLEYS = [
    ([node("HardSwish", "a", "f")], lambda a: a * np.clip(a + 3, 0, 6) / 6),
    ([node("Gelu", "a", "f")], elementwise(lambda a: a * (1 + erf(a / 2**0.5)) / 2)),
    ([node("Mish", "a", "f")], lambda a: a * np.tanh(np.logaddexp(0, a))),
    ([node("Sigmoid", "a", "g0"), node("Mul", "a g0", "f")], lambda a: a / (1 + np.exp(-a))),
]


@pytest.mark.parametrize(("made", "function"), VALLEYS)
def test_a_valley_before_an_unsigned_quantiser(made, function, tmp_path):
    """The levels above 0 part where the function rises; what lies below 0 is one level."""
    built = network(made, 1 / 4, 5, signed=0)
    check(built, tmp_path, X, witness(function, 1 / 4, 5, signed=0))


def test_a_valley_right_of_which_the_input_lies(tmp_path):
    """Clip keeps the input above HardSwish's valley, so that a signed quantiser has levels there."""

    def function(a):
        a = np.maximum(a, -1.5)
        return a * np.clip(a + 3, 0, 6) / 6

    before = [node("Max", "a1 low", "a")]
    built = network([node("HardSwish", "a", "f")], 1 / 16, 6, signed=1, before=before)
    built.graph.initializer.extend(tensors(low=-1.5))
    check(built, tmp_path, X, witness(function, 1 / 16, 6, signed=1))


def test_levels_that_a_valley_crosses_twice_are_refused(tmp_path):
    built = network([node("HardSwish", "a", "f")], 1 / 16, 6, signed=1)
    with pytest.raises(BcsimError) as caught:
        check(built, tmp_path, X)
    assert str(caught.value) == (
        "Node 'n_f' (HardSwish) falls up to -1.5 and rises from there, so that no single threshold parts the levels "
        "that lie between its least value, -0.375, and 0; accepted are an input from -1.5 up, and a quantiser behind "
        "it without levels there, such as an unsigned one"
    )


def test_a_curve_without_a_quantiser_is_rounded_after_training(tmp_path):
    nodes = [
        node("MatMul", "x w", "a0"), node("Mul", "a0 g", "a"), node("Tanh", "a", "f"), node("MatMul", "f v", "y")
    ]  # fmt: skip
    built = model(nodes, tensors(w=WEIGHTS, v=LAST, g=GAIN), shape=(12,))
    result = check(built, tmp_path, X, exact=False, calibrated=True)
    assert result.agreement > 0.9
