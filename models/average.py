"""The mean of a network's parameters over the last steps of a training (needs PyTorch)."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential mean of all parameters of `model`; real weights are averaged, and binarised afterwards.

    kept : share of the mean that stays at a step, 0..1: the mean is over about the last 1 / (1 - kept) steps.
    values : the means, in the order of the parameters.
    """

    def __init__(self, model: nn.Module, kept: float) -> None:
        self.kept = kept
        self.values = [parameter.detach().clone() for parameter in model.parameters()]

    @torch.no_grad()  # type: ignore[untyped-decorator,unused-ignore]
    def update(self, model: nn.Module) -> None:
        """Take the parameters that a step left."""
        for mean, parameter in zip(self.values, model.parameters(), strict=True):
            mean.lerp_(parameter, 1 - self.kept)

    @torch.no_grad()  # type: ignore[untyped-decorator,unused-ignore]
    def applied(self, model: nn.Module) -> nn.Module:
        """A copy of `model` with the means in place of its parameters; BatchNorm's statistics are not of them."""
        made = copy.deepcopy(model)
        for mean, parameter in zip(self.values, made.parameters(), strict=True):
            parameter.copy_(mean)
        return made

    def restore(self, values: Sequence[Tensor]) -> None:
        """Go on from `values`; raises ValueError where their shapes are not those of the parameters."""
        if [value.shape for value in values] != [value.shape for value in self.values]:
            raise ValueError("its averages are not of its weights")
        self.values = [value.to(mean) for value, mean in zip(values, self.values, strict=True)]
