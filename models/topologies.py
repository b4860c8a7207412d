"""Shapes of the networks that can be trained, as frozen configurations (no PyTorch here)."""

from dataclasses import dataclass
from fractions import Fraction

from bcsim.errors import BcsimError


@dataclass(frozen=True, slots=True)
class Topology:
    """A multi-layer perceptron and the real meaning of its input pixels.

    `widths` lists inputs, hidden units and classes. Each layer is linear (binary, no bias) -> BatchNorm, then
    ReLU but for the last. A stored pixel q, an integer in 0..levels-1, enters as `scale * q + offset`.
    """

    name: str
    dataset: str
    widths: tuple[int, ...]
    scale: Fraction
    offset: Fraction

    @property
    def weights(self) -> int:
        """Number of binary weights."""
        return sum(a * b for a, b in zip(self.widths, self.widths[1:], strict=False))


# Inputs are centred, as in the paper: the stored range maps to -1..+1.
digits = Topology("digits", "digits", (64, 128, 128, 10), Fraction(1, 8), Fraction(-1))
mnist_mlp = Topology("mnist-mlp", "mnist", (784, 1024, 1024, 1024, 10), Fraction(2, 255), Fraction(-1))

TOPOLOGIES = {topology.name: topology for topology in (digits, mnist_mlp)}


def topology(name: str) -> Topology:
    """The configuration called `name`; raises BcsimError for any other name."""
    if name not in TOPOLOGIES:
        raise BcsimError(f"Network must be one of {', '.join(TOPOLOGIES)}, not {name!r}")
    return TOPOLOGIES[name]
