"""Binarisation of real weights with a straight-through gradient (needs PyTorch)."""

from typing import Any

import torch
from torch import Tensor

_TERNARY = 0.7
"""Share of a filter's mean size up to which its weights are 0 (Li, Zhang and Liu, Ternary weight networks, 2016)."""


class _Deterministic(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        return _bipolar(torch.ge(weight, 0, out=torch.empty_like(weight)))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class _Stochastic(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        drawn = torch.rand_like(weight)
        return _bipolar(torch.lt(drawn, hard_sigmoid(weight), out=drawn))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class _Ternary(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        size = weight.abs()
        bound = _TERNARY * size.flatten(1).mean(1).view(-1, *[1] * (weight.dim() - 1))
        return torch.sign(weight).mul_(size > bound)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


def _bipolar(bits: Tensor) -> Tensor:
    """-1 for 0 and +1 for 1, in place. Comparing into floats is 4 times faster than converting booleans."""
    return bits.mul_(2).sub_(1)


def hard_sigmoid(x: Tensor) -> Tensor:
    """clip((x + 1) / 2, 0, 1), element by element: the chance of +1 under the stochastic rule."""
    return ((x + 1) / 2).clamp_(0, 1)


def binarise_deterministic(weight: Tensor) -> Tensor:
    """+1 where `weight` >= 0 (a zero counts as +1), else -1; same shape and dtype.

    The gradient with respect to the result is that with respect to `weight`: straight through, unmasked.
    """
    result: Tensor = _Deterministic.apply(weight)
    return result


def binarise_stochastic(weight: Tensor) -> Tensor:
    """+1 with probability `hard_sigmoid(weight)`, else -1, drawn from PyTorch's global generator.

    The gradient passes straight through, unmasked, as in `binarise_deterministic`.
    """
    result: Tensor = _Stochastic.apply(weight)
    return result


def ternarise(weight: Tensor) -> Tensor:
    """The sign of each weight of more than 0.7 of the mean size of its output's weights, else 0.

    `weight` (outputs, ...); same shape and dtype. The gradient passes straight through, unmasked.
    """
    result: Tensor = _Ternary.apply(weight)
    return result
