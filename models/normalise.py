"""Batch normalisation in PyTorch: the usual one, and the one without products of real numbers."""

import torch
from torch import Tensor, nn

from bcsim.models.recipes import Normalisation
from bcsim.models.straight_through import power_of_two

# The paper's code: epsilon 1e-4, and 0.1 of each batch goes into the running statistics.
_EPSILON = 1e-4
_MOMENTUM = 0.1


class ShiftBatchNorm(nn.Module):  # type: ignore[misc,unused-ignore]
    """Shift-based BatchNorm of Binarized Neural Networks (Courbariaux et al. 2016, algorithm 2).

    With c = x - mean: y = c * P(1 / sqrt(variance + epsilon)) * P(weight) + bias, where P is the nearest power of
    two and variance the mean of c * P(c). For x (n, features) or (n, features, rows, columns); statistics and
    parameters are (features,), named as in nn.BatchNorm1d.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.eps, self.momentum = _EPSILON, _MOMENTUM
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def gain(self, variance: Tensor) -> Tensor:
        """The product of powers of two that each feature is multiplied by, for its `variance` (features,)."""
        return power_of_two(torch.rsqrt(variance + self.eps)) * power_of_two(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1, *[1] * (x.dim() - 2))
        if not self.training:
            centred, variance = x - self.running_mean.view(shape), self.running_var
        else:
            axes = [axis for axis in range(x.dim()) if axis != 1]
            mean = x.mean(axes)
            centred = x - mean.view(shape)
            variance = (centred * power_of_two(centred)).mean(axes)
            self._track(mean, variance)
        return centred * self.gain(variance).view(shape) + self.bias.view(shape)

    @torch.no_grad()  # type: ignore[untyped-decorator,unused-ignore]
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)


Norm = nn.BatchNorm1d | nn.BatchNorm2d | ShiftBatchNorm


def make_norm(features: int, *, image: bool, kind: Normalisation) -> nn.Module:
    """Batch normalisation of `features` features, or of the channels of an `image`."""
    if kind == "shift":
        return ShiftBatchNorm(features)
    made = nn.BatchNorm2d if image else nn.BatchNorm1d
    return made(features, eps=_EPSILON, momentum=_MOMENTUM)
