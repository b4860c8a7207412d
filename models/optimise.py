"""Loss and optimisers of the paper in PyTorch."""

import torch
from torch import Tensor, nn

from bcsim.models.layers import binary_layers
from bcsim.models.recipes import Optimiser, Recipe

_NESTEROV_MOMENTUM = 0.9


def squared_hinge(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean of max(0, 1 - t * score)**2 over images and classes; t is +1 for the right class, else -1.

    `scores` (images, classes) float, `labels` (images,) int64.
    """
    targets = nn.functional.one_hot(labels, scores.shape[1]).to(scores.dtype).mul_(2).sub_(1)
    return (1 - targets * scores).clamp(min=0).square().mean()


def lr_multiplier(coefficient: float, optimiser: Optimiser) -> float:
    """Factor on a weight matrix's learning rate: its Glorot coefficient, squared without ADAM."""
    return coefficient if optimiser == "adam" else coefficient**2


def make_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Optimiser with one parameter group per binary weight matrix and one for all the rest.

    Each group has a `multiplier`, which `set_learning_rate` applies. Multiplying a group's rate multiplies
    its update, for all three optimisers; real weights that are never binarised keep the base rate.
    """
    binary = [layer for layer in binary_layers(model) if layer.is_binary]
    scaled = {id(layer.weight) for layer in binary}
    groups = [
        {"params": [layer.weight], "multiplier": lr_multiplier(layer.lr_coefficient, recipe.optimiser)}
        for layer in binary
    ]
    rest = [p for p in model.parameters() if id(p) not in scaled]
    groups.append({"params": rest, "multiplier": 1.0})
    if recipe.optimiser == "adam":
        return torch.optim.Adam(groups, lr=recipe.lr_start, fused=True)
    nesterov = recipe.optimiser == "nesterov"
    momentum = _NESTEROV_MOMENTUM if nesterov else 0.0
    return torch.optim.SGD(groups, lr=recipe.lr_start, momentum=momentum, nesterov=nesterov, fused=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, base: float) -> None:
    """Give every group `base` times its multiplier."""
    for group in optimiser.param_groups:
        group["lr"] = base * group["multiplier"]
