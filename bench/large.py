"""Large networks: seconds and memory to compile them, seconds an image at program level.

    python -m bench.large [--network vgg-16 resnet-18] [--activation relu sign] [--images 8] [--rounds 3] [--json]

Weights are random, images too; each network runs in a process of its own, whose peak memory is told.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bcsim.api import compile, load
from bcsim.common.errors import BcsimError
from bcsim.data import Dataset
from bcsim.execution.execute import prepare
from bcsim.execution.raw_levels import program_input
from bcsim.results.calibration import calibration_count
from bench.common import interleaved_medians, run_main
from bench.large_networks import NETWORKS, SHAPE, write_network


def _images(count: int) -> Dataset:
    levels = np.random.default_rng(1).integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    return Dataset("random", levels, None, 8, 255)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _compile(path: Path, images: int, rounds: int) -> dict[str, Any]:
    started, worked = time.perf_counter(), time.process_time()
    model = load(path)
    imported = time.perf_counter()
    program = compile(model, calibration=_images(calibration_count(model)), input="centred")
    compiled, worked, peak = time.perf_counter(), time.process_time() - worked, _peak_mib()
    q = program_input(program, _images(images)).astype(np.uint8)
    prepared = prepare(program)
    seconds = interleaved_medians({"program": lambda: prepared.execute(q)}, rounds)["program"]
    return {
        "weights": sum(layer.inputs * layer.outputs for layer in program.layers),
        "layers": len(program.layers),
        "import_seconds": imported - started,
        "lower_seconds": compiled - imported,
        "compile_cpu_seconds": worked,
        "compile_peak_mib": peak,
        "images": images,
        "seconds_per_image": seconds / images,
        "peak_mib": _peak_mib(),
    }


def _alone(call: Callable[..., Any], *arguments: Any) -> Any:
    """The call in a process of its own, so that its memory is its own too."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(call, arguments)


def measure(network: str, activation: str, images: int, rounds: int) -> dict[str, Any]:
    """Figures of one network; where it cannot be compiled, `error` says why."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        _alone(write_network, network, activation, path)
        try:
            figures = _alone(_compile, path, images, rounds)
        except BcsimError as error:
            figures = {"error": str(error)}
    return {"network": network, "activation": activation, **figures}


COLUMNS = {
    "import_seconds": "import s",
    "lower_seconds": "lowering s",
    "compile_cpu_seconds": "both, CPU s",
    "compile_peak_mib": "peak MiB",
    "seconds_per_image": "s an image",
    "peak_mib": "peak MiB",
}


def _print(results: list[dict[str, Any]]) -> None:
    table = Table("network", *COLUMNS.values())
    for result in results:
        name = f"{result['network']}, {result['activation']}"
        if "error" in result:
            table.add_row(name, result["error"])
            continue
        values = (result[key] for key in COLUMNS)
        table.add_row(name, *(f"{value:,.0f}" if value > 100 else f"{value:.2f}" for value in values))
    Console().print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=NETWORKS, nargs="+", default=list(NETWORKS))
    parser.add_argument("--activation", choices=["relu", "sign"], nargs="+", default=["relu", "sign"])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = [
        measure(network, activation, options.images, options.rounds)
        for network in options.network
        for activation in options.activation
    ]
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        _print(results)


if __name__ == "__main__":
    run_main(main)
