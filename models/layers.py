"""Layers of a BinaryConnect network in PyTorch."""

import math

import torch
from torch import Tensor, nn

from bcsim.errors import BcsimError
from bcsim.models.binarise import binarise_deterministic, binarise_stochastic
from bcsim.models.export import DenseLayer
from bcsim.models.recipes import Method, Recipe
from bcsim.models.topologies import Topology

# The paper's code: epsilon 1e-4, and 0.1 of each batch goes into the running statistics.
_BN_EPSILON = 1e-4
_BN_MOMENTUM = 0.1


class BinaryLinear(nn.Module):  # type: ignore[misc,unused-ignore]
    """Linear layer without bias whose weights are binarised on the way, by `method`.

    `weight` (outputs, inputs) float32 holds the real weights. In training they are binarised by `method`; in
    evaluation deterministically, unless `method` is `none`, which uses them as they are.
    """

    def __init__(self, inputs: int, outputs: int, *, method: Method) -> None:
        super().__init__()
        self.method = method
        # H = 1 for weights to be binarised, else Glorot's bound for a plain ReLU network.
        bound = 1.0 if self.is_binary else math.sqrt(6 / (inputs + outputs))
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))

    @property
    def is_binary(self) -> bool:
        return self.method != "none"

    @property
    def lr_coefficient(self) -> float:
        """Glorot coefficient 1 / sqrt(1.5 / (inputs + outputs)) that scales the learning rate."""
        return 1 / math.sqrt(1.5 / sum(self.weight.shape))

    def effective_weight(self) -> Tensor:
        """The weights that this pass multiplies by, (outputs, inputs)."""
        if not self.is_binary:
            return self.weight
        if self.method == "stoch" and self.training:
            return binarise_stochastic(self.weight)
        return binarise_deterministic(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.effective_weight())

    def clip(self) -> None:
        """Bring real weights that are to be binarised back into -1..+1; call after every step."""
        if self.is_binary:
            with torch.no_grad():
                self.weight.clamp_(-1, 1)


def build(topology: Topology, recipe: Recipe) -> nn.Sequential:
    """Dropout -> BinaryLinear -> BatchNorm -> ReLU for each layer; the last has no ReLU."""
    layers: list[nn.Module] = []
    last = len(topology.widths) - 2
    for i, (inputs, outputs) in enumerate(zip(topology.widths, topology.widths[1:], strict=False)):
        rate = recipe.dropout_hidden if i else recipe.dropout_in
        if rate:
            layers.append(nn.Dropout(rate))
        layers.append(BinaryLinear(inputs, outputs, method=recipe.method))
        layers.append(nn.BatchNorm1d(outputs, eps=_BN_EPSILON, momentum=_BN_MOMENTUM))
        if i < last:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def binary_layers(model: nn.Module) -> list[BinaryLinear]:
    """The model's BinaryLinear layers, from input to output."""
    return [layer for layer in model.modules() if isinstance(layer, BinaryLinear)]


def baked_layers(model: nn.Module) -> list[DenseLayer]:
    """The layers of `model` with their weights binarised deterministically; the model is left as it is."""
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm1d)]
    return [_baked(*pair) for pair in zip(binary_layers(model), norms, strict=True)]


def _baked(linear: BinaryLinear, norm: nn.BatchNorm1d) -> DenseLayer:
    if not linear.is_binary:
        raise BcsimError("Method none trains real weights, which have no binary ONNX file")
    with torch.no_grad():
        weight = binarise_deterministic(linear.weight).T.contiguous().to(torch.int8).numpy()
    state = {name: tensor.numpy().copy() for name, tensor in norm.state_dict().items()}
    return DenseLayer(
        weight=weight,
        gamma=state["weight"],
        beta=state["bias"],
        mean=state["running_mean"],
        variance=state["running_var"],
        epsilon=norm.eps,
    )
