"""The counted energy against gates: array and requantisers of a machine in a standard-cell library, running images.

The gates' side is switched capacitance and the cells' own energy, each change counted by Icarus with the cells'
delays. The model's side is the counted actions times a table of single units measured in the same library on random
operands. Both are without memories, sequencer and wires, and with flip-flops clocked only when they take a value.

Debian's package qflow-tech-osu018 has osu018_stdcells.lib and .v; Icarus Verilog must be installed.

python -m bench.gates --library osu018_stdcells.lib [--network digits] [--machine tiny] [--images 3] [--json]
python -m bench.gates --library osu018_stdcells.lib --table osu-180nm > osu-180nm.toml
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping as Mapping_
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from bcsim.api import compile, load
from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.costs.at_work import times_at_work
from bcsim.costs.energy import Curve
from bcsim.costs.structure import machine_units
from bcsim.data import load_dataset
from bcsim.execution.raw_levels import program_input
from bcsim.machine.parameters import parse_machine
from bcsim.rtl.generate.project import TOP, write_verilog
from bcsim.rtl.generate.vectors import stream_words
from bcsim.simulator.simulator import MachineRun, MachineSimulator, stream_values
from bench.common import run_main
from bench.gates_activity import Pin, count_changes, simulation_cells
from bench.gates_energy import BlockEnergy, clock_pj, switching_energy
from bench.gates_library import Library, read_library
from bench.gates_netlist import GateModule, map_to_gates
from bench.gates_units import energy_table

HERE = Path(__file__).resolve().parent
TOPS = ("array", "requantiser")
INNER = ("lanes", "processing_element", "term_sums", "adder_tree", "horner", "accumulator", "round_selector")
BLOCKS = {
    "array": "array",
    "lanes": "lanes",
    "processing_element": "element",
    "term_sums": "terms",
    "adder_tree": "tree",
    "horner": "horner",
    "accumulator": "accumulator",
    "round_selector": "selector",
    "requantiser": "requantiser",
}
"""The counts' block for each module of the hardware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFigures:
    """pJ an image of one block: its gates and what is counted, logic and registers (with their clock)."""

    gates_logic: float
    gates_registers: float
    model_logic: float
    model_registers: float
    area: float


def model_energy(mapping: Mapping, curves: Mapping_[str, Curve]) -> dict[str, tuple[float, float]]:
    """Counted pJ an image by block: logic, registers."""
    blocks: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for nest in mapping.nests:
        times = times_at_work(nest)
        for unit in machine_units(mapping.machine):
            pj = curves[unit.kind].at(unit.bits) * unit.number * times[unit.when]
            blocks[unit.block][unit.kind == "register"] += pj
    return {block: (logic, registers) for block, (logic, registers) in blocks.items()}


def clocked_bits(mapping: Mapping) -> dict[str, int]:
    """How many flip-flops take a value for an image, by block."""
    blocks: defaultdict[str, int] = defaultdict(int)
    for nest in mapping.nests:
        times = times_at_work(nest)
        for unit in machine_units(mapping.machine):
            if unit.kind == "register" and not unit.shares:
                blocks[unit.block] += unit.bits * unit.number * times[unit.when]
    return blocks


def gate_energy(
    mapping: Mapping, images: NDArray[np.uint16], library: Library, cells: Path, wire_pf: float
) -> dict[str, BlockEnergy]:
    """pJ an image of each module's gates, between the first image's class and the last one's.

    Raises BcsimError where a score or class differs from the simulator's.
    """
    instances = {"array": "array"} | {
        f"requantiser_{r}": "requantiser" for r in range(mapping.machine.requantisers)
    }
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_verilog(folder, mapping)
        source = (folder / f"{TOP}.v").read_text()
        inner = [name for name in INNER if f"module {name}(" in source]
        modules = {m.name: m for m in map_to_gates(folder, f"{TOP}.v", TOPS, inner, library)}
        (folder / "cells.v").write_text(simulation_cells(cells))
        changes = _simulate(folder, mapping, images, list(instances))
    return _add_up(modules, instances, changes, library, wire_pf, len(images) - 1)


def _simulate(
    folder: Path, mapping: Mapping, images: NDArray[np.uint16], instances: list[str]
) -> Mapping_[Pin, int]:
    width = mapping.machine.input_bytes
    data, _, _ = stream_words(stream_values(mapping, images), width)
    words = np.asarray(data, np.uint8).reshape(-1, width)
    (folder / "images.hex").write_text("".join(f"{bytes(word[::-1]).hex()}\n" for word in words))
    dumped = ",".join(f"bench.dut.{name}" for name in instances)
    settings = {"BYTES": width, "WORDS": len(words), "BEATS": mapping.beats, "IMAGES": len(images)}
    defines = [f"-D{name}={value}" for name, value in (settings | {"DUMPED": dumped}).items()]
    printed, changes = count_changes(folder, [*defines, str(HERE / "gates_bench.v"), "mixed.v", "cells.v"])
    _check(printed, MachineSimulator(mapping).run(images), mapping.program.classes)
    return changes


def _check(printed: str, run: MachineRun, classes: int) -> None:
    """The gates' words behind the first image, whose registers may still hold what they had at power-up."""
    words = [line for line in printed.splitlines() if line.isdigit() or set(line) <= set("xXzZ")]
    expected = [
        str(word)
        for scores, class_ in zip(run.scores.tolist(), run.classes.tolist(), strict=True)
        for word in (*scores, class_)
    ]
    if words[classes + 1 :] != expected[classes + 1 :]:
        raise BcsimError("The gates' scores are not the simulator's")


def _add_up(
    modules: Mapping_[str, GateModule],
    instances: Mapping_[str, str],
    changes: Mapping_[Pin, int],
    library: Library,
    wire_pf: float,
    images: int,
) -> dict[str, BlockEnergy]:
    total: defaultdict[str, BlockEnergy] = defaultdict(BlockEnergy)
    for instance, module in instances.items():
        for name, block in switching_energy(modules[module], instance, changes, library, wire_pf).items():
            sum_ = total[BLOCKS[name]]
            sum_.logic += block.logic / images
            sum_.registers += block.registers / images
            sum_.flip_flops += block.flip_flops
            sum_.area += block.area
    return dict(total)


def compare(
    network: str, machine: str, images: int, library: Library, cells: Path, wire_ff: float
) -> dict[str, BlockFigures]:
    """Both sides by block, in pJ an image."""
    program = compile(load(HERE.parent / "models" / f"{network}.onnx"))
    mapping = map_program(program, parse_machine(machine))
    q = program_input(program, load_dataset(network.partition("-")[0], "test", images + 1))
    gates = gate_energy(mapping, q, library, cells, wire_ff / 1000)
    points = energy_table(library, cells)
    model = model_energy(mapping, {kind: Curve(tuple(pairs), "measured") for kind, pairs in points.items()})
    clock, clocked = clock_pj(library.cells["DFFPOSX1"], library), clocked_bits(mapping)
    return {
        block: BlockFigures(
            gates_logic=energy.logic,
            gates_registers=energy.registers + clock * clocked[block],
            model_logic=model[block][0],
            model_registers=model[block][1],
            area=energy.area,
        )
        for block, energy in gates.items()
    }


def print_figures(figures: Mapping_[str, BlockFigures]) -> None:
    """A row a block, and their sum."""
    headings = ("gates", "logic", "registers", "counted", "logic", "registers")
    print(f"{'nJ an image':12} {' '.join(f'{heading:>9}' for heading in headings)} ratio")
    rows = {block: asdict(entry) for block, entry in figures.items()}
    names = ("gates_logic", "gates_registers", "model_logic", "model_registers")
    rows["all"] = {name: sum(row[name] for row in rows.values()) for name in names}
    for block, row in rows.items():
        a, b, c, d = (row[name] / 1000 for name in names)
        print(
            f"{block:12} {a + b:9.2f} {a:9.2f} {b:9.2f} {c + d:9.2f} {c:9.2f} {d:9.2f} {(c + d) / (a + b):5.2f}"
        )


def print_table(name: str, library: Library, cells: Path) -> None:
    """The measured units as sections of an energy table."""
    print(f'name = "{name}"\ntechnology = "{library.path.stem}, {library.volts} V, without wires"\n')
    for kind, points in energy_table(library, cells).items():
        listed = ", ".join(f"[{bits}, {pj:.4g}]" for bits, pj in points)
        print(
            f'[{kind}]\npoints = [{listed}]\nsource = "python -m bench.gates: gates of {library.path.stem}"\n'
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--library", type=Path, required=True, help="Liberty file with energies")
    parser.add_argument(
        "--cells", type=Path, help="the cells' Verilog; the library's name with .v by default"
    )
    parser.add_argument("--network", default="digits")
    parser.add_argument("--machine", default="tiny")
    parser.add_argument("--images", type=int, default=2, help="counted, behind a first one")
    parser.add_argument("--wire", type=float, default=0.0, help="fF of wire for each input that a net drives")
    parser.add_argument(
        "--table", metavar="NAME", help="print the measured units as an energy table, and end"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    library = read_library(arguments.library)
    cells = arguments.cells or arguments.library.with_suffix(".v")
    if arguments.table:
        print_table(arguments.table, library, cells)
        return
    figures = compare(arguments.network, arguments.machine, arguments.images, library, cells, arguments.wire)
    if arguments.json:
        print(json.dumps({block: asdict(entry) for block, entry in figures.items()}, indent=2))
    else:
        print_figures(figures)


if __name__ == "__main__":
    run_main(main)
