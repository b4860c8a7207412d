"""Images through a program and through a machine."""

from __future__ import annotations

from typing import get_args

from numpy.typing import ArrayLike

from bcsim.common.arguments import require_path, require_text, require_whole
from bcsim.common.errors import BcsimError
from bcsim.compiler.program.layers import Program
from bcsim.costs.energy import TABLES
from bcsim.interface.arguments import Data, named_or_dataset, require_machine, require_program
from bcsim.interface.result import Result, with_files
from bcsim.machine.parameters import Machine
from bcsim.results import simulation
from bcsim.results.model import Model
from bcsim.results.simulation import Level

__all__ = ["simulate"]


def simulate(
    program: Program,
    data: Data,
    labels: ArrayLike | None = None,
    *,
    machine: str | Machine | None = None,
    level: Level = "program",
    images: int | None = None,
    reference: Model | None = None,
    energy_table: str = TABLES[0],
    record: int = 0,
) -> Result:
    """Run images through a program and through a machine.

    data : a data set, or what `load_dataset` takes (its test split), or an array: uint8 levels, or the network's float
        input itself, one row an image.
    labels : integers (n,), the classes of an array of images.
    machine : a machine, a preset's name or `lanes=32,pes=32,...`; by default the array of "medium" ("tiny" for
        networks of the digits), everything else as small as the program allows. Where no machine takes the program
        and none was asked for (by `machine`, `level` or `record`), the result has what the program level finds, and
        `Result.no_machine` says why.
    level : "program" runs every image through the program and a few through the machine, for its cycles;
        "machine" runs every image through both and holds them equal.
    images : the first so many; by default all at level program, 16 at level machine.
    reference : the float network to compare with.
    energy_table : a table of the package or a TOML file.
    record : of how many images the machine run keeps every write, for `Result.trace`.

    Raises BcsimError for images that do not fit the program and for machines that the program does not fit.
    """
    require_text("Level", level, get_args(Level))
    require_path("Energy table", energy_table)
    require_whole("Number of recorded images", record, 0)
    if images is not None:
        require_whole("Number of images", images, 1)
    if reference is not None and not isinstance(reference, Model):
        raise BcsimError(f"Reference must be what bcsim.load gives, not {type(reference).__name__}")
    result = simulation.simulate(
        require_program(program),
        named_or_dataset(data, labels),
        machine=require_machine(machine),
        level=level,
        images=images,
        reference=reference,
        energy_table=energy_table,
        record=record,
    )
    return with_files(result)
