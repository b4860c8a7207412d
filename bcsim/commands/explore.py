"""`bcsim explore`: a sweep over machines and bits, as a table and as a page of Pareto fronts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from bcsim.commands.options import ModelPath, refuse_compiled
from bcsim.common.console import errors, standard_output, track
from bcsim.common.errors import BcsimError
from bcsim.common.files import check_folder
from bcsim.common.tables import new_table

if TYPE_CHECKING:
    from bcsim.data import Dataset
    from bcsim.interface.program import Program
    from bcsim.machine.parameters import Machine
    from bcsim.search.explore import Row, Runner

__all__ = ["explore"]

SAMPLE = 500
"""Test images from which the accuracy at some bits is measured."""
BEST = 10


def explore(
    model: ModelPath,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the table and the pages go.")],
    part: Annotated[str, typer.Option(metavar="PART", help="FPGA part that sizes are for.")] = "lfe5u-85",
    lanes: Annotated[
        str, typer.Option(metavar="N,N|N..N", help="Inputs of an element; 8..64 doubles.")
    ] = "8..64",
    pes: Annotated[
        str | None, typer.Option(metavar="N,N|N..N", help="Elements. Default: as many as lanes.")
    ] = None,
    digit: Annotated[str, typer.Option(metavar="N,N", help="Bits of a digit.")] = "1,2,4,8",
    requantisers: Annotated[
        str | None, typer.Option(metavar="N,N|N..N", help="Requantisers. Default: an eighth of the lanes.")
    ] = None,
    reuse: Annotated[
        str | None, typer.Option(metavar="N,N", help="Positions of a weight; spatial networks. Default: 1.")
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="Images at once, up to --reuse; dense networks. Default: 1."),
    ] = None,
    bits: Annotated[
        str | None,
        typer.Option(
            metavar="N,N:N:N",
            help="Bits of all activations, or of each layer's input between colons; each a program. Default: the "
            "model's.",
        ),
    ] = None,
    clock: Annotated[
        float | None, typer.Option(metavar="MHZ", help="Clock. Default: estimated, or 100.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="NAME", help="Memory beside the part, for weights; as in bcsim fit.")
    ] = None,
    weight_words: Annotated[
        str | None, typer.Option(metavar="N,N", help="Weight words on the chip, with --memory.")
    ] = None,
    images: Annotated[
        int, typer.Option(min=0, metavar="N", help="Test images for the accuracy at each of --bits; 0: none.")
    ] = SAMPLE,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes of a local Dask cluster. Default: none.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Dask cluster's, such as tcp://host:8786.")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Another sweep, to see side by side.")
    ] = None,
) -> None:
    """Sweep machines for MODEL without simulating any: a table and Pareto fronts.

    An interrupted sweep goes on where it was.
    """
    from bcsim.costs.energy import TABLES, load_table
    from bcsim.costs.fpga_model import piped
    from bcsim.costs.parts import find_part
    from bcsim.search.explore import Sweep, in_turn
    from bcsim.search.explore import explore as sweep_machines
    from bcsim.search.page import write_pages

    values = {
        "lanes": _numbers("--lanes", lanes),
        "pes": _numbers("--pes", pes),
        "digit": _numbers("--digit", digit),
        "requantisers": _numbers("--requantisers", requantisers),
        "reuse": _numbers("--reuse", reuse),
        "batch": _numbers("--batch", batch),
        "weight_words": _numbers("--weight-words", weight_words),
    }
    if weight_words is not None and memory is None:
        raise BcsimError("--weight-words needs --memory: without one all weights are on the chip")
    check_folder(out)
    choices = _bit_choices(bits)
    others = _other_sweep(compare)
    chosen_part, table = find_part(part), load_table(TABLES[0])
    # Whether the network needs a spatial machine is known once it is compiled; wrong values are told before.
    _machines(values, spatial=True, clock=clock, memory=memory)
    programs, accuracy = _programs(model, choices, images, out)
    spatial = any(not layer.geometry.point for program in programs.values() for layer in program.layers)
    machines = _machines(values, spatial=spatial, clock=clock, memory=memory)
    machines = [piped(machine, chosen_part) for machine in machines]
    sweep = Sweep(programs, accuracy, chosen_part, table, clock)
    runner = _on_cluster(scheduler, workers) if scheduler or workers else _tracked(in_turn)
    rows = sweep_machines(sweep, machines, out, runner)
    name = next(iter(programs.values())).name
    index = write_pages(out, f"{name} on {chosen_part.name}", _command(model, bits), rows)
    _write_parquet(out / "table.parquet", rows)
    console = standard_output(soft_wrap=True)
    _print_best(rows, console)
    if compare is not None:
        _print_comparison(rows, others, out, compare, console)
    console.print(
        f"Wrote {out / 'table.csv'} ({len(rows)} points) and {index}", markup=False, highlight=False
    )


def _other_sweep(folder: Path | None) -> list[Row]:
    """The rows of the sweep to compare with."""
    from bcsim.search.explore import read_table

    if folder is None:
        return []
    if not (folder / "table.csv").is_file():
        raise BcsimError(f"Folder {folder} holds no sweep: it has no table.csv")
    return read_table(folder / "table.csv")


def _machines(
    values: Mapping[str, Sequence[int]], *, spatial: bool, clock: float | None, memory: str | None
) -> list[Machine]:
    from bcsim.costs.external_memories import with_memory
    from bcsim.search.explore import grid

    spatial = spatial or any(count > 1 for count in values["batch"])
    machines = grid(values, spatial) if clock is None else grid(values, spatial, clock)
    return [with_memory(machine, memory) for machine in machines] if memory else machines


def _command(model: str, bits: str | None) -> str:
    """The command line of a point, with its machine and bits to fill in."""
    of_bits = " --bits {bits}" if bits else ""
    return f"bcsim verilog {quote(model)} -o out --fit --machine {{machine}}{of_bits}"


def _programs(
    model: str, choices: Mapping[str, int | list[int] | None], images: int, out: Path
) -> tuple[dict[str, Any], dict[str, float | None]]:
    """The network compiled with each of the bits, and the accuracy of each on a sample of its test images."""
    from bcsim import api
    from bcsim.data import load_dataset
    from bcsim.interface.program import with_methods

    loaded = api.load(model)
    refuse_compiled(loaded, next(iter(choices)) or None, None, None)
    dataset = load_dataset(loaded.dataset, "test", images) if loaded.dataset and images else None
    programs = {
        name: with_methods(loaded.program or api.compile(loaded, bits=bits)) for name, bits in choices.items()
    }
    if dataset is None or dataset.y is None:
        return programs, dict.fromkeys(programs)
    return programs, _accuracy(programs, dataset, loaded.path, out)


def _accuracy(
    programs: Mapping[str, Program], dataset: Dataset, model: Path, out: Path
) -> dict[str, float | None]:
    """The accuracy of each program on the images, measured once: the folder keeps it."""
    from bcsim.search.budget import Errors, sample_claim
    from bcsim.search.explore import ERRORS

    of_layers = {
        name: tuple(layer.source.bits for layer in program.layers) for name, program in programs.items()
    }
    by_bits = {of_layers[name]: program for name, program in programs.items()}

    def measure(bits: Sequence[int]) -> float:
        return float((by_bits[tuple(bits)].run(dataset).classes != dataset.y).mean())

    out.mkdir(parents=True, exist_ok=True)
    errors = Errors(measure, sample_claim(model, len(dataset.x)), out / ERRORS)
    found = {name: errors(bits) for name, bits in of_layers.items()}
    return {name: None if error is None else round(1 - error, 4) for name, error in found.items()}


def _bit_choices(text: str | None) -> dict[str, int | list[int] | None]:
    """Bits as `compile` takes them, by what `--bits` of other commands takes: 8,4:2:2 is 8, and 4, 2 and 2."""
    if text is None:
        return {"": None}
    try:
        choices = [[int(width) for width in part.split(":")] for part in text.split(",")]
    except ValueError:
        raise BcsimError(
            "--bits must be integers from 1 to 8 separated by commas, with colons between those of layers, such as "
            f"8,8:4:4, not {text!r}"
        ) from None
    return {",".join(map(str, widths)): widths if len(widths) > 1 else widths[0] for widths in choices}


def _numbers(option: str, text: str | None) -> list[int]:
    """8,16,64 as it stands; 8..64 as 8, 16, 32, 64."""
    if text is None:
        return []
    try:
        if ".." in text:
            low, high = (int(part) for part in text.split(".."))
            if not 1 <= low <= high:
                raise ValueError
            return [low << step for step in range(32) if low << step <= high]
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BcsimError(
            f"{option} must be integers such as 8,16,32 or a range that doubles such as 8..64, not {text!r}"
        ) from None


def _tracked(runner: Runner) -> Runner:
    return lambda sweep, points: track(runner(sweep, points), "Machines", total=len(points))


def _on_cluster(scheduler: str | None, workers: int | None) -> Runner:
    from bcsim.search.on_dask import on_dask

    return lambda sweep, points: track(
        on_dask(sweep, points, scheduler=scheduler, workers=workers or 2), "Machines", total=len(points)
    )


def _write_parquet(path: Path, rows: Sequence[Row]) -> None:
    """The table once more where pyarrow is installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        return
    columns = {name: [None if row[name] == "" else row[name] for row in rows] for name in rows[0]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def _print_best(rows: Sequence[Row], console: Console) -> None:
    measured = [row for row in rows if row["cycles"] != ""]
    if not measured:
        errors.print("No machine of the sweep takes the network; table.csv says why")
        return
    fitting = [row for row in measured if row["fits"]] or measured
    best = sorted(fitting, key=lambda row: -row["images_per_second"])[:BEST]
    headings = ("machine", "bits", "images/s", "cycles", "nJ", "LUTs", "memories", "accuracy")
    table = new_table(f"The best {len(best)} of {len(measured)}", *headings, text=2)
    for row in best:
        figures = (row[name] for name in ("images_per_second", "cycles", "energy_nj", "luts", "memories"))
        table.add_row(row["machine"], row["bits"], *(f"{value:,}" for value in figures), str(row["accuracy"]))
    console.print(table)


def _print_comparison(
    rows: Sequence[Row], others: Sequence[Row], out: Path, compare: Path, console: Console
) -> None:
    """Points of both sweeps side by side: images a second and LUTs, here and there."""
    theirs = {(row["bits"], row["machine"]): row for row in others if row["cycles"] != ""}
    both = [row for row in rows if row["cycles"] != "" and (row["bits"], row["machine"]) in theirs]
    headings = ("machine", f"images/s: {out}", str(compare), "ratio", f"LUTs: {out}", str(compare))
    table = new_table(f"{len(both)} points of both sweeps", *headings)
    for row in sorted(both, key=lambda row: -row["images_per_second"])[:BEST]:
        other = theirs[row["bits"], row["machine"]]
        ratio = row["images_per_second"] / other["images_per_second"]
        table.add_row(
            row["machine"],
            *(f"{value:,}" for value in (row["images_per_second"], other["images_per_second"])),
            f"{ratio:.3f}",
            *(f"{value:,}" for value in (row["luts"], other["luts"])),
        )
    console.print(table)
