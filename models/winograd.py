"""3x3 convolution by Winograd's F(4x4, 3x3) for training on a CPU (needs PyTorch).

A quarter of the multiplications of the direct sum, in all three products of a training step. Results differ from the
direct sum's by rounding: 1e-4 of their standard deviation at most, measured with 128 to 512 channels.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bcsim.common.vectors import LANES
from bcsim.models import winograd_tiles
from bcsim.models.threads import in_threads
from bcsim.models.winograd_tiles import TILE, WINDOW

ELEMENTS = WINDOW * WINDOW
CHUNK = 256
"""Tiles that are transformed and multiplied together, few enough to stay in a cache: the fastest of 128 to 1600."""

_G = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
_WEIGHTS = torch.kron(_G, _G)
"""(36, 9): from a 3x3 kernel g to G g G^T."""


def applies(x: Tensor, weight: Tensor) -> bool:
    """Whether `convolve` takes these operands: CPU, float32, 3x3, whole tiles, whole vectors of channels."""
    return (
        weight.shape[2:] == (3, 3)
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not any(channels % LANES for channels in weight.shape[:2])
        and not any(length % TILE for length in x.shape[2:])
    )


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    """conv2d(x, weight, padding=1) of `x` (n, inputs, rows, columns) and `weight` (outputs, inputs, 3, 3).

    The result is (n, outputs, rows, columns) with channels last in memory; `applies` must hold.
    """
    result: Tensor = _Convolution.apply(x, weight)
    return result


class _Convolution(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        images = x.permute(0, 2, 3, 1).contiguous()
        outputs, inputs = weight.shape[:2]
        kernels = torch.mm(_WEIGHTS, weight.reshape(-1, 9).T).view(ELEMENTS, outputs, inputs)
        results = images.new_empty(*images.shape[:3], outputs)
        in_threads(partial(_forward, kernels), images, results)
        ctx.save_for_backward(images, kernels)
        return results.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        images, kernels = ctx.saved_tensors
        slopes = grad.permute(0, 2, 3, 1).contiguous()
        image_grad = torch.empty_like(images)
        kernel_grad, *others = in_threads(partial(_backward, kernels), images, slopes, image_grad)
        for other in others:
            kernel_grad += other
        weight_grad = torch.mm(kernel_grad.view(ELEMENTS, -1).T, _WEIGHTS)
        return image_grad.permute(0, 3, 1, 2), weight_grad.view(*kernels.shape[1:], 3, 3)


def _forward(kernels: Tensor, images: Tensor, results: Tensor) -> None:
    for part, cut, product in _chunks(images, kernels):
        winograd_tiles.cut(images[part].numpy(), cut.numpy())
        torch.bmm(cut, kernels.mT, out=product)
        winograd_tiles.join(product.numpy(), results[part].numpy())


def _backward(kernels: Tensor, images: Tensor, slopes: Tensor, image_grad: Tensor) -> Tensor:
    """Fill `image_grad`; the result is the gradient of the loss with respect to `kernels`."""
    kernel_grad = torch.zeros_like(kernels)
    for part, cut, product in _chunks(images, kernels):
        winograd_tiles.cut(images[part].numpy(), cut.numpy())
        winograd_tiles.join_gradient(slopes[part].numpy(), product.numpy())
        kernel_grad.baddbmm_(product.mT, cut)
        torch.bmm(product, kernels, out=cut)
        winograd_tiles.cut_gradient(cut.numpy(), image_grad[part].numpy())
    return kernel_grad


def _chunks(images: Tensor, kernels: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Parts of the images, each with room for its tiles before and after the product with `kernels`."""
    elements, outputs, inputs = kernels.shape
    count, rows, columns, _ = images.shape
    tiles = rows * columns // TILE**2
    size = min(count, max(1, CHUNK // tiles))
    rooms = [images.new_empty(elements * size * tiles * channels) for channels in (inputs, outputs)]
    for start in range(0, count, size):
        part = slice(start, min(start + size, count))
        held = (part.stop - start) * tiles
        cut, product = (
            room[: elements * held * channels].view(elements, held, channels)
            for room, channels in zip(rooms, (inputs, outputs), strict=True)
        )
        yield part, cut, product
