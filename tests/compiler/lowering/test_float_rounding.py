from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcsim.compiler.lowering.float_rounding import FORMATS, rounded, rounds_from

KINDS = {"float16": np.float16, "float32": np.float32}
NUMBERS = st.fractions(-8, 8) | st.integers(-(2**20), 2**20).map(lambda n: Fraction(n, 2**18))


@given(NUMBERS, st.sampled_from(sorted(KINDS)))
def test_as_numpy_rounds(x: Fraction, kind: str) -> None:
    """Through float64, which holds these fractions or is far finer than the tie."""
    if Fraction(float(x)) == x:
        assert rounded(x, kind) == Fraction(float(KINDS[kind](float(x))))


@given(NUMBERS, st.sampled_from(sorted(FORMATS)), st.booleans())
def test_from_where_on_it_rounds(bound: Fraction, kind: str, beyond: bool) -> None:
    check_place(bound, kind, beyond)


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_from_where_on_it_rounds_beside_the_starts_of_binades(kind: str) -> None:
    """Where the distance of floats changes, on both sides of 0 and beside the least ones."""
    bits, least = FORMATS[kind]
    for exponent in (least - bits + 1, least, least + 1, -18, -1, 0, 5):
        start = Fraction(2) ** exponent
        step = Fraction(2) ** (max(exponent, least) - bits + 1)
        for off in (0, step / 8, step / 4, step / 2, step):
            for bound in (start + off, start - off, -start + off, -start - off):
                check_place(bound, kind, beyond=False)
                check_place(bound, kind, beyond=True)


def check_place(bound: Fraction, kind: str, beyond: bool) -> None:
    place, reached = rounds_from(bound, kind, beyond=beyond)

    def holds(x: Fraction) -> bool:
        return rounded(x, kind) > bound if beyond else rounded(x, kind) >= bound

    nudge = Fraction(1, 2**1100)
    assert holds(place) == reached
    assert holds(place + nudge)
    assert not holds(place - nudge)


@pytest.mark.parametrize(
    ("bound", "place", "reached"),
    [
        (1, 1 - 2.0**-25, True),
        (0, -(2.0**-150), True),
        (-1, -1 - 2.0**-24, True),
        (1.5, 1.5 - 2.0**-24, True),
    ],
)
def test_places_in_float32(bound: float, place: float, reached: bool) -> None:
    assert rounds_from(Fraction(bound), "float32", beyond=False) == (Fraction(place), reached)
