"""Test error of a network whose weight or parameter memories have flipped bits, on the machine level.

python -m bench.bit_flips mnist-mlp                          # flips in the weight memory
python -m bench.bit_flips mnist-mlp --memory offsets --plot flips.svg

Every bit of the words in use flips with the same probability, independently. The machine level decodes the words as
the hardware does, so the error is what the accelerator would show with such a memory.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bcsim.api import compile, load
from bcsim.common.errors import BcsimError
from bcsim.common.files import write_text
from bcsim.compiler.mapping.image import Image
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.data import Dataset, load_dataset
from bcsim.execution.raw_levels import program_input
from bcsim.machine.parameters import Machine, parse_machine
from bcsim.results.cost_report import map_enlarged
from bcsim.simulator.simulator import run_machine
from bench.bit_flips_plot import plot
from bench.common import run_main

RATES = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 2e-2, 3e-2, 1e-1)
MEMORIES = ("weights", "offsets")


def flip_weights(image: Image, rate: float, draw: np.random.Generator) -> tuple[Image, int]:
    """The image with bits of its weight words flipped, and how many."""
    bits = np.unpackbits(image.weights)
    flips = draw.random(bits.size) < rate
    return replace(image, weights=np.packbits(bits ^ flips).reshape(image.weights.shape)), int(flips.sum())


def flip_offsets(image: Image, machine: Machine, rate: float, draw: np.random.Generator) -> tuple[Image, int]:
    """The same for the offsets and thresholds of the parameter memories, two's complement of remainder_bits."""
    width = machine.remainder_bits
    flips = draw.random((width, *image.offsets.shape)) < rate
    mask = sum(flips[bit].astype(np.int64) << bit for bit in range(width))
    sign = np.int64(1) << (width - 1)
    changed = (((image.offsets ^ mask) + sign) & ((sign << 1) - 1)) - sign
    return replace(image, offsets=changed), int(flips.sum())


def error(mapping: Mapping, q: NDArray[np.uint16], labels: NDArray[np.int64]) -> float:
    """Part of the images that the machine classifies wrongly."""
    return float(np.mean(run_machine(mapping, q).classes != labels))


def measure(
    mapping: Mapping, data: Dataset, memory: str, rates: Sequence[float], seeds: int
) -> list[dict[str, Any]]:
    """A row for each rate: flips, error and its deviation over the seeds."""
    q, rows = program_input(mapping.program, data), []
    for rate in rates:
        drawn = []
        for seed in range(seeds if rate else 1):
            draw = np.random.default_rng(seed)
            if memory == "weights":
                image, flips = flip_weights(mapping.image, rate, draw)
            else:
                image, flips = flip_offsets(mapping.image, mapping.machine, rate, draw)
            drawn.append((flips, error(replace(mapping, image=image), q, data.y)))
        flips, errors = zip(*drawn, strict=True)
        rows.append({"rate": rate, "flips": mean(flips), "error": mean(errors), "deviation": pstdev(errors)})
    return rows


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table("probability of a flip", "bits flipped", "error, %", "deviation")
    for row in rows:
        percent = (f"{100 * row[name]:.2f}" for name in ("error", "deviation"))
        table.add_row(f"{row['rate']:g}", f"{row['flips']:,.0f}", *percent)
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", help="a bundled network or an ONNX file that names its data set")
    parser.add_argument("--memory", choices=MEMORIES, default="weights")
    parser.add_argument("--machine", default="medium", help="enlarged where it is too small")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.svg", help="error over the probability as a drawing"
    )
    options = parser.parse_args()
    model = load(options.network)
    if model.dataset is None:
        raise BcsimError(f"File {model.path} must name its data set (bcsim.dataset)")
    program = model.program or compile(model)
    mapping = map_enlarged(program, parse_machine(options.machine))
    data = load_dataset(model.dataset, "test", options.images)
    rows = measure(mapping, data, options.memory, options.rates, options.seeds)
    if options.plot is not None:
        write_text(options.plot, plot(rows, f"{program.name}, flipped bits of {options.memory}"))
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        Console().print(_table(rows))


if __name__ == "__main__":
    run_main(main)
