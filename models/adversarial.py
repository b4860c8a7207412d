"""Virtual adversarial training: the network's classes must not depend on the worst small change of an image."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bcsim.models.normalise import Norm

# Far enough that quantised activations move, near enough that the slope is the one at the image.
_PROBE = 0.5


def virtual_adversarial(model: nn.Module, x: Tensor, scores: Tensor, norm: float) -> Tensor:
    """Mean divergence of the classes of `x` + r from those of `x`, r of Euclidean norm `norm`.

    After Miyato et al., Virtual adversarial training (2018): r is the direction in which the divergence grows
    fastest, found by one step of the power iteration; no labels are used.

    x : (n, ...) float32; scores : (n, classes), what `model` gives for it. Running statistics are left alone.
    """
    expected = scores.detach().float().softmax(1)
    with _untracked(model):
        probe = _scaled(torch.randn_like(x), _PROBE * norm).requires_grad_()
        (slope,) = torch.autograd.grad(_divergence(expected, model(x + probe)), probe)
        return _divergence(expected, model(x + _scaled(slope, norm)))


def _divergence(expected: Tensor, scores: Tensor) -> Tensor:
    """Kullback and Leibler's, up to the entropy of `expected`, which is constant."""
    return nn.functional.cross_entropy(scores.float(), expected)


def _scaled(direction: Tensor, norm: float) -> Tensor:
    """Each image's `direction`, `norm` long."""
    length = direction.flatten(1).norm(dim=1).clamp(min=1e-12)
    return direction * (norm / length).view(-1, *[1] * (direction.dim() - 1))


@contextmanager
def _untracked(model: nn.Module) -> Iterator[None]:
    """Normalise by a batch's own statistics without adding them to the running ones."""
    norms = [layer for layer in model.modules() if isinstance(layer, Norm)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
