"""The serial line's speed in cycles of a clock."""

from __future__ import annotations

from bcsim.common.errors import BcsimError
from bcsim.rtl.link.uart import LEAST_DIVISOR

__all__ = ["TOLERANCE", "baud_divisor"]

TOLERANCE = 0.02
"""How far the line may be from its speed, as a part of it: half of the 5 % that sampling in a bit's middle allows with
both ends' clocks exact."""


def baud_divisor(clock_hz: float, baud: int) -> int:
    """Cycles of a bit at a clock. Raises BcsimError where the nearest number of cycles is more than 2 % off."""
    divisor = round(clock_hz / baud)
    if divisor < LEAST_DIVISOR or abs(clock_hz / divisor / baud - 1) > TOLERANCE:
        most = int(clock_hz / LEAST_DIVISOR)
        raise BcsimError(
            f"A clock of {clock_hz / 1e6:g} MHz gives no line of {baud} baud: {divisor} cycles a bit are not within "
            f"2 % of it, or fewer than {LEAST_DIVISOR}; take a speed that divides the clock, at most {most}"
        )
    return divisor
