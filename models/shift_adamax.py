"""Shift-based AdaMax in PyTorch: ADAM's relative whose products are by powers of two."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bcsim.models.straight_through import power_of_two

_BETA_1 = 1 - 2**-3
_BETA_2 = 1 - 2**-10


class ShiftAdaMax(torch.optim.Optimizer):  # type: ignore[misc,unused-ignore]
    """Binarized Neural Networks, algorithm 3, with its 1 - beta_1 = 2**-3 and 1 - beta_2 = 2**-10.

    m = beta_1 * m + (1 - beta_1) * gradient; v = max(beta_2 * v, |gradient|); step t moves a parameter by
    -P(rate / (1 - beta_1**t)) * m * P(1 / v), where P is the nearest power of two.
    """

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()  # type: ignore[untyped-decorator,unused-ignore]
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group["lr"])

    def _move(self, parameter: Tensor, rate: float) -> None:
        state, gradient = self.state[parameter], parameter.grad
        if not state:
            state |= {"step": 0, "m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}
        state["step"] += 1
        mean = state["m"].lerp_(gradient, 1 - _BETA_1)
        greatest = torch.maximum(state["v"].mul_(_BETA_2), gradient.abs(), out=state["v"])
        shift = power_of_two(torch.tensor(rate / (1 - _BETA_1 ** state["step"])))
        # A parameter that never had a gradient has mean 0 over greatest 0: it stays.
        inverse = power_of_two(1 / torch.where(greatest > 0, greatest, 1))
        parameter.sub_(shift.item() * mean * inverse)
