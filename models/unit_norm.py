"""Momentum for filters of unit norm, orthogonalised (Muon) or not (needs PyTorch)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_MOMENTUM = 0.85
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 3
_BETAS = (0.9, 0.99)
_EPSILON = 1e-8
_SMALLEST = 1e-20


class UnitNorm(torch.optim.Optimizer):  # type: ignore[misc,unused-ignore]
    """Steps of a fixed size for filters of a fixed size, ADAM for all other parameters.

    A group with `filters` holds weights (outputs, ...), each output's of mean square 1. Their step is Nesterov's
    momentum, scaled to a mean square of 1; the rate is thus the share of its own size by which a weight moves.
    Afterwards each filter is brought back to a mean square of 1: signs do not see its size, and a filter that grew
    would stop turning.

    orthogonal : scales the step as Muon does (K. Jordan et al., 2024), towards the nearest orthogonal matrix by Newton
        and Schulz' iteration, instead of each filter's by itself.
    """

    def __init__(self, params: Any, lr: float, *, orthogonal: bool) -> None:
        super().__init__(params, {"lr": lr, "filters": False})
        self.orthogonal = orthogonal
        for group in self.param_groups:
            if group["filters"]:
                for weight in group["params"]:
                    _to_unit(weight)

    @torch.no_grad()  # type: ignore[untyped-decorator,unused-ignore]
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    move = self._turn if group["filters"] else self._move
                    move(parameter, parameter.grad, group["lr"])

    def _turn(self, weight: Tensor, gradient: Tensor, rate: float) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"].mul_(_MOMENTUM).add_(gradient)
        ahead = gradient.add(momentum, alpha=_MOMENTUM)
        if self.orthogonal:
            direction = orthogonalised(ahead.reshape(len(ahead), -1)).view_as(weight)
            direction /= direction.square().mean().sqrt().clamp(min=_SMALLEST)
        else:
            direction = _to_unit(ahead)
        weight.sub_(direction, alpha=rate)
        _to_unit(weight)

    def _move(self, parameter: Tensor, gradient: Tensor, rate: float) -> None:
        state = self.state[parameter]
        if not state:
            state |= {"step": 0, "m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}
        state["step"] += 1
        mean = state["m"].lerp_(gradient, 1 - _BETAS[0]) / (1 - _BETAS[0] ** state["step"])
        square = state["v"].lerp_(gradient.square(), 1 - _BETAS[1]) / (1 - _BETAS[1] ** state["step"])
        parameter.sub_(mean / (square.sqrt() + _EPSILON), alpha=rate)


def orthogonalised(matrix: Tensor) -> Tensor:
    """A matrix near U V', where U S V' is the singular value decomposition of `matrix` (rows, columns).

    Computed in bfloat16: singular values come out between 0.7 and 1.2, small ones smaller.
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if is_tall else matrix).bfloat16()
    x = x / x.norm().clamp(min=1e-7)
    linear, cubic, quintic = _NEWTON_SCHULZ
    for _ in range(_ITERATIONS):
        square = x @ x.T
        x = linear * x + (cubic * square + quintic * square @ square) @ x
    return (x.T if is_tall else x).to(matrix.dtype)


@torch.no_grad()  # type: ignore[untyped-decorator,unused-ignore]
def _to_unit(weight: Tensor) -> Tensor:
    """`weight` with each output's divided, in place, by their root mean square."""
    size = weight.flatten(1).square().mean(1).sqrt().clamp(min=_SMALLEST)
    return weight.div_(size.view(-1, *[1] * (weight.dim() - 1)))
