"""Training and evaluation of a quantised network in 8-bit integers against PyTorch's layers one by one.

    python -m bench.training_step [NETWORK] [--threads N] [--rounds 9] [--json]

A training step is the network's own batch forth and back in bfloat16, without the optimiser; evaluation is the same
images in float32, where both give the same scores to the last bit. Times are the processor's, summed over threads.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from bcsim.common.errors import BcsimError
from bcsim.models.device import prepare
from bcsim.models.layers import build
from bcsim.models.pooling import MaxPool2d
from bcsim.models.recipes import Recipe, recipe_for
from bench.common import interleaved_medians, run_main, timing_options

PLAIN, INTEGER = "pytorch", "integer"


def _plain(network: nn.Sequential) -> nn.Sequential:
    """The same layers with the same weights, each called by itself."""
    return nn.Sequential(*(nn.MaxPool2d(2) if isinstance(layer, MaxPool2d) else layer for layer in network))


def _train(model: nn.Module, x: Tensor) -> None:
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        scores = model(x)
    torch.autograd.grad(scores.float().square().mean(), list(model.parameters()))


def _evaluate(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        scores: Tensor = model.eval()(x)
    return scores


def measure(recipe: Recipe, rounds: int) -> dict[str, dict[str, float]]:
    """Median processor seconds of a training step and of an evaluation, both ways.

    Raises BcsimError where their scores differ.
    """
    network = build(recipe)
    models = {PLAIN: _plain(network), INTEGER: network}
    x = torch.randint(-128, 128, (recipe.batch, *recipe.topology.input_shape)) / 128
    x = x.contiguous(memory_format=torch.channels_last)
    if not torch.equal(*(_evaluate(model, x) for model in models.values())):
        raise BcsimError("Scores in integers differ from PyTorch's")
    steps: Any = {"training": _train, "evaluation": _evaluate}
    return {
        name: interleaved_medians(
            {key: partial(step, model, x) for key, model in models.items()}, rounds, time.process_time
        )
        for name, step in steps.items()
    }


def main() -> None:
    parser = timing_options(__doc__)
    parser.add_argument("network", nargs="?", default="cifar10-fast")
    options = parser.parse_args()
    prepare(seed=1)
    torch.set_num_threads(options.threads)
    recipe = recipe_for({"network": options.network})
    results = measure(recipe, options.rounds)
    if options.json:
        print(json.dumps(results, indent=2))
        return
    table = Table("", "PyTorch, ms", "integers, ms", "×", title=f"{options.network}, {recipe.batch} images")
    for name, seconds in results.items():
        plain, ours = seconds[PLAIN], seconds[INTEGER]
        table.add_row(name, f"{1e3 * plain:.0f}", f"{1e3 * ours:.0f}", f"{plain / ours:.2f}")
    Console().print(table)


if __name__ == "__main__":
    run_main(main)
