"""Loss and optimisers of the paper in PyTorch."""

from typing import Any

import torch
from torch import Tensor, nn

from bcsim.models.layers import binary_layers
from bcsim.models.recipes import UNIT_NORM, Optimiser, Recipe
from bcsim.models.shift_adamax import ShiftAdaMax
from bcsim.models.unit_norm import UnitNorm

_NESTEROV_MOMENTUM = 0.9
_OTHERS = 0.1
"""With filters of unit norm, the rate of what are no weights, of that of the weights."""


def squared_hinge(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean of max(0, 1 - t * score)**2 over images and classes; t is +1 for the right class, else -1.

    `scores` (images, classes) float, `labels` (images,) int64.
    """
    targets = nn.functional.one_hot(labels, scores.shape[1]).to(scores.dtype).mul_(2).sub_(1)
    return (1 - targets * scores).clamp(min=0).square().mean()


def classification_loss(scores: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """The recipe's loss of `scores` (images, classes) float32 for `labels` (images,) int64, a mean over images."""
    if recipe.loss == "squared-hinge":
        return squared_hinge(scores, labels)
    return nn.functional.cross_entropy(scores, labels, label_smoothing=recipe.label_smoothing)


def lr_multiplier(coefficient: float, optimiser: Optimiser) -> float:
    """Factor on a weight matrix's learning rate: its Glorot coefficient, squared with SGD and Nesterov."""
    return coefficient**2 if optimiser in ("sgd", "nesterov") else coefficient


def make_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Optimiser with one parameter group per binary weight matrix and one for all the rest.

    Each group has a `multiplier`, which `set_learning_rate` applies. Multiplying a group's rate multiplies
    its update, for all optimisers but ShiftAdaMax, which rounds the rate to a power of two; real weights that are
    never binarised keep the base rate, as do all where the recipe has no `lr_scaling`. With filters of unit norm
    there are two groups: steps are in proportion to the weights by themselves.
    """
    if recipe.optimiser in UNIT_NORM:
        return _make_unit_norm(model, recipe)
    binary = [layer for layer in binary_layers(model) if layer.is_binary and recipe.lr_scaling]
    scaled = {id(layer.weight) for layer in binary}
    groups = [
        {"params": [layer.weight], "multiplier": lr_multiplier(layer.lr_coefficient, recipe.optimiser)}
        for layer in binary
    ]
    rest = [p for p in model.parameters() if id(p) not in scaled]
    groups.append({"params": rest, "multiplier": 1.0})
    if recipe.optimiser == "adam":
        return torch.optim.Adam(groups, lr=recipe.lr_start, fused=True)
    if recipe.optimiser == "shift-adamax":
        return ShiftAdaMax(groups, lr=recipe.lr_start)
    nesterov = recipe.optimiser == "nesterov"
    momentum = _NESTEROV_MOMENTUM if nesterov else 0.0
    return torch.optim.SGD(groups, lr=recipe.lr_start, momentum=momentum, nesterov=nesterov, fused=True)


def _make_unit_norm(model: nn.Module, recipe: Recipe) -> UnitNorm:
    filters = [layer.weight for layer in binary_layers(model)]
    listed = {id(weight) for weight in filters}
    others = [p for p in model.parameters() if id(p) not in listed]
    groups = [
        {"params": filters, "multiplier": 1.0, "filters": True},
        {"params": others, "multiplier": _OTHERS, "filters": False},
    ]
    return UnitNorm(groups, lr=recipe.lr_start, orthogonal=recipe.optimiser == "muon")


def set_learning_rate(optimiser: torch.optim.Optimizer, base: float) -> None:
    """Give every group `base` times its multiplier."""
    for group in optimiser.param_groups:
        group["lr"] = base * group["multiplier"]


def check_optimiser(optimiser: torch.optim.Optimizer, fresh: list[dict[str, Any]]) -> None:
    """Raise ValueError where a loaded state is none of this optimiser's.

    fresh : the parameter groups of its state as it was made; learning rates alone change in a training.
    """
    for group, made in zip(optimiser.state_dict()["param_groups"], fresh, strict=True):
        if {**group, "lr": 0} != {**made, "lr": 0}:
            raise ValueError("its optimiser has other settings")
    for parameter, state in optimiser.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape not in (parameter.shape, torch.Size([])):
                raise ValueError(f"its optimiser's {name} has the shape {tuple(value.shape)}")
