"""How each network is trained, as frozen configurations (no PyTorch here)."""

import math
from dataclasses import dataclass
from typing import Literal

from bcsim.errors import BcsimError

Method = Literal["det", "stoch", "none"]
Optimiser = Literal["sgd", "nesterov", "adam"]

METHODS = ("det", "stoch", "none")
OPTIMISERS = ("sgd", "nesterov", "adam")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hyper-parameters of one training; two runs of equal recipes on one machine give equal weights.

    `method` is how weights are binarised in the forward and backward pass: `det` (w >= 0 -> +1), `stoch`
    (+1 with probability of the hard sigmoid) or `none` (real weights, the baseline without regulariser).
    The learning rate falls exponentially, once an epoch, from `lr_start` towards `lr_end`.
    """

    network: str
    method: Method = "det"
    epochs: int = 100
    batch: int = 100
    optimiser: Optimiser = "adam"
    lr_start: float = 1e-3
    lr_end: float = 3e-6
    dropout_in: float = 0.0
    dropout_hidden: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        _require_one_of("Method", self.method, METHODS)
        _require_one_of("Optimiser", self.optimiser, OPTIMISERS)
        _require("Number of epochs", "at least 1", self.epochs, self.epochs >= 1)
        _require("Batch size", "at least 2, for BatchNorm's variance", self.batch, self.batch >= 2)
        _require("Seed", "at least 0 and below 2**63", self.seed, 0 <= self.seed < 2**63)
        _require_rate("First learning rate", self.lr_start)
        _require_rate("Last learning rate", self.lr_end)
        _require_fraction("Input dropout", self.dropout_in)
        _require_fraction("Hidden dropout", self.dropout_hidden)

    def learning_rate(self, epoch: int) -> float:
        """Base learning rate of `epoch`, counted from 0: the exponential decay of the paper's code."""
        return self.lr_start * math.pow(self.lr_end / self.lr_start, epoch / self.epochs)


def _require(noun: str, rule: str, value: object, holds: bool) -> None:
    if not holds:
        raise BcsimError(f"{noun} must be {rule}, not {value!r}")


def _require_one_of(noun: str, value: str, names: tuple[str, ...]) -> None:
    _require(noun, f"one of {', '.join(names)}", value, value in names)


def _require_rate(noun: str, value: float) -> None:
    _require(noun, "positive and finite", value, math.isfinite(value) and value > 0)


def _require_fraction(noun: str, value: float) -> None:
    _require(noun, "at least 0 and below 1", value, 0 <= value < 1)


digits = Recipe("digits", epochs=200, batch=50, lr_start=3e-3, lr_end=3e-6, dropout_hidden=0.1)
mnist_mlp = Recipe("mnist-mlp", epochs=100, batch=100, dropout_in=0.2, dropout_hidden=0.2)

RECIPES = {recipe.network: recipe for recipe in (digits, mnist_mlp)}
