"""Layers of a BinaryConnect network in PyTorch."""

import math

import torch
from torch import Tensor, nn

from bcsim.models import integer, winograd
from bcsim.models.binarise import binarise_deterministic, binarise_stochastic, ternarise
from bcsim.models.normalise import make_norm
from bcsim.models.pooling import MaxPool2d
from bcsim.models.recipes import UNIT_NORM, Inference, Method, Recipe
from bcsim.models.straight_through import QuantisedReLU, make_activation
from bcsim.models.topologies import Stage


class BinaryLayer(nn.Module):  # type: ignore[misc,unused-ignore]
    """Linear layer without bias whose weights are binarised on the way: dense, or a 3x3 convolution.

    `weight` (outputs, inputs) or (outputs, inputs, rows, columns) float32 holds the real weights. In training they
    are binarised by `method`; in evaluation deterministically, unless `inference` is `real`, which uses them as they
    are. `clips` says whether `clip` keeps them in -1..+1, or the optimiser bounds them.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        method: Method,
        inference: Inference = "binary",
        clips: bool = True,
    ) -> None:
        super().__init__()
        self.method, self.inference, self.clips = method, inference, clips
        fans = math.prod(shape[1:]), shape[0] * math.prod(shape[2:])
        self.fans = sum(fans)
        # H = 1 for weights to be binarised, else Glorot's bound for a plain ReLU network.
        bound = 1.0 if self.is_binary else math.sqrt(6 / self.fans)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))

    @property
    def is_binary(self) -> bool:
        return self.method not in ("none", "dropout")

    @property
    def evaluates_as_trained(self) -> bool:
        """Whether evaluation multiplies by the weights that training does."""
        return self.method != "stoch" if self.inference == "binary" else not self.is_binary

    @property
    def multiplies_by_signs(self) -> bool:
        """Whether this pass multiplies by -1, 0 and +1 only."""
        return self.is_binary and (self.training or self.inference == "binary")

    @property
    def lr_coefficient(self) -> float:
        """Glorot coefficient 1 / sqrt(1.5 / (fan in + fan out)) that scales the learning rate."""
        return 1 / math.sqrt(1.5 / self.fans)

    def effective_weight(self) -> Tensor:
        """The weights that this pass multiplies by, of the shape of `weight`."""
        if not self.multiplies_by_signs:
            return self.weight
        if self.method == "stoch" and self.training:
            return binarise_stochastic(self.weight)
        if self.method == "ternary":
            return ternarise(self.weight)
        return binarise_deterministic(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.effective_weight()
        if weight.dim() == 2:
            return nn.functional.linear(x, weight)
        # Evaluation stays with the direct sum, which is nearer to what other runtimes compute.
        if self.training and winograd.applies(x, weight):
            return winograd.convolve(x, weight)
        return nn.functional.conv2d(x, weight, padding=weight.shape[-1] // 2)

    def behind(self, activation: QuantisedReLU, x: Tensor) -> Tensor:
        """What `forward` gives for `activation(x)`; exact sums of integers where the processor is fast at them."""
        if self.multiplies_by_signs and integer.applies(x, activation, self.weight):
            return integer.convolve(x, activation, self.effective_weight())
        return self(activation(x))

    def clip(self) -> None:
        """Bring real weights that are to be binarised back into -1..+1; call after every step."""
        if self.is_binary and self.clips:
            with torch.no_grad():
                self.weight.clamp_(-1, 1)


class Network(nn.Sequential):  # type: ignore[misc,unused-ignore]
    """Layers one after another; a BinaryLayer right behind a quantised ReLU takes both as one."""

    def forward(self, x: Tensor) -> Tensor:
        layers = list(self)
        for before, layer in zip([None, *layers], layers, strict=False):
            if isinstance(before, QuantisedReLU):
                x = layer.behind(before, x) if isinstance(layer, BinaryLayer) else layer(before(x))
            elif not isinstance(layer, QuantisedReLU):
                x = layer(x)
        return x


def build(recipe: Recipe) -> nn.Sequential:
    """(Dropout ->) BinaryLayer (-> max pool) -> BatchNorm -> activation for each stage; the last has no activation.

    Inputs and dense layers have dropout, convolutions of hidden channels have none, as in the paper.
    """
    stages = recipe.topology.stages
    layers: list[nn.Module] = []
    for stage in stages:
        layers += _stage(stage, recipe, first=stage is stages[0])
        if stage is not stages[-1]:
            layers.append(make_activation(recipe.activation))
    return Network(*layers)


def _stage(stage: Stage, recipe: Recipe, *, first: bool) -> list[nn.Module]:
    rate = recipe.dropout_in if first else 0.0 if stage.convolution else recipe.dropout_hidden
    layers: list[nn.Module] = [nn.Flatten()] if stage.flattens else []
    if rate:
        layers.append(nn.Dropout(rate))
    layers.append(
        BinaryLayer(
            stage.weight_shape,
            method=recipe.method,
            inference=recipe.inference,
            clips=recipe.optimiser not in UNIT_NORM,
        )
    )
    if stage.pool:
        layers.append(MaxPool2d())
    return [*layers, make_norm(stage.outputs, image=stage.convolution, kind=recipe.normalisation)]


def binary_layers(model: nn.Module) -> list[BinaryLayer]:
    """The model's BinaryLayers, from input to output."""
    return [layer for layer in model.modules() if isinstance(layer, BinaryLayer)]
