"""`bcsim fit`: the best machine for a network on an FPGA part."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from bcsim.commands.options import Bits, Calibrate, Input, ModelPath, WeightBits
from bcsim.common.console import standard_output
from bcsim.common.files import check_outputs, write_text
from bcsim.common.formatting import count, percent
from bcsim.common.tables import new_table

if TYPE_CHECKING:
    from bcsim.costs.parts import Part
    from bcsim.search.fit import Fit
    from bcsim.search.point import Point

__all__ = ["fit"]


class Objective(StrEnum):
    """What the best machine has most or least of."""

    fps = "fps"
    latency = "latency"
    energy = "energy"
    area = "area"


def fit(
    model: ModelPath,
    part: Annotated[
        str, typer.Option(metavar="PART", help="FPGA part, such as lfe5u-85, xc7z020, up5k or gw2ar-18.")
    ],
    clock: Annotated[
        float | None,
        typer.Option(
            metavar="MHZ", help="Clock. Default: estimated; 100 where no open flow places the family."
        ),
    ] = None,
    objective: Annotated[
        Objective, typer.Option(help="Most images a second, least latency, energy or area.")
    ] = Objective.fps,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Memory beside the part from which weights stream that do not fit: arty-ddr3, ulx3s-sdram, "
            "icebreaker-flash.",
        ),
    ] = None,
    bits: Bits = None,
    weight_bits: WeightBits = None,
    calibrate: Calibrate = None,
    input: Input = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the figures as JSON; - is standard output.")
    ] = None,
) -> None:
    """Find the best machine for MODEL on a part, and say what limits it; nothing is simulated or synthesised."""
    from bcsim import api
    from bcsim.commands.options import parse_bits, refuse_compiled
    from bcsim.costs.parts import find_part
    from bcsim.search.fit import fit_part

    check_outputs((json,), (model, calibrate))
    found_part = find_part(part)
    loaded = api.load(model, weight_bits=weight_bits)
    refuse_compiled(loaded, bits, calibrate, input)
    program = loaded.program or api.compile(loaded, bits=parse_bits(bits), calibration=calibrate, input=input)
    found = fit_part(program, found_part, objective=objective.value, clock=clock, memory=memory)
    if json is not None:
        text = json_module.dumps(_figures(found, model), indent=2) + "\n"
        if json == "-":
            sys.stdout.write(text)
            return
        write_text(json, text)
    print_fit(found, model, standard_output(soft_wrap=True))


def print_fit(found: Fit, model: str, console: Console) -> None:
    """The best machine, what it takes, why it is no faster, and what more room would give."""
    from bcsim.search.point import machine_text

    best, part = found.best, found.part
    table = new_table(f"Best machine for {model} on {part.name}: {found.objective}", "", "", "", header=False)
    for name, value, of in _rows(best, part):
        table.add_row(name, value, of)
    console.print(table)
    text = machine_text(best.machine)
    for line in (
        f"Scheduled {count(found.tried)} of {count(found.possible)} machines that could fit.",
        f"Limited by {found.limit}.",
        _larger(found),
        f"Its Verilog: bcsim verilog {model} -o out --fit --machine {text}",
    ):
        if line:
            console.print(line, markup=False, highlight=False)


def _rows(best: Point, part: Part) -> list[tuple[str, str, str]]:
    machine, size = best.machine, best.size
    estimated = "given or estimated" if part.delay else "given or assumed: no open flow places the family"
    return [
        (
            "lanes x processing elements",
            f"{machine.lanes} x {machine.pes}",
            f"digits of {machine.digit} bits",
        ),
        ("requantisers", count(machine.requantisers), ""),
        ("positions of a weight", count(machine.reuse), ""),
        *([("images at once", count(machine.batch), "")] if machine.batch > 1 else []),
        ("images a second", count(round(best.images_per_second)), ""),
        ("cycles an image", count(best.cycles), f"{percent(best.utilisation, 1)} of all lanes useful"),
        ("latency", f"{best.latency_us:,.1f} us", ""),
        ("clock", f"{best.clock_mhz:.1f} MHz", estimated),
        ("energy an image", f"{best.energy_pj / 1e6:.3g} uJ", "horowitz-45nm, counted actions"),
        ("LUTs", count(size.luts), f"of {count(part.luts)}"),
        ("flip-flops", count(size.flip_flops), f"of {count(part.flip_flops)}"),
        ("block memories", count(size.memories), f"of {count(part.memories)}"),
    ]


def _larger(found: Fit) -> str:
    if found.larger is None or found.larger_part is None:
        return ""
    more = found.larger.images_per_second / found.best.images_per_second
    machine = found.larger.machine
    return (
        f"The next larger part, {found.larger_part.name}, would give "
        f"{count(round(found.larger.images_per_second))} images a second ({more:.2f} times) with "
        f"{machine.lanes} x {machine.pes} lanes."
    )


def _point(point: Point) -> dict[str, Any]:
    return {
        "machine": asdict(point.machine),
        "cycles_per_image": point.cycles,
        "latency_cycles": point.latency,
        "clock_mhz": point.clock_mhz,
        "images_per_second": point.images_per_second,
        "energy_pj": point.energy_pj,
        "utilisation": point.utilisation,
        "size": asdict(point.size),
    }


def _figures(found: Fit, model: str) -> dict[str, Any]:
    return {
        "model": model,
        "part": found.part.name,
        "objective": found.objective,
        "best": _point(found.best),
        "tried": found.tried,
        "possible": found.possible,
        "limit": found.limit,
        "larger_part": found.larger_part.name if found.larger_part else None,
        "larger": _point(found.larger) if found.larger else None,
    }
