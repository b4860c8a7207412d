"""2x2 max pooling, fast for bfloat16 on a CPU (needs PyTorch)."""

from typing import Any

import torch
from torch import Tensor, nn

from bcsim.models import levels as kernels
from bcsim.models.threads import in_threads


class MaxPool2d(nn.MaxPool2d):  # type: ignore[misc,unused-ignore]
    """The greatest of each 2x2 pixels; the gradient goes to the first of the greatest."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, x: Tensor) -> Tensor:
        is_even = not any(length % 2 for length in x.shape[2:])
        if x.device.type == "cpu" and x.dtype == torch.bfloat16 and is_even:
            result: Tensor = _MaxPool.apply(x)
            return result
        return super().forward(x)


class _MaxPool(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        bits = _bits(x)
        n, rows, columns, channels = bits.shape
        pooled = bits.new_empty(n, rows // 2, columns // 2, channels)
        places = torch.empty_like(pooled, dtype=torch.uint8)
        _run(kernels.pool, bits, pooled, places)
        ctx.save_for_backward(places)
        return _halves(pooled)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (places,) = ctx.saved_tensors
        slopes = _bits(grad)
        n, rows, columns, channels = slopes.shape
        result = slopes.new_empty(n, 2 * rows, 2 * columns, channels)
        _run(kernels.pool_gradient, slopes, places, result)
        return _halves(result)


def _bits(x: Tensor) -> Tensor:
    """bfloat16 (n, channels, rows, columns) as int16 (n, rows, columns, channels)."""
    return x.detach().contiguous(memory_format=torch.channels_last).view(torch.int16).permute(0, 2, 3, 1)


def _halves(bits: Tensor) -> Tensor:
    return bits.view(torch.bfloat16).permute(0, 3, 1, 2)


def _run(kernel: Any, *batches: Tensor) -> None:
    in_threads(lambda *parts: kernel(*(part.numpy() for part in parts)), *batches)
