"""Weight planes: exact sums, and the fewest planes."""

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bcsim.compiler.program.layers import WeightPlane
from bcsim.compiler.program.weight_planes import plane_weights, split_planes


def _total(planes: tuple[WeightPlane, ...], inputs: int) -> np.ndarray:
    return sum(plane.signs(inputs).astype(np.int64) << plane.shift for plane in planes)


@given(arrays(np.int16, st.tuples(st.integers(1, 4), st.integers(1, 17)), elements=st.integers(-128, 127)))
def test_planes_sum_to_the_weights_and_to_their_negatives(weights: np.ndarray) -> None:
    integers, factor = plane_weights(weights)
    inputs = weights.shape[1]
    assert [[Fraction(int(w)) for w in row] for row in weights] == [
        [factor * int(w) for w in row] for row in integers
    ]
    for signed in (integers, -integers):
        planes = split_planes(signed)
        assert (_total(planes, inputs) == signed).all()
        shifts = [plane.shift for plane in planes]
        assert shifts[-1] == 0
        assert all(a - b in (0, 1) for a, b in pairwise(shifts))


@pytest.mark.parametrize(
    ("values", "shifts", "factor"),
    [
        ([-1, 1], [0], Fraction(1)),
        ([1, 1], [0], Fraction(1)),
        ([-3, 3], [0], Fraction(3)),
        ([-1, 0, 1], [0, 0], Fraction(1, 2)),
        ([0, 0], [0, 0], Fraction(1, 2)),
        ([0, 4], [0, 0], Fraction(2)),
        ([-3, -1, 1, 3], [1, 0], Fraction(1)),
        ([-2, -1, 0, 1, 2], [1, 0, 0], Fraction(1, 2)),
        ([-7, 7, 5, 1], [2, 1, 0], Fraction(1)),
        ([-4, 3], [2, 1, 0, 0], Fraction(1, 2)),
        (list(range(-8, 8)), [3, 2, 1, 0, 0], Fraction(1, 2)),
        (list(range(-128, 128)), [7, 6, 5, 4, 3, 2, 1, 0, 0], Fraction(1, 2)),
        ([-127, 127], [0], Fraction(127)),
    ],
)
def test_planes_of_common_weights(values: list[int], shifts: list[int], factor: Fraction) -> None:
    integers, found = plane_weights(np.array([values], dtype=np.int16))
    assert found == factor
    assert [plane.shift for plane in split_planes(integers)] == shifts


@given(st.sets(st.integers(-9, 9), min_size=1, max_size=6))
def test_no_fewer_planes_of_falling_shifts_would_do(values: set[int]) -> None:
    integers, _ = plane_weights(np.array([sorted(values)], dtype=np.int16))
    count = len(split_planes(integers))
    for gaps in product((0, 1), repeat=max(0, count - 2)):
        shifts = [sum(gaps[b:]) for b in range(count - 1)]
        sums = {
            sum(s << shift for s, shift in zip(signs, shifts, strict=True))
            for signs in product((-1, 1), repeat=count - 1)
        }
        assert not set(integers[0].tolist()) <= sums


def test_bits_beyond_the_inputs_are_zero() -> None:
    (plane,) = split_planes(np.ones((1, 3), dtype=np.int64))
    assert plane.packed.tolist() == [[7]]
