"""Division by constants, whose reciprocals are seldom floats."""

from __future__ import annotations

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import BatchNorm, FloatArray, Node

__all__ = ["GREATEST", "LEAST", "RANGE", "quotient"]

LEAST, GREATEST = 1e-100, 1e100
"""Of a divisor, so that its square is a float64."""
RANGE = "from 1e-100 to 1e100"

ZERO = np.zeros(())


def quotient(
    fields: tuple[str, str, tuple[str, ...], str], divisor: FloatArray, what: str, shift: FloatArray = ZERO
) -> Node:
    """x / divisor + shift as a batch normalisation of variance divisor**2.

    Exact for divisors of up to 26 significant bits, such as those of float32; the square of others is rounded.
    what : the divisor in the message of the BcsimError that is raised where it is out of range.
    """
    if not ((np.abs(divisor) >= LEAST) & (np.abs(divisor) <= GREATEST)).all():
        raise BcsimError(f"{what} must be {RANGE} in magnitude everywhere")
    return BatchNorm(*fields, np.sign(divisor), shift, ZERO, divisor**2, 0.0)
