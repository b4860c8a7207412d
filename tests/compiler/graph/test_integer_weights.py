import re

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.integer_weights import integer_weights

RNG = np.random.default_rng(3)
SIGNS = RNG.choice([-1.0, 1.0], (5, 7))


def check(values, weights, scale):
    found = integer_weights(np.asarray(values, dtype=np.float64), "W")
    assert found.weights.dtype == np.int16
    np.testing.assert_array_equal(found.weights, weights)
    np.testing.assert_array_equal(found.scale, scale)
    return found


def refusal(values):
    with pytest.raises(BcsimError) as caught:
        integer_weights(np.asarray(values, dtype=np.float64), "W")
    return str(caught.value)


def test_binary():
    assert check(SIGNS, SIGNS, np.ones(5)).kind == "+-1"


def test_binary_with_one_scale():
    check(SIGNS * 0.37, SIGNS, np.full(5, 0.37))


def test_binary_with_scales_that_have_a_common_divisor_stays_binary():
    scale = np.array([0.5, 1.0, 1.5, 2.0, 3.0])
    check(SIGNS * scale[:, None], SIGNS, scale)


def test_ternary_with_negative_zeros_and_a_dead_output():
    ternary = np.array([[-1, 0, 1], [-0.0, 1, -1], [0, -0.0, 0]])
    assert check(ternary * 0.25, ternary, [0.25, 0.25, 1]).kind == "-1, 0, +1"


def test_all_zero():
    check(np.zeros((2, 3)), np.zeros((2, 3)), [1, 1])


def test_two_values_of_different_magnitude():
    check([[-0.5, 1.0], [1.0, -0.5]], [[-1, 2], [2, -1]], [0.5, 0.5])


@pytest.mark.parametrize("top", [2, 3, 7, 127, 128])
def test_integers_times_a_scale(top):
    integers = np.array([[-top, 1, 0], [top - 1, -1, 1], [1, -1, top]])
    check(integers * 0.1, integers, np.full(3, 0.1))


def test_129_levels_are_too_many():
    assert "distinct values" in refusal([[1.0, 129.0]])


@pytest.mark.parametrize(
    ("top", "kind"), [(2, "3-bit integers"), (-2, "2-bit integers"), (-128, "8-bit integers")]
)
def test_kind_names_the_bits(top, kind):
    assert integer_weights(np.array([[top, 1.0]]), "W").kind == kind


def test_integers_with_a_scale_per_output():
    integers = np.array([[-7, 1, 0, 3], [2, 1, 7, -5], [3, 1, 0, 0]])
    scale = np.array([0.11, 0.237, 0.0931])
    found = integer_weights(integers * scale[:, None], "W")
    np.testing.assert_array_equal(found.weights, integers)
    np.testing.assert_allclose(found.scale, scale, rtol=1e-15)


def test_float32_integers_take_the_file_s_scale_exactly():
    integers = np.arange(-127, 128).reshape(5, 51)
    scale = np.float32(0.0123)
    check(integers.astype(np.float32) * scale, integers, np.full(5, np.float64(scale)))


def test_straight_through_residue_is_snapped_to_one():
    noisy = SIGNS + RNG.choice([-6e-8, 0, 6e-8], SIGNS.shape)
    assert 0 < check(noisy, SIGNS, np.ones(5)).deviation < 1e-7


def test_residue_above_the_tolerance_is_refused():
    assert "2 distinct values" in refusal([[1.0, 1.00001]])


def test_a_scale_near_one_that_all_weights_share_is_kept():
    check(SIGNS * (1 + 5e-7), SIGNS, np.full(5, 1 + 5e-7))


def test_refusal_names_the_smallest_values():
    assert refusal(np.linspace(-0.731, 0.7, 512).reshape(8, 64) ** 3) == (
        "weight tensor 'W' has 512 distinct values (-0.3906, -0.3861, -0.3817, ...); accepted are two- or "
        "three-valued weights (+-c, 0) or integers of 2 to 8 bits times a scale, and real ones that "
        "--weight-bits rounds"
    )


def test_a_dense_run_of_values_is_not_merged_into_one():
    assert "distinct values" in refusal(np.linspace(1, 1.001, 4000).reshape(4, 1000))


def test_scales_per_input_are_refused_by_name():
    assert refusal(SIGNS * RNG.uniform(0.1, 1, 7)) == (
        "weight tensor 'W' has one scale per input channel; accepted is one scale per tensor or per output channel"
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(bad):
    assert refusal([[1.0, bad]]) == (
        "weight tensor 'W' has values that are NaN or infinite; weights must be finite"
    )


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_empty(shape):
    assert re.fullmatch(
        "weight tensor 'W' is empty; expected at least one input and one output", refusal(np.zeros(shape))
    )
