"""A trained network made ready for inference: with binary or real weights, sampled, baked (needs PyTorch)."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bcsim.common.errors import BcsimError
from bcsim.models.binarise import hard_sigmoid
from bcsim.models.evaluate import Images
from bcsim.models.export import BakedLayer
from bcsim.models.layers import BinaryLayer, binary_layers
from bcsim.models.normalise import Norm, ShiftBatchNorm
from bcsim.models.recipes import Inference

# Statistics of 10,000 images are within 1 % of a deviation, at a fifth of an epoch's forward passes.
_IMAGES = 10_000
_BATCH = 1000


def with_weights(
    model: nn.Module, inference: Inference, images: Images, *, are_averaged: bool = False
) -> nn.Module:
    """A copy of `model` in evaluation mode with its `binary` or `real` weights.

    Where these are not the weights that it trains with, or `are_averaged`, its statistics are estimated anew from
    `images`.
    """
    made = copy.deepcopy(model)
    for layer in binary_layers(made):
        layer.inference = inference
    if are_averaged or any(not layer.evaluates_as_trained for layer in binary_layers(made)):
        _estimate_statistics(made, images)
    return made.eval()


def sampled(model: nn.Module, members: int, seed: int, images: Images) -> Iterator[nn.Module]:
    """`members` copies of `model` with weights drawn by the stochastic rule, the same for the same `seed`.

    Each has its own statistics, from `images`. Raises BcsimError for a network whose method is not stochastic.
    """
    if any(layer.method != "stoch" for layer in binary_layers(model)):
        raise BcsimError("An ensemble is sampled from the stochastic rule: train with the method stoch")
    generator = torch.Generator().manual_seed(seed)
    for _ in range(members):
        member = copy.deepcopy(model)
        for layer in binary_layers(member):
            _sample(layer, generator)
        yield with_weights(member, "binary", images)


def _sample(layer: BinaryLayer, generator: torch.Generator) -> None:
    chance = hard_sigmoid(layer.weight.detach().cpu())
    drawn = torch.rand(chance.shape, generator=generator)
    with torch.no_grad():
        layer.weight.copy_(torch.where(drawn < chance, 1.0, -1.0))


@torch.no_grad()  # type: ignore[untyped-decorator,unused-ignore]
def _estimate_statistics(model: nn.Module, images: Images) -> None:
    """Replace every running mean and variance by the mean of those of batches of the first `images`."""
    norms = [layer for layer in model.eval().modules() if isinstance(layer, Norm)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
    seen = 0
    for part in images.levels[:_IMAGES].split(_BATCH):
        seen += len(part)
        for norm in norms:
            norm.momentum = len(part) / seen
        model(images.inputs(part))
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum


def baked_layers(model: nn.Module) -> list[BakedLayer]:
    """The layers of `model` as it evaluates: weights binarised, or real where its inference is; left as it is."""
    norms = [layer for layer in model.modules() if isinstance(layer, Norm)]
    evaluated = copy.deepcopy(model).eval()
    return [_baked(layer, norm) for layer, norm in zip(binary_layers(evaluated), norms, strict=True)]


def _baked(layer: BinaryLayer, norm: nn.Module) -> BakedLayer:
    weight = layer.effective_weight().detach().cpu().contiguous()
    weight = weight if layer.inference == "real" else weight.to(torch.int8)
    mean, variance = _array(norm.running_mean), _array(norm.running_var)
    gamma, beta, epsilon = _array(norm.weight), _array(norm.bias), norm.eps
    if isinstance(norm, ShiftBatchNorm):
        # ONNX divides by sqrt(variance + epsilon): with 1 and 0 the gain is a power of two to the last bit.
        gamma, variance, epsilon = _array(norm.gain(norm.running_var)), np.ones_like(mean), 0.0
    return BakedLayer(weight.numpy(), gamma, beta, mean, variance, epsilon)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor.detach().cpu().numpy().copy(), np.float32)
