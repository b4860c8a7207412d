"""The machine level: simulated cycles a second on one network, what compiling it takes and what an image costs.

python -m bench.machine [--machine medium] [--images 1 100 1000] [--rounds 7] [--json]
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bcsim.api import compile, load
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.compiler.program.layers import Program
from bcsim.data import load_dataset
from bcsim.execution.raw_levels import program_input
from bcsim.machine.parameters import parse_machine
from bcsim.simulator.simulator import MachineSimulator
from bench.common import interleaved_medians, run_main
from bench.costs import costs_of, print_costs
from bench.networks import cifar_program

MODEL = Path(__file__).parents[1] / "models" / "mnist-mlp.onnx"


def _speeds(mapping: Mapping, q: NDArray[np.uint16], images: list[int], rounds: int) -> list[dict[str, Any]]:
    simulator = MachineSimulator(mapping)
    cycles = {str(count): simulator.run(q[:count]).cycles for count in images}
    seconds = interleaved_medians({str(count): partial(simulator.run, q[:count]) for count in images}, rounds)
    return [{"images": int(count), "cycles": cycles[count], "seconds": seconds[count]} for count in cycles]


def _program(network: str) -> Program:
    return compile(load(MODEL), calibration="mnist") if network == "mnist" else cifar_program(8)


def _images(network: str, program: Program, count: int) -> NDArray[np.uint16]:
    if network == "mnist":
        return program_input(program, load_dataset("mnist", "test", count))
    return np.random.default_rng(0).integers(0, 256, (count, program.inputs), np.uint16)


def measure(network: str, machine: str, images: list[int], rounds: int) -> dict[str, Any]:
    """Seconds to load, compile and map, and median seconds of runs of so many images."""
    started = time.perf_counter()
    program = _program(network)
    compiled = time.perf_counter()
    mapping = map_program(program, parse_machine(machine))
    mapped = time.perf_counter()
    q = _images(network, program, max(images))
    run = MachineSimulator(mapping).run(q[:1])
    return {
        "network": network,
        "machine": machine,
        "compile_seconds": compiled - started,
        "map_seconds": mapped - compiled,
        "cycles_per_image": run.per_image,
        "utilisation": run.utilisation,
        "costs": costs_of(mapping),
        "runs": _speeds(mapping, q, images, rounds),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _print(figures: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"{figures['network']} on {figures['machine']}: {figures['cycles_per_image']:,} cycles an image, "
        f"array utilisation {figures['utilisation']:.2%}; compiled in {figures['compile_seconds']:.2f} s, "
        f"mapped in {figures['map_seconds']:.2f} s, peak memory {figures['peak_memory_mb']:.0f} MB"
    )
    table = Table("images", "cycles", "seconds", "million cycles a second")
    for run in figures["runs"]:
        rate = run["cycles"] / run["seconds"] / 1e6
        table.add_row(f"{run['images']:,}", f"{run['cycles']:,}", f"{run['seconds']:.4f}", f"{rate:.2f}")
    console.print(table)
    print_costs(figures["costs"], console)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", choices=["mnist", "cifar10"], default="mnist")
    parser.add_argument("--machine", default="medium")
    parser.add_argument("--images", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments.network, arguments.machine, arguments.images, arguments.rounds)
    if arguments.json:
        print(json.dumps({**figures, "costs": figures["costs"].to_json()}, indent=2))
    else:
        _print(figures)


if __name__ == "__main__":
    run_main(main)
