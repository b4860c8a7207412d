"""`bcsim fit`: the best machine for a network on an FPGA part."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from bcsim.commands.options import Bits, Calibrate, Input, ModelPath, WeightBits
from bcsim.common.console import errors as console_errors
from bcsim.common.console import standard_output
from bcsim.common.errors import BcsimError
from bcsim.common.files import check_outputs, write_text
from bcsim.common.formatting import count, percent
from bcsim.common.tables import new_table

if TYPE_CHECKING:
    from bcsim.compiler.program.layers import Program
    from bcsim.costs.parts import Part
    from bcsim.results.model import Model
    from bcsim.search.fit import Fit
    from bcsim.search.point import Point

__all__ = ["fit"]

SAMPLE = 500
"""Test images from which the error at some bits is measured."""


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
    error_budget: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="POINTS",
            help="Fewer bits in each layer, as long as the error on a sample grows by so many percentage points "
            "at most.",
        ),
    ] = None,
    images: Annotated[int, typer.Option(min=1, metavar="N", help="Test images of that sample.")] = SAMPLE,
    errors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep the sample's errors there; another run goes on from them."),
    ] = None,
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

    check_outputs((json, errors), (model, calibrate))
    found_part = find_part(part)
    loaded = api.load(model, weight_bits=weight_bits)
    refuse_compiled(loaded, bits, calibrate, input)
    program = loaded.program or api.compile(loaded, bits=parse_bits(bits), calibration=calibrate, input=input)
    if error_budget is not None:
        bits = _within_budget(loaded, program, error_budget, images, errors, (calibrate, input))
        program = api.compile(loaded, bits=parse_bits(bits), calibration=calibrate, input=input)
    found = fit_part(program, found_part, objective=objective.value, clock=clock, memory=memory)
    if json is not None:
        text = json_module.dumps(_figures(found, model) | {"bits": bits}, indent=2) + "\n"
        if json == "-":
            sys.stdout.write(text)
            return
        write_text(json, text)
    print_fit(found, model, standard_output(soft_wrap=True), bits)


def _within_budget(
    loaded: Model,
    program: Program,
    points: float,
    images: int,
    kept: Path | None,
    options: tuple[str | None, str | None],
) -> str:
    """The bits with which the error on a sample is within the budget, as `--bits` has them; says what they cost."""
    from bcsim import api
    from bcsim.data import load_dataset
    from bcsim.interface.program import with_methods
    from bcsim.search.budget import Errors, fewest_bits, sample_claim

    if loaded.program is not None or loaded.dataset is None:
        raise BcsimError(
            f"--error-budget takes a float network that names its data set; {loaded.path} does not"
        )
    dataset, (calibrate, input) = load_dataset(loaded.dataset, "test", images), options
    labels = dataset.y
    if labels is None:
        raise BcsimError(f"--error-budget takes labelled images; those of {loaded.dataset} have no labels")

    def measure(bits: Sequence[int]) -> float:
        tried = with_methods(api.compile(loaded, bits=list(bits), calibration=calibrate, input=input))
        return float((tried.run(dataset).classes != labels).mean())

    found = Errors(measure, sample_claim(loaded.path, len(labels), calibrate, input), kept)
    start = [layer.source.bits for layer in program.layers]
    costs = [layer.inputs * layer.outputs * prod(layer.geometry.windows) for layer in program.layers]
    bits = fewest_bits(found, start, costs, points / 100)
    before, after = found(start), found(bits)
    text = ",".join(map(str, bits))
    console_errors.print(
        f"Bits {text}: {percent(after or 0.0)} of {len(labels):,} images wrong, {percent(before or 0.0)} with "
        f"{','.join(map(str, start))}; {len(found.known)} programs were measured"
    )
    return text


def print_fit(found: Fit, model: str, console: Console, bits: str | None = None) -> None:
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
        f"Its Verilog: bcsim verilog {model} -o out --fit --machine {text}"
        + (f" --bits {bits}" if bits else ""),
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
        *([("logic cells", count(size.cells(part)), "with lone flip-flops")] if part.lone else []),
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
