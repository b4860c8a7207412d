"""Convolutions of a training step by Winograd's algorithm against PyTorch's own (oneDNN, channels last).

    python -m bench.winograd [--images 100] [--threads N] [--rounds 9] [--json]

Each layer of `cifar10-cnn` that the algorithm takes: result, gradient of the images and gradient of the weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from bcsim.models import winograd
from bcsim.models.device import prepare
from bcsim.models.topologies import TOPOLOGIES
from bench.common import interleaved_medians, run_main, timing_options

DIRECT, WINOGRAD = "conv2d", "winograd"


def _layers() -> list[tuple[tuple[int, ...], int]]:
    """Shape of the weights and image size of every convolution of `cifar10-cnn` but the first."""
    network = TOPOLOGIES["cifar10-cnn"]
    layers, size = [], network.input_shape[-1]
    for stage in network.stages:
        if stage.convolution:
            layers.append((stage.weight_shape, size))
            size = size // 2 if stage.pool else size
    return layers[1:]


def _step(
    convolve: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, ...], size: int, images: int
) -> Any:
    x = torch.randn(images, shape[1], size, size).to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(shape).sign().to(memory_format=torch.channels_last).requires_grad_()
    slope = torch.randn(images, shape[0], size, size).to(memory_format=torch.channels_last)
    return lambda: torch.autograd.grad(convolve(x, weight), (x, weight), slope)


def measure(shape: tuple[int, ...], size: int, images: int, rounds: int) -> dict[str, Any]:
    """Median seconds of both for one layer."""
    contenders = {
        DIRECT: _step(
            lambda x, weight: torch.nn.functional.conv2d(x, weight, padding=1), shape, size, images
        ),
        WINOGRAD: _step(winograd.convolve, shape, size, images),
    }
    seconds = interleaved_medians(contenders, rounds)
    return {"layer": f"{shape[1]} -> {shape[0]}, {size}x{size}", "seconds": seconds}


def main() -> None:
    parser = timing_options(__doc__)
    parser.add_argument("--images", type=int, default=100)
    options = parser.parse_args()
    prepare(seed=1)
    torch.set_num_threads(options.threads)
    results = [measure(*layer, options.images, options.rounds) for layer in _layers()]
    total = {name: sum(result["seconds"][name] for result in results) for name in (DIRECT, WINOGRAD)}
    results.append({"layer": "all", "seconds": total})
    if options.json:
        print(json.dumps(results, indent=2))
        return
    table = Table("layer", "conv2d, ms", "winograd, ms", "×", title=f"{options.images} images")
    for result in results:
        direct, ours = result["seconds"][DIRECT], result["seconds"][WINOGRAD]
        table.add_row(result["layer"], f"{1e3 * direct:.0f}", f"{1e3 * ours:.0f}", f"{direct / ours:.2f}")
    Console().print(table)


if __name__ == "__main__":
    run_main(main)
