"""Quantisers of plain operators: Round, Floor, Clip and Div, casts, and comparisons that choose between constants."""

import numpy as np
import pytest

from tests.compiler.build import model, node, refusal, tensors
from tests.dialects.check import check, pixels, signs

RNG = np.random.default_rng(59)
X = pixels(RNG, 80, (12,))
WEIGHTS, LAST = signs(RNG, 12, 8), signs(RNG, 8, 3)
BOUNDS = RNG.integers(-200, 200, 8).astype(np.float64)


def network(*made, **more):
    """MatMul, what is made of a, MatMul of q."""
    nodes = [node("MatMul", "x w", "a"), *made, node("MatMul", "q v", "y")]
    return model(nodes, tensors(w=WEIGHTS, v=LAST, **more), shape=(12,), opset=16)


SCALED = {"s": 64.0, "low": -8.0, "high": 7.0, "zero": 0.0, "top": 15.0, "half": 0.5, "z": 3.0, "three": 3.0}
FAKE = {
    "round, then clip": [node("Div", "a s", "b"), node("Round", "b", "c"), node("Clip", "c low high", "d")],
    "clip, then round": [node("Div", "a s", "b"), node("Clip", "b low high", "c"), node("Round", "c", "d")],
    "unsigned": [
        node("Div", "a s", "b"),
        node("Relu", "b", "c"),
        node("Min", "c top", "e"),
        node("Floor", "e", "d"),
    ],
    "floor of a half more": [
        node("Div", "a s", "b"),
        node("Add", "b half", "c"),
        node("Floor", "c", "e"),
        node("Max", "e low", "f"),
        node("Min", "f high", "d"),
    ],
    "zero point behind rounding": [
        node("Div", "a s", "b"),
        node("Round", "b", "c"),
        node("Add", "c z", "e"),
        node("Clip", "e zero top", "f"),
        node("Sub", "f z", "d"),
    ],
    "falling": [
        node("Div", "a s", "b"),
        node("Neg", "b", "c"),
        node("Ceil", "c", "e"),
        node("Clip", "e low high", "d"),
    ],
    "cast to integers": [
        node("Div", "a s", "b"),
        node("Cast", "b", "c", to=6),
        node("Cast", "c", "e", to=1),
        node("Clip", "e low high", "d"),
    ],
    "scale that is no power of two": [
        node("Div", "a three", "b0"),
        node("Div", "b0 three", "b"),
        node("Round", "b", "c"),
        node("Clip", "c low high", "d"),
    ],
    "bounds between whole numbers": [
        node("Div", "a s", "b"),
        node("Round", "b", "c"),
        node("Min", "c half", "e"),
        node("Max", "e low", "d"),
    ],
}


@pytest.mark.parametrize("name", FAKE)
def test_fake_quantiser(name, tmp_path):
    built = network(*FAKE[name], node("Mul", "d s", "q"), **SCALED)
    check(built, tmp_path, X)


def test_fake_quantised_input_and_weights(tmp_path):
    nodes = [
        node("Div", "x s", "b"), node("Round", "b", "c"), node("Clip", "c zero top", "d"), node("Mul", "d s", "q"),
        node("Div", "l t", "e"), node("Round", "e", "f"), node("Clip", "f low high", "g"), node("Mul", "g t", "w"),
        node("MatMul", "q w", "y"),
    ]  # fmt: skip
    arrays = {
        "l": RNG.normal(size=(12, 3)),
        "s": 16.0,
        "t": 0.25,
        "zero": 0.0,
        "top": 15.0,
        "low": -2.0,
        "high": 1.0,
    }
    check(model(nodes, tensors(**arrays), shape=(12,)), tmp_path, X)


@pytest.mark.parametrize("op", ["Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
@pytest.mark.parametrize("inputs", ["a c", "c a"])
@pytest.mark.parametrize("bound", [0.0, BOUNDS])
def test_where_by_a_comparison(op, inputs, bound, tmp_path):
    """The input is whole, so that ties occur."""
    made = [node(op, inputs, "g"), node("Where", "g p m", "q")]
    check(network(*made, c=bound, p=1.0, m=-1.0), tmp_path, X)


def test_where_between_a_value_for_each_channel(tmp_path):
    made = [node("GreaterOrEqual", "a c", "g"), node("Not", "g", "n"), node("Where", "n p m", "q")]
    check(network(*made, c=0.0, p=np.tile([1.0, -1.0], 4), m=np.tile([-1.0, 1.0], 4)), tmp_path, X)


def test_a_comparison_as_a_number(tmp_path):
    made = [node("Greater", "a c", "g"), node("Cast", "g", "q", to=1)]
    check(network(*made, c=10.0), tmp_path, X)


def test_two_comparisons_added(tmp_path):
    made = [
        node("Greater", "a c", "g"), node("Cast", "g", "h", to=1),
        node("Greater", "a d", "i"), node("Cast", "i", "j", to=1), node("Add", "h j", "q"),
    ]  # fmt: skip
    check(network(*made, c=-100.0, d=50.0), tmp_path, X)


REFUSED = [
    (
        [node("Greater", "a a", "g"), node("Where", "g p m", "q")],
        "Node 'n_g' (Greater): it compares two tensors that depend on the network's input; accepted is a constant on "
        "either side",
    ),
    (
        [node("Greater", "a p", "g"), node("Relu", "a", "r"), node("Where", "g r m", "q")],
        "Node 'n_q' (Where): it chooses between tensors that depend on the network's input; accepted are constants, "
        "and a tensor and its products and sums with one constant, where the condition compares that tensor with one "
        "constant",
    ),
    (
        [node("Less", "a p", "g"), node("Where", "g p a", "q0"), node("Where", "g a m", "q")],
        "Node 'n_q' (Where): it falls at 1, from 1 to -1, so that no single threshold parts its levels; accepted are "
        "functions that rise everywhere",
    ),
    (
        [node("Greater", "a p", "g"), node("Neg", "a", "n"), node("Where", "g a n", "q")],
        "Node 'n_q' (Where): it has a slope of -1; accepted are slopes from 0 up",
    ),
    (
        [node("ThresholdedRelu", "a", "q", alpha=-1.0)],
        "Node 'n_q' (ThresholdedRelu): it falls at -1, from 0 to -1, so that no single threshold parts its levels; "
        "accepted are functions that rise everywhere",
    ),
    (
        [node("Shrink", "a", "q", lambd=0.5, bias=0.75)],
        "Node 'n_q' (Shrink): it falls at -0.5, from 0.25 to 0, so that no single threshold parts its levels; "
        "accepted are functions that rise everywhere",
    ),
    (
        [node("Greater", "a p", "g"), node("Relu", "g", "q")],
        "Node 'n_q' (Relu): it takes what a comparison gives; accepted behind that are Where, Not and Cast",
    ),
    (
        [node("Cast", "a", "q", to=3)],
        "Node 'n_q' (Cast): it casts to a type that cuts off what does not fit; accepted are floats, int32 and int64",
    ),
]


@pytest.mark.parametrize(("made", "message"), REFUSED)
def test_refused(made, message, tmp_path):
    assert refusal(network(*made, p=1.0, m=-1.0), tmp_path) == message
