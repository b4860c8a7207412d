"""Checks of programs built in memory; those of stored ones are with test_program_onnx.py."""

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.program import check
from bcsim.compiler.program.check import check_program
from bcsim.compiler.program.layers import DenseLayer, Divide, Encoding, Program, WeightPlane
from tests.compiler.program.test_onnx_format import make_program


def _first(**changes: object) -> Callable[[Program], Program]:
    def change(program: Program) -> Program:
        return replace(program, layers=(replace(program.layers[0], **changes), *program.layers[1:]))  # type: ignore[arg-type]

    return change


def _last(**changes: object) -> Callable[[Program], Program]:
    def change(program: Program) -> Program:
        return replace(program, layers=(*program.layers[:-1], replace(program.layers[-1], **changes)))  # type: ignore[arg-type]

    return change


def _divide(**changes: object) -> Callable[[Program], Program]:
    def change(program: Program) -> Program:
        divide = program.layers[0].requantiser
        assert isinstance(divide, Divide)
        return _first(requantiser=replace(divide, **changes))(program)  # type: ignore[arg-type]

    return change


def _input(**changes: object) -> Callable[[Program], Program]:
    return lambda program: replace(program, input=replace(program.input, **changes))  # type: ignore[arg-type]


def test_a_lowered_program_passes() -> None:
    check_program(make_program())


@pytest.mark.parametrize(
    "stated", [{"low": -2}, {"low": 0}, {"high": 1}, {"high": 3}, {"low": 5, "high": -5}]
)
def test_bounds_are_recomputed_and_not_believed(stated: dict[str, int]) -> None:
    """Looser ones would let thresholds be that overflow where a machine shifts them."""
    low, high = {"low": -1, "high": 2, **stated}.values()
    message = f"Layer 'dense' states accumulators from {low} to {high}; its weights and source give -1 to 2"
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        check_program(_first(**stated)(make_program()))


def test_accumulators_and_fraction_bits_stay_within_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "MAX_REMAINDER", 1 << 24)
    message = "Layer 'dense' has accumulators up to 2 and 24 fraction bits, together more than 61 bits"
    with pytest.raises(BcsimError, match=f"^{message}$"):
        check_program(_divide(fraction_bits=24)(make_program()))


def test_planes_without_end() -> None:
    plane = make_program().layers[0].planes[-1]
    with pytest.raises(BcsimError, match=r"^Layer 'dense' has 65 weight planes; accepted are up to 64$"):
        check_program(_first(planes=(plane,) * 65)(make_program()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda program: replace(program, layers=()), "The program has no layers; it needs at least one"),
        (
            _input(table=None),
            "The program's input has no table, so its 3-bit pixels cannot become 1 bits",
        ),
        (_input(table=np.full(8, -1)), "The program's input table must hold integers from 0 to 1"),
        (
            lambda program: replace(program, layers=program.layers[1:]),
            "The program's input has the shape (3,), which is not the 10 inputs of its first layer",
        ),
        (
            lambda program: replace(program, layers=program.layers[::2]),
            "Layer 'dense#3' takes 2 inputs of 2 bits, but what comes before it gives 10 of 3 bits, or means other "
            "values",
        ),
        (_first(planes=()), "Layer 'dense' has planes of shifts []; they must fall to 0 in steps of 0 or 1"),
        (
            _first(planes=tuple(WeightPlane(shift, np.zeros((10, 1), np.uint8)) for shift in (2, 0))),
            "Layer 'dense' has planes of shifts [2, 0]; they must fall to 0 in steps of 0 or 1",
        ),
        (
            _first(high=2**40),
            f"Layer 'dense' states accumulators from -1 to {2**40}; its weights and source give -1 to 2",
        ),
        (
            _last(target=Encoding(2, Fraction(1), Fraction(0))),
            "Layer 'dense#3' has a requantiser of 16 bits for a target of 2 bits",
        ),
        (_divide(fraction_bits=25), "Layer 'dense' has 25 fraction bits; accepted are 0 to 24"),
    ],
)
def test_refusals(change: Callable[[Program], Program], message: str) -> None:
    program = change(make_program())
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        check_program(program)


@pytest.mark.parametrize(("inputs", "outputs"), [(0, 10), (3, 0)])
def test_layers_without_inputs_or_outputs(inputs: int, outputs: int) -> None:
    program = make_program()
    first: DenseLayer = replace(program.layers[0], inputs=inputs, outputs=outputs)
    shape = (0, 3) if inputs == 0 else (3,)
    with pytest.raises(
        BcsimError, match=f"^Layer 'dense' has {inputs} inputs and {outputs} outputs; both must be positive$"
    ):
        check_program(replace(program, layers=(first,), input_shape=shape))
