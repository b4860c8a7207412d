"""Line and toggle coverage of the Verilog under random networks, wrong programs and a sweep of its registers.

python -m bench.coverage [--only dense ...] [--networks 40] [--trials 96] [--missed MODULE] [--json]

Builds each machine in Verilator with coverage and runs random networks against the simulator, trials of
rtl/bench/hostile_bench.py (wrong programs, resets in mid-image, broken bus rules) and the sweep of
rtl/bench/sweep_bench.py. Every run also compares, so that what is covered is checked as well. A module's instances
count together, and equal blocks of all machines make a row. Exit status 1 where a run differs or a machine misses
LINES or TOGGLES.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bcsim.common.console import track
from bcsim.common.errors import BcsimError
from bcsim.common.leftovers import scratch_folder
from bcsim.machine.parameters import Machine
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.bench.simulator import build, run
from bcsim.rtl.generate.project import TOP
from bcsim.rtl.generate.verilog import to_verilog
from bcsim.rtl.tools.yosys import run_yosys
from bench.common import run_main
from bench.coverage_points import Constants, Module, Point, by_module, kinds, read_points, without_time_zero
from tests.rtl.networks import network
from tests.rtl.sweep import sweep_plan

LINES, TOGGLES = 95, 90
"""Per cent of each machine's lines, and of its toggles that can be met."""
BENCHES = ("program_bench", "hostile_bench", "sweep_bench")

SMALL: dict[str, Any] = {
    "accumulator_bits": 13,
    "fraction_bits": 6,
    "activation_words": 256,
    "weight_words": 128,
    "parameter_words": 128,
    "layers": 8,
    "outputs": 12,
}
SMALLEST = SMALL | {"activation_words": 64, "weight_words": 64, "parameter_words": 64, "layers": 4}
SPATIAL = SMALL | {"spatial": True, "requantisers": 2}
MACHINES: Mapping[str, Machine] = {
    "dense": Machine(
        lanes=4, pes=4, digit=4, requantisers=2, input_bytes=2, divide_cycles=2, parity=True, **SMALLEST
    ),
    "spatial": Machine(lanes=4, pes=4, digit=1, input_bytes=1, shift_planes=True, **SPATIAL),
    "streamed": Machine(
        lanes=4,
        pes=8,
        digit=4,
        input_bytes=4,
        weight_stream_bytes=2,
        reuse=2,
        drains=2,
        **SPATIAL | {"weight_words": 32},
    ),
    "batch": Machine(
        lanes=4, pes=4, digit=8, input_bytes=2, reuse=4, batch=4, drains=2, pipeline_registers=2, **SPATIAL
    ),
    "one-port": Machine(lanes=4, pes=4, digit=2, input_bytes=2, activation_banks=2, **SPATIAL),
}
LARGEST = 20
"""Values of a dense layer; sums of the widest ones take all bits of an accumulator."""


def measure(machine: Machine, networks: int, trials: int, folder: Path) -> dict[str, Module]:
    """What all runs met of the machine's modules. Raises BcsimError where a run fails or differs."""
    source = folder / f"{TOP}.v"
    source.write_text(without_time_zero(to_verilog(Accelerator(machine), TOP).text))
    build(folder / "build", [source], TOP, coverage=True)
    found: Counter[Point] = Counter()
    for scratch in run_benches(machine, folder, networks, trials):
        found.update(read_points((scratch / "coverage.dat").read_bytes()))
    return by_module(found, constants(source))


def run_benches(machine: Machine, folder: Path, networks: int, trials: int) -> Iterator[Path]:
    """Run every bench on what is built in `folder` / build; the folder in which each ran.

    Raises BcsimError where one fails or differs from the simulator.
    """
    for bench in BENCHES:
        scratch = folder / bench
        scratch.mkdir()
        _write_stimulus(machine, bench, networks, trials, scratch)
        if not run(folder / "build", f"bcsim.rtl.bench.{bench}", TOP, cwd=scratch):
            raise BcsimError(f"{bench} fails:\n{(scratch / 'simulation.log').read_text()[-2000:]}")
        _check(bench, scratch)
        yield scratch


def constants(source: Path) -> Constants:
    """The bits that Yosys finds to be constant in a design."""
    script = (
        f"read_verilog {source.name}\nhierarchy -top {TOP}\nproc\nflatten\nopt -full\nopt_dff -sat\nopt -full"
    )
    run_yosys(f"{script}\nwrite_json flat.json", cwd=source.parent)
    return Constants(json.loads((source.parent / "flat.json").read_text()), TOP)


def _write_stimulus(machine: Machine, bench: str, networks: int, trials: int, folder: Path) -> None:
    if bench == "program_bench":
        for seed in range(networks):
            np.savez(folder / f"{seed:08}.npz", **network(seed, machine, largest=LARGEST))
        return
    np.savez(folder / "program.npz", **network(5, machine, largest=9))
    (folder / "trials.json").write_text(json.dumps(list(range(trials))))
    (folder / "sweep.json").write_text(json.dumps(sweep_plan(machine)))


def _check(bench: str, folder: Path) -> None:
    if bench == "sweep_bench":
        return
    results = json.loads((folder / "results.json").read_text())
    different = {name: result["difference"] for name, result in results.items() if result["difference"]}
    if different:
        raise BcsimError(f"{bench} differs from the simulator, by seed: {different}")


def percentages(module: Module) -> tuple[float, float, float]:
    """Per cent of the lines, of all toggles and of those that can be met."""
    lines, toggles = (_per_cent(module.met[k], module.total[k]) for k in ("lines", "toggles"))
    reachable = module.total["toggles"] - sum(module.excused.values())
    return lines, toggles, _per_cent(module.met["toggles"], reachable)


def _per_cent(met: int, total: int) -> float:
    """Of nothing all was met."""
    return 100 * met / total if total else 100.0


def joined(modules: list[Module]) -> Module:
    """The points of all of them."""
    whole = Module()
    for module in modules:
        whole.met += module.met
        whole.total += module.total
        whole.excused += module.excused
        whole.missed += module.missed
    return whole


def _rows(found: Mapping[str, Mapping[str, Module]]) -> dict[str, Module]:
    """By block, over all machines, and then by machine."""
    blocks: dict[str, list[Module]] = {}
    for modules in found.values():
        for name, block in kinds(modules).items():
            blocks.setdefault(block, []).append(modules[name])
    rows = {block: joined(modules) for block, modules in sorted(blocks.items())}
    return rows | {f"all of {name}": joined([*modules.values()]) for name, modules in found.items()}


def _print(rows: Mapping[str, Module]) -> None:
    table = Table(title="Coverage", title_justify="left")
    for heading in ("block", "lines", "%", "toggles", "%", "can be met", "%"):
        table.add_column(heading, justify="left" if heading == "block" else "right")
    for name, module in rows.items():
        lines, toggles, reachable = percentages(module)
        total, left_out = module.total["toggles"], sum(module.excused.values())
        table.add_row(
            name,
            *(f"{module.total['lines']}", f"{lines:.1f}", f"{total}", f"{toggles:.1f}"),
            *(f"{total - left_out}", f"{reachable:.1f}"),
        )
    console = Console(width=110)
    console.print(table)
    every = joined([module for name, module in rows.items() if name.startswith("all of ")])
    for why, count in every.excused.most_common():
        console.print(f"{count} toggles left out: {why}", markup=False)


def _print_missed(found: Mapping[str, Mapping[str, Module]], wanted: str) -> None:
    for name, modules in found.items():
        for module, points in modules.items():
            missed: dict[str, set[int]] = {}
            for point in points.missed:
                place = point.place if point.kind == "toggle" else f"line {point.place} {point.detail}"
                missed.setdefault(place, set()).add(point.bit)
            for place, bits in missed.items() if module.startswith(wanted) else ():
                print(f"{name}: {module}: {place}: {sorted(bits)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", help="these machines", nargs="+", choices=MACHINES, default=[*MACHINES])
    parser.add_argument("--networks", type=int, default=40, help="random networks on each machine")
    parser.add_argument("--trials", type=int, default=96, help="wrong programs, resets and broken rules")
    parser.add_argument("--missed", help="list what modules with this beginning miss; '' for all")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {}
    for name in track(options.only, "Machines", len(options.only)):
        with scratch_folder() as folder:
            found[name] = measure(MACHINES[name], options.networks, options.trials, folder)
    rows = _rows(found)
    if options.json:
        names = ("lines", "toggles", "reachable toggles")
        print(
            json.dumps({k: dict(zip(names, percentages(m), strict=True)) for k, m in rows.items()}, indent=2)
        )
    else:
        _print(rows)
    if options.missed is not None:
        _print_missed(found, options.missed)
    whole = [percentages(module) for name, module in rows.items() if name.startswith("all of ")]
    if any(lines < LINES or reachable < TOGGLES for lines, _, reachable in whole):
        sys.exit(1)


if __name__ == "__main__":
    run_main(main)
