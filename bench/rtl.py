"""The machine level against Verilator on the same network, machine and images: simulated cycles a second.

Verilator runs optimised behind a C++ harness, without a Python bench. Both give the same scores and cycle count.

python -m bench.rtl [--machine medium] [--images 50] [--batch 1000] [--rounds 5] [--json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcsim.api import compile, load
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.data import load_dataset
from bcsim.execution.raw_levels import program_input
from bcsim.machine.parameters import parse_machine
from bcsim.rtl.bench.simulator import build_executable
from bcsim.rtl.generate.project import TOP, write_verilog
from bcsim.rtl.generate.vectors import stream_words
from bcsim.simulator.simulator import MachineRun, MachineSimulator, stream_values
from bench.common import interleaved_medians, run_main

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "models" / "mnist-mlp.onnx"
WRITTEN = 1 << 64
"""The harness sums modulo this."""


class Verilated:
    """The accelerator in Verilator, its program in its memories."""

    def __init__(self, folder: Path, mapping: Mapping, q: NDArray[np.uint16]) -> None:
        self.folder, self.mapping, self.images = folder, mapping, len(q)
        write_verilog(folder, mapping)
        harness = HERE / "rtl_harness.cpp"
        self.program = build_executable(folder / "build", folder / f"{TOP}.v", TOP, harness)
        data, _, _ = stream_words(stream_values(mapping, q), mapping.machine.input_bytes)
        data.tofile(folder / "images.bin")

    def run(self) -> tuple[int, int]:
        """Cycles from the first input word to the last class, and a sum over all output words."""
        words = [self.mapping.beats, self.mapping.machine.input_bytes, self.images]
        command = [str(self.program), "images.bin", *map(str, words)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True)
        cycles, _, total = done.stdout.split()
        return int(cycles), int(total)


def output_sum(run: MachineRun) -> int:
    """The harness's sum, of the simulator's scores and classes."""
    total = 0
    for scores, class_ in zip(run.scores.tolist(), run.classes.tolist(), strict=True):
        for word in (*scores, class_):
            total = (total * 31 + word) % WRITTEN
    return total


def measure(machine: str, images: int, batch: int, rounds: int) -> dict[str, Any]:
    """Cycles a second of both, and their ratio; raises AssertionError where they differ in scores or cycles."""
    program = compile(load(MODEL), calibration="mnist")
    mapping = map_program(program, parse_machine(machine))
    q = program_input(program, load_dataset("mnist", "test", max(images, batch)))
    simulator = MachineSimulator(mapping)
    expected = simulator.run(q[:images])
    cycles = {"simulator": simulator.run(q[:batch]).cycles, "verilator": expected.cycles}
    with TemporaryDirectory() as scratch:
        verilated = Verilated(Path(scratch), mapping, q[:images])
        assert verilated.run() == (expected.cycles, output_sum(expected))
        seconds = interleaved_medians(
            {"simulator": lambda: simulator.run(q[:batch]), "verilator": verilated.run}, rounds
        )
    speeds = {name: cycles[name] / seconds[name] for name in cycles}
    return {
        "machine": machine,
        "images": {"simulator": batch, "verilator": images},
        "cycles": cycles,
        "cycles_per_second": speeds,
        "ratio": speeds["simulator"] / speeds["verilator"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--machine", default="medium")
    parser.add_argument("--images", type=int, default=50, help="of Verilator")
    parser.add_argument(
        "--batch", type=int, default=1000, help="images of the simulator, which runs them together"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments.machine, arguments.images, arguments.batch, arguments.rounds)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    speeds, cycles = figures["cycles_per_second"], figures["cycles"]["verilator"]
    print(f"{arguments.images} images, {cycles:,} cycles on {figures['machine']}: scores and cycles equal")
    for name, speed in speeds.items():
        print(f"{name}: {speed / 1e6:.3f} million cycles a second, {figures['images'][name]} images together")
    print(f"ratio {figures['ratio']:.0f}")


if __name__ == "__main__":
    run_main(main)
