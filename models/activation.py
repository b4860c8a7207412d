"""What stands between the layers: ReLU, quantised ReLU or sign (no PyTorch here)."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

STEPS: Mapping[int, Fraction] = {
    2: Fraction(21, 32),
    3: Fraction(11, 32),
    4: Fraction(25, 128),
    5: Fraction(27, 256),
    6: Fraction(15, 256),
    7: Fraction(1, 32),
    8: Fraction(17, 1024),
}
"""Step of a quantised ReLU by bits: within 3 % of the one with the least mean square error for the positive half of
a normal distribution of variance 1, which BatchNorm approaches, and exact in float32."""


@dataclass(frozen=True, slots=True)
class Activation:
    """The activation by its bits: 0 is a real ReLU, 1 the sign (0 counts as +1), 2 to 8 a quantised ReLU.

    The last is step * min(max(round(x / step), 0), 2**bits - 1), ties to even.
    """

    bits: int = 0

    @property
    def is_real(self) -> bool:
        return self.bits == 0

    @property
    def is_sign(self) -> bool:
        return self.bits == 1

    @property
    def step(self) -> Fraction:
        """Of a quantised ReLU."""
        return STEPS[self.bits]

    @property
    def top(self) -> Fraction:
        """The greatest value of a quantised ReLU."""
        return self.step * int(2**self.bits - 1)
