"""Networks of BNN-PYNQ on a machine and on FINN: LUTs per operation and cycle, and how much of the array works.

    python -m bench.finn [lfc] [cnv] [FILE] [--machine ...] [--input ...] [--no-synthesis] [--json]

A name is looked for in the folder models/bnn_pynq beside the one that BCSIM_DATA names. The machine's memories are
made just deep enough for the network; Yosys synthesises the whole accelerator for Xilinx 7-series. An operation is a
multiplication or an addition of the network: two a multiply-accumulate, whatever the width of its input.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bcsim.api import compile, load
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.machine.parameters import MEDIUM, Machine, parse_machine
from bcsim.results.cost_report import map_enlarged
from bcsim.rtl.generate.synth import SynthesisResult, synthesise_machine
from bcsim.rtl.tools.synthesis import FAMILIES, Resources
from bcsim.simulator.utilisation import steady_lane_cycles
from bench.common import run_main

FAMILY = FAMILIES["7-series"]


@dataclass(frozen=True, slots=True)
class Finn:
    """What BNN-PYNQ publishes of a network on PYNQ-Z1 (bnn/src/network/*/README.md and hw/config.h).

    luts, flip_flops, memories, dsps : placed, the shell included; memories of 18 and of 36 Kbit count one each.
    lanes : sum of PE * SIMD over the layers. cycles : the slowest layer's, by its own formula.
    """

    luts: int
    flip_flops: int
    memories: int
    dsps: int
    lanes: int
    cycles: int


@dataclass(frozen=True, slots=True)
class Case:
    """A network that FINN runs too: its file, how its input is read, the machine of the comparison."""

    file: str
    input: str
    machine: str
    finn: Finn


CASES = {
    "lfc": Case(
        "mnist-lfcW1A1.onnx",
        "sign",
        "bnn,activation_bits=1,accumulator_bits=11,requantisers=32",
        Finn(28_360, 33_470, 214, 4, 6_272, 512),
    ),
    "cnv": Case(
        "cifar10-cnvW1A1.onnx",
        "fixed",
        "conv-bnn,lanes=32,pes=64,requantisers=8,accumulator_bits=14,input_buffers=1",
        Finn(26_072, 41_312, 172, 24, 2_272, 32_768),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One network on one machine.

    cycles : between images that follow each other. macs : multiply-accumulates of an image.
    utilisation : of the array; a value of more bits than a digit counts once for each digit.
    synthesis : None where it was not asked for.
    seconds : that all of it took.
    """

    network: str
    machine: Machine
    cycles: int
    macs: int
    utilisation: float
    synthesis: SynthesisResult | None
    seconds: float


def fitted(machine: Machine) -> Machine:
    """The machine with the shallowest memories and limits; mapping enlarges them as far as a network needs."""
    return replace(
        machine, activation_words=2, weight_words=1, parameter_words=2, layers=1, outputs=1, fraction_bits=0
    )


def _macs(mapping: Mapping) -> int:
    """Multiply-accumulates of an image; weights of several planes count once."""
    return sum(nest.layer.outputs * nest.layer.inputs * nest.results for nest in mapping.nests)


def measure(network: str, machine: str | None, reading: str | None, *, synthesis: bool) -> Figures:
    """Map, time and, where asked, synthesise one network. Raises BcsimError."""
    started, case = time.perf_counter(), CASES.get(network)
    path = _folder() / case.file if case else Path(network)
    program = compile(load(path), input=reading or (case.input if case else None))
    wanted = parse_machine(machine or (case.machine if case else "bnn"))
    mapping = map_enlarged(program, fitted(wanted))
    lane_cycles, cycles = steady_lane_cycles(mapping)
    return Figures(
        network=network,
        machine=replace(mapping.machine, name="fitted"),
        cycles=cycles,
        macs=_macs(mapping),
        utilisation=lane_cycles["busy"] / sum(lane_cycles.values()),
        synthesis=synthesise_machine(mapping.machine, FAMILY) if synthesis else None,
        seconds=time.perf_counter() - started,
    )


def _folder() -> Path:
    return Path(os.environ.get("BCSIM_DATA", os.curdir)).parent / "models" / "bnn_pynq"


def _work_rows(cycles: int, macs: int, lanes: int) -> dict[str, float]:
    return {
        "lanes": lanes,
        "cycles an image": cycles,
        "operations a cycle": 2 * macs / cycles,
        "operations a cycle, of 2 a lane": macs / cycles / lanes,
    }


def _area_rows(area: Resources | Finn, cycles: int, macs: int, lanes: int) -> dict[str, float]:
    return {
        "LUTs": area.luts,
        "flip-flops": area.flip_flops,
        "block memories": area.memories,
        "DSPs": area.dsps,
        "LUTs / operation a cycle": area.luts * cycles / 2 / macs,
        "LUTs / operation a cycle, if every lane worked": area.luts / 2 / lanes,
    }


def own_rows(figures: Figures) -> dict[str, float]:
    """The figures of this machine by name."""
    work = (figures.cycles, figures.macs, figures.machine.slots)
    rows = _work_rows(*work) | {"array utilisation": figures.utilisation}
    if figures.synthesis is not None:
        rows |= _area_rows(figures.synthesis.whole, *work)
        rows |= {
            "LUTs of the array": figures.synthesis.array.luts,
            "multiplying cells": figures.synthesis.multipliers,
        }
    return rows


def finn_rows(figures: Figures) -> dict[str, float]:
    """The same of FINN, of the same multiply-accumulates; nothing for a network that it did not publish."""
    case = CASES.get(figures.network)
    if case is None:
        return {}
    work = (case.finn.cycles, figures.macs, case.finn.lanes)
    return _work_rows(*work) | _area_rows(case.finn, *work)


def machine_text(machine: Machine) -> str:
    """The machine as `--machine` takes it."""
    differing = (
        (f.name, getattr(machine, f.name))
        for f in fields(Machine)
        if f.name != "name" and getattr(machine, f.name) != getattr(MEDIUM, f.name)
    )
    return ",".join(f"{name}={str(value).lower()}" for name, value in differing)


def _print(figures: Figures) -> None:
    own, finn = own_rows(figures), finn_rows(figures)
    table = Table(figures.network, "bcsim", "FINN")
    for name, value in own.items():
        table.add_row(name, _number(value), _number(finn[name]) if name in finn else "")
    Console().print(f"{machine_text(figures.machine)}: {figures.seconds:.0f} s", soft_wrap=True)
    Console().print(table)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if value > 100 else f"{value:.3f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", default=list(CASES), metavar="lfc|cnv|FILE")
    parser.add_argument("--machine", help="by default each network's own")
    parser.add_argument("--input", help="how raw levels become the network's input, as `bcsim run --input`")
    parser.add_argument("--no-synthesis", action="store_true", help="cycles and use alone, in seconds")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for network in arguments.networks:
        figures = measure(network, arguments.machine, arguments.input, synthesis=not arguments.no_synthesis)
        if arguments.json:
            machine = machine_text(figures.machine)
            report = {
                "network": network,
                "machine": machine,
                "bcsim": own_rows(figures),
                "finn": finn_rows(figures),
            }
            print(json.dumps(report, indent=2))
        else:
            _print(figures)


if __name__ == "__main__":
    run_main(main)
