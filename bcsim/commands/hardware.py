"""What the hardware commands share: a network mapped onto a machine, and images for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console

from bcsim.commands.completion import complete_data, complete_machine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bcsim.compiler.mapping.mapping import Mapping
    from bcsim.compiler.program.layers import Program
    from bcsim.results.input_meaning import InputMeaning
    from bcsim.rtl.generate.project import Stimulus

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
) -> tuple[Mapping, Stimulus, InputMeaning | None]:
    """The network on its machine, what the bench streams in, and what that was read as (None for random values)."""
    from bcsim import api
    from bcsim.commands.options import parse_bits, refuse_compiled
    from bcsim.common.console import errors
    from bcsim.compiler.mapping.mapping import map_program
    from bcsim.machine.parameters import SMALL, parse_machine
    from bcsim.results.cost_report import enlargement_note, map_enlarged

    loaded = api.load(model, weight_bits=weight_bits)
    refuse_compiled(loaded, bits, calibrate, input)
    program = loaded.program or api.compile(
        loaded, bits=parse_bits(bits), calibration=calibrate, data=data, input=input
    )
    mapping = map_program(program, parse_machine(machine)) if machine else map_enlarged(program, SMALL)
    if note := enlargement_note(mapping.machine, SMALL if machine is None else mapping.machine):
        errors.print(note)
    name, q, meaning = _images(mapping.program, data or loaded.dataset, images)
    return mapping, _stimulus(mapping, name, q, pauses), meaning


def _stimulus(mapping: Mapping, name: str, q: NDArray[np.uint8], pauses: int | None) -> Stimulus:
    import numpy as np

    from bcsim.rtl.generate.project import Stimulus
    from bcsim.rtl.generate.vectors import random_pauses
    from bcsim.simulator.weight_stream import memory_gaps

    if pauses is None:
        return Stimulus(name, q)
    generator = np.random.default_rng(pauses)
    gaps = random_pauses(generator, len(q) * mapping.beats)
    holds = random_pauses(generator, len(q) * (mapping.program.classes + 1))
    weight_gaps = random_pauses(generator, len(memory_gaps(mapping, len(q))))
    return Stimulus(name, q, gaps.tolist(), holds.tolist(), weight_gaps.tolist())


def _images(
    program: Program, data: str | None, images: int
) -> tuple[str, NDArray[np.uint8], InputMeaning | None]:
    import numpy as np

    from bcsim.data import load_dataset
    from bcsim.execution.raw_levels import program_input
    from bcsim.results.input_meaning import input_meaning

    if data is None:
        levels = program.input.stream.levels
        q = np.random.default_rng(0).integers(0, levels, (images, program.inputs), np.uint8)
        return "random values", q, None
    dataset = load_dataset(data, "test", images)
    meaning = input_meaning(program, dataset)
    return dataset.name, program_input(program, dataset).astype(np.uint8), meaning


def print_meaning(meaning: InputMeaning | None, console: Console) -> None:
    """What the bench's images were read as, and what a reader should know of it."""
    if meaning is not None:
        console.print(f"Input read as {meaning.text}", markup=False, highlight=False)
        for note in meaning.notes:
            console.print(f"Note: {note}", markup=False, highlight=False)
