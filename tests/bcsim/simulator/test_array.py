"""The machine level's division in floats against Python's integers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bcsim.simulator.array import FLOAT64_EXACT


@given(st.integers(1, FLOAT64_EXACT - 1), st.integers(1, 1 << 16), st.sampled_from((-1, 0, 1)))
def test_float_quotients_keep_their_floor_below_the_limit(divisor: int, quotient: int, step: int) -> None:
    quotient = min(quotient, (FLOAT64_EXACT - 1) // divisor)
    numerator = min(divisor * quotient + step, FLOAT64_EXACT - 1)
    assert np.floor(np.float64(numerator) / np.float64(divisor)) == numerator // divisor
