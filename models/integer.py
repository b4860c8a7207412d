"""Convolutions of a quantised ReLU's levels by signs, in 8-bit integers on a CPU (needs PyTorch).

A level is at most 255 and a weight -1, 0 or +1: their products are 8-bit and their sums exact, which bfloat16's are
not, at twice its speed where the processor has instructions for them (AVX-512 VNNI).
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bcsim.models import levels as kernels
from bcsim.models.straight_through import QuantisedReLU
from bcsim.models.threads import in_threads

_ONCE = [1, 1]
_LARGEST_SUM = 1 << 24
"""Up to which float32 holds every integer."""


@cache
def is_fast() -> bool:
    """Whether the processor multiplies and adds 8-bit integers, and PyTorch has oneDNN's convolution of them."""
    ask = getattr(torch.cpu, "_is_vnni_supported", lambda: False)
    return bool(ask()) and hasattr(torch.ops.onednn, "qconv2d_pointwise")


def applies(x: Tensor, activation: QuantisedReLU, weight: Tensor) -> bool:
    """Whether `convolve` takes these: on a CPU that is fast at it, 3x3, and with sums that float32 holds.

    Training in float32 is left to `bcsim.models.winograd`, whose gradients are faster.
    """
    return (
        weight.shape[2:] == (3, 3)
        and x.device.type == "cpu"
        and (torch.is_autocast_enabled("cpu") or not torch.is_grad_enabled())
        and x.dtype in (torch.float32, torch.bfloat16)
        and weight[0].numel() * round(activation.top / activation.step) < _LARGEST_SUM
        and is_fast()
    )


def convolve(x: Tensor, activation: QuantisedReLU, weight: Tensor) -> Tensor:
    """conv2d(activation(x), weight, padding=1) of `x` (n, inputs, rows, columns) and signs (outputs, inputs, 3, 3).

    The result has the type of `x`, float32 or bfloat16, and channels last; `applies` must hold. Where `x` has a NaN,
    all of it is.
    """
    result: Tensor = _Convolution.apply(x, weight, activation.step, activation.top)
    return result


class _Convolution(torch.autograd.Function):  # type: ignore[misc,unused-ignore]
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, step: float, top: float) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        levels, are_numbers = _quantised(x, step, round(top / step))
        ctx.save_for_backward(x, levels, weight)
        ctx.step, ctx.top = step, top
        if not are_numbers:
            return x.new_full((len(x), len(weight), *x.shape[2:]), torch.nan)
        return _sums(levels, weight, step, x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, levels, weight = ctx.saved_tensors
        signs = weight.to(grad.dtype).contiguous(memory_format=torch.channels_last)
        x_grad, weight_grad, _ = torch.ops.aten.convolution_backward(
            grad,
            levels.to(grad.dtype),
            signs,
            None,
            _ONCE,
            _ONCE,
            _ONCE,
            False,
            [0, 0],
            1,
            [True, True, False],
        )
        x_grad = torch.ops.aten.hardtanh_backward(x_grad, x, 0.0, ctx.top)
        return x_grad, weight_grad.to(weight.dtype).mul_(ctx.step), None, None


def _quantised(x: Tensor, step: float, top: int) -> tuple[Tensor, bool]:
    """The levels of `x`, uint8 and of its layout, and whether none is a NaN."""
    levels = torch.empty_like(x, dtype=torch.uint8)
    is_half = x.dtype == torch.bfloat16
    quantise = kernels.quantise_half if is_half else kernels.quantise
    given = x.view(torch.int16) if is_half else x

    def work(source: Tensor, target: Tensor) -> bool:
        return bool(quantise(_flat(source), _flat(target), np.float32(step), np.float32(top)))

    return levels, all(in_threads(work, given, levels))


def _flat(images: Tensor) -> Any:
    return images.permute(0, 2, 3, 1).view(-1).numpy()


def _sums(levels: Tensor, weight: Tensor, step: float, dtype: torch.dtype) -> Tensor:
    """`step` times the exact sums, rounded once to `dtype`."""
    outputs = len(weight)
    scales, offsets = torch.ones(outputs), torch.zeros(outputs, dtype=torch.int64)
    window = (_ONCE, _ONCE, _ONCE, 1)  # strides, padding, dilation, groups
    packed = torch.ops.onednn.qconv_prepack(weight.detach().to(torch.int8), scales, 1.0, 0, *window)
    result: Tensor = torch.ops.onednn.qconv2d_pointwise(
        levels, step, 0, packed, scales, offsets, None, *window, 1.0, 0, dtype, "none", [], ""
    )
    return result
