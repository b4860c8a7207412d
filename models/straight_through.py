"""Roundings with a straight-through gradient (needs PyTorch)."""

from typing import Any

import torch
from torch import Tensor, nn

from bcsim.models.activation import Activation


class _Sign(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


def binarise_activation(x: Tensor) -> Tensor:
    """+1 where `x` >= 0, else -1; the gradient is that of hard tanh: passed where |x| <= 1, else 0."""
    result: Tensor = _Sign.apply(x)
    return result


def power_of_two(x: Tensor) -> Tensor:
    """The power of two nearest to `x` by exponent, sign(x) * 2**round(log2 |x|), and 0 for 0; gradient 1."""
    exponent = torch.where(x == 0, 1.0, x.detach().abs()).log2().round()
    return x + (x.detach().sign() * torch.exp2(exponent) - x.detach())


class _QuantisedReLU(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    @staticmethod
    def forward(ctx: Any, x: Tensor, step: float, top: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.top = top
        # In place: the passes over memory are most of the time of a narrow network.
        return torch.div(x, step).clamp_(0, round(top / step)).round_().mul_(step)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(grad, x, 0.0, ctx.top), None, None


def quantise_relu(x: Tensor, step: float, top: float) -> Tensor:
    """`x` rounded to the nearest of 0, step, ..., top, ties to even.

    The gradient is that of clip(x, 0, top): 1 between the bounds, 0 at them and beyond.
    """
    result: Tensor = _QuantisedReLU.apply(x, step, top)
    return result


class QuantisedReLU(nn.Module):  # type: ignore[misc,unused-ignore]
    """`quantise_relu` as a layer."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.step, self.top = float(activation.step), float(activation.top)

    def forward(self, x: Tensor) -> Tensor:
        return quantise_relu(x, self.step, self.top)


class BinaryActivation(nn.Module):  # type: ignore[misc,unused-ignore]
    """`binarise_activation` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return binarise_activation(x)


def make_activation(activation: Activation) -> nn.Module:
    """The layer that computes `activation`."""
    if activation.is_real:
        return nn.ReLU()
    return BinaryActivation() if activation.is_sign else QuantisedReLU(activation)
