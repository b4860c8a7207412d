"""What the hardware commands share: a network mapped onto a machine, and images for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console

from bcsim.commands.completion import complete_data, complete_machine

if TYPE_CHECKING:
    from bcsim.compiler.program.layers import Program
    from bcsim.interface.hardware import Prepared
    from bcsim.machine.parameters import Machine
    from bcsim.results.input_meaning import InputMeaning

__all__ = ["DataName", "Images", "MachineName", "Pauses", "prepare", "print_meaning"]

MachineName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--machine",
        metavar="NAME|P=V,...",
        autocompletion=complete_machine,
        help="Preset (bcsim machines) or parameters. Default: small, its memories enlarged where needed.",
    ),
]
DataName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="NAME|FILE",
        autocompletion=complete_data,
        help="Images of the bench. Default: the model's data set, or random ones where it names none.",
    ),
]
Images: TypeAlias = Annotated[int, typer.Option(min=1, metavar="N", help="How many images.")]
Pauses: TypeAlias = Annotated[
    int | None,
    typer.Option(metavar="SEED", help="Let sources and sink pause at random, the same for the same seed."),
]


def prepare(
    model: str,
    *,
    bits: str | None,
    weight_bits: int | None,
    calibrate: str | None,
    input: str | None,
    machine: str | None,
    data: str | None,
    images: int,
    pauses: int | None,
    fit: bool = False,
    part: str | None = None,
) -> Prepared:
    """The network on its machine, what the bench streams in, and what that was read as (None for random values)."""
    from bcsim import api
    from bcsim.commands.options import check_machine_text, parse_bits, refuse_compiled
    from bcsim.common.console import errors
    from bcsim.costs.parts import find_part
    from bcsim.interface.hardware import prepare as prepare_program
    from bcsim.machine.parameters import SMALL
    from bcsim.results.cost_report import enlargement_note

    check_machine_text(machine)
    if part is not None:
        find_part(part)
    loaded = api.load(model, weight_bits=weight_bits)
    refuse_compiled(loaded, bits, calibrate, input)
    program = loaded.program or api.compile(
        loaded, bits=parse_bits(bits), calibration=calibrate, data=data, input=input
    )
    chosen_machine = _fitted(program, machine, part) if fit or part else machine
    prepared = prepare_program(program, chosen_machine, data or loaded.dataset, images, pauses)
    chosen = prepared.mapping.machine
    if note := enlargement_note(chosen, SMALL if chosen_machine is None else chosen):
        errors.print(note)
    return prepared


def _fitted(program: Program, machine: str | None, part: str | None) -> Machine:
    """The machine that the options choose, as small as the network needs; for a part alone the best one."""
    from bcsim.compiler.mapping.fitted_machine import map_fitted
    from bcsim.costs.parts import find_part
    from bcsim.machine.parameters import SMALL, parse_machine
    from bcsim.search.fit import fit_part

    if machine is None and part is not None:
        base = fit_part(program, find_part(part), look_larger=False).best.machine
    else:
        base = parse_machine(machine) if machine else SMALL
    return map_fitted(program, base).machine


def print_meaning(meaning: InputMeaning | None, console: Console) -> None:
    """What the bench's images were read as, and what a reader should know of it."""
    if meaning is not None:
        console.print(f"Input read as {meaning.text}", markup=False, highlight=False)
        for note in meaning.notes:
            console.print(f"Note: {note}", markup=False, highlight=False)
