"""What the array and the requantisers take of an FPGA, by Yosys: `python -m bcsim.rtl.generate.resources`.

The cost of a lane is a difference of two arrays, so that what an array has once does not count; a requantiser is
synthesised alone. Every figure is of LUT sites: an adder of n bits takes n, and a flip-flop behind a LUT none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from amaranth.lib import wiring
from rich.console import Console
from rich.table import Table

from bcsim.common.console import track
from bcsim.common.leftovers import scratch_folder
from bcsim.machine.parameters import PRESETS, Machine
from bcsim.rtl.datapath.array import Array
from bcsim.rtl.datapath.requantiser import Requantiser
from bcsim.rtl.generate.verilog import to_verilog
from bcsim.rtl.tools.synthesis import FAMILIES, Family, Resources, count_multipliers, synthesise

__all__ = ["LaneCost", "component_resources", "lane_cost", "measured_machine"]

ELEMENTS = 4
"""Processing elements of the smaller array of a difference; the greater has twice as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneCost:
    """LUT sites and flip-flops of arrays of one digit width on one FPGA family.

    luts, flip_flops : per lane of one processing element more, with a requantiser for every four elements: the
        shadow register and its part of the selection included.
    draining_luts : the part of `luts` that selects the shadow registers of a round; 0 where there are as many
        requantisers as elements.
    shared_luts : per lane, once per array.
    requantiser_luts, requantiser_flip_flops : one requantiser.
    multipliers, dsps : all cells that multiply; 0.
    """

    family: str
    digit: int
    luts: float
    draining_luts: float
    flip_flops: float
    shared_luts: float
    requantiser_luts: int
    requantiser_flip_flops: int
    multipliers: int
    dsps: int


def measured_machine(digit: int, *, pes: int, requantisers: int) -> Machine:
    """The machine of the measurements: 64 lanes, activations of one digit, accumulators of 20 bits."""
    return replace(
        PRESETS["bnn"],
        lanes=64,
        digit=digit,
        activation_bits=digit,
        accumulator_bits=20,
        pes=pes,
        requantisers=requantisers,
        input_bytes=1,
    )


def component_resources(component: wiring.Component, family: Family) -> tuple[Resources, int]:
    """What a component takes, and how many cells of it multiply. Raises BcsimError where Yosys is missing."""
    with scratch_folder() as folder:
        source = folder / "component.v"
        verilog = to_verilog(component, "component")
        source.write_text(verilog.text)
        for name, text in verilog.images.items():
            (folder / name).write_text(text)
        return synthesise(source, "component", family), count_multipliers(source, "component")


def lane_cost(family: Family, digit: int) -> LaneCost:
    """The cost of lanes and requantisers, from five syntheses. Raises BcsimError where Yosys is missing or fails."""

    def array(pes: int, requantisers: int) -> tuple[Resources, int]:
        machine = measured_machine(digit, pes=pes, requantisers=requantisers)
        return component_resources(Array(replace(machine, six_input_luts=family.six_input_luts)), family)

    machine = measured_machine(digit, pes=ELEMENTS, requantisers=1)
    (small, _), (large, multipliers) = array(ELEMENTS, 1), array(2 * ELEMENTS, 2)
    (bare_small, _), (bare_large, _) = array(ELEMENTS, ELEMENTS), array(2 * ELEMENTS, 2 * ELEMENTS)
    requantiser, in_requantiser = component_resources(Requantiser(machine), family)
    lanes = ELEMENTS * machine.lanes
    luts = (large.luts - small.luts) / lanes
    return LaneCost(
        family=family.name,
        digit=digit,
        luts=luts,
        draining_luts=luts - (bare_large.luts - bare_small.luts) / lanes,
        flip_flops=(large.flip_flops - small.flip_flops) / lanes,
        shared_luts=small.luts / machine.lanes - ELEMENTS * luts,
        requantiser_luts=requantiser.luts,
        requantiser_flip_flops=requantiser.flip_flops,
        multipliers=multipliers + in_requantiser,
        dsps=large.dsps + requantiser.dsps,
    )


COLUMNS: Mapping[str, str] = {
    "family": "family",
    "digit": "p",
    "luts": "LUTs",
    "draining_luts": "drain",
    "flip_flops": "FFs",
    "shared_luts": "shared",
    "requantiser_luts": "requantiser LUTs",
    "requantiser_flip_flops": "FFs",
    "multipliers": "multipliers",
    "dsps": "DSPs",
}


def print_table(costs: Iterable[LaneCost]) -> None:
    """A row for each family and digit width."""
    title = "LUT sites per lane of 64, activations of one digit, accumulators of 20 bits"
    table = Table(*COLUMNS.values(), title=title, title_justify="left")
    for cost in costs:
        values = (getattr(cost, column) for column in COLUMNS)
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in values))
    Console().print(table)


def main(
    family: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(FAMILIES)}; all.")] = None,
    digit: Annotated[list[int] | None, typer.Option(help="Of 8, 4, 2, 1; all.")] = None,
    json_file: Annotated[str | None, typer.Option("--json", help="Write JSON there; - is stdout.")] = None,
) -> None:
    """Measure what a lane and a requantiser cost."""
    cases = [(FAMILIES[name], width) for name in family or FAMILIES for width in digit or (8, 4, 2, 1)]
    costs = [lane_cost(*case) for case in track(cases, "Synthesis")]
    figures = json.dumps([asdict(cost) for cost in costs], indent=2) + "\n"
    if json_file == "-":
        sys.stdout.write(figures)
        return
    print_table(costs)
    if json_file is not None:
        Path(json_file).write_text(figures)


if __name__ == "__main__":
    typer.run(main)
