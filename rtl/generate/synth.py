"""What a whole accelerator and its array take of an FPGA, at every digit width: `python -m bcsim.rtl.generate.synth`.

Values as wide as the digits, so that an array of p-bit digits is one for p-bit networks. What one lane costs, apart
from what an array has once, is in bcsim.rtl.generate.resources.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bcsim.common.console import track
from bcsim.compiler.mapping.image import Image
from bcsim.machine.limits import DIGITS
from bcsim.machine.parameters import Machine, parse_machine
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.datapath.array import Array
from bcsim.rtl.generate.resources import component_resources
from bcsim.rtl.tools.synthesis import FAMILIES, Family, Resources

__all__ = ["SynthesisResult", "synthesise_machine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisResult:
    """One machine on one FPGA family.

    whole, array : what all of it and the array alone take.
    multipliers : cells of the whole that multiply, before synthesis; 0.
    """

    family: str
    digit: int
    lanes: int
    whole: Resources
    array: Resources
    multipliers: int

    @property
    def array_luts_per_lane(self) -> float:
        return self.array.luts / self.lanes

    @property
    def other_luts(self) -> int:
        """Everything but the array: memories' ports, requantisers, sequencer, streams, registers."""
        return self.whole.luts - self.array.luts


def synthesise_machine(machine: Machine, family: Family, image: Image | None = None) -> SynthesisResult:
    """Synthesise the accelerator, with a program where it has one, and its array.

    Raises BcsimError where Yosys is missing, ValueError for a machine that needs a program.
    """
    whole, multipliers = component_resources(Accelerator(machine, image), family)
    array, _ = component_resources(Array(machine), family)
    return SynthesisResult(
        family=family.name,
        digit=machine.digit,
        lanes=machine.slots,
        whole=whole,
        array=array,
        multipliers=multipliers,
    )


FAMILY_NAMES = list(FAMILIES)
WIDTHS = list(DIGITS[::-1])
HEADINGS = (
    *("family", "p", "LUTs", "flip-flops", "block memories", "DSPs", "multipliers"),
    *("array: LUTs", "a lane", "flip-flops", "all else: LUTs"),
)


def print_table(results: Iterable[SynthesisResult], machine: Machine) -> None:
    """A row for each family and digit width."""
    size = f"{machine.lanes} lanes x {machine.pes} processing elements, {machine.requantisers} requantisers"
    table = Table(*HEADINGS, title=size)
    for result in results:
        whole, array = result.whole, result.array
        figures = (
            *(whole.luts, whole.flip_flops, whole.memories, whole.dsps, result.multipliers),
            *(array.luts, f"{result.array_luts_per_lane:.1f}", array.flip_flops, result.other_luts),
        )
        table.add_row(result.family, str(result.digit), *map(str, figures))
    Console().print(table)


def _of_family(machine: Machine, family: Family, digit: int) -> Machine:
    """The machine with values of one digit, written for the family."""
    return replace(machine, digit=digit, activation_bits=digit, six_input_luts=family.six_input_luts)


def main(
    machine: Annotated[
        str, typer.Option(help="Preset or parameters; digit and activation bits vary.")
    ] = "small",
    family: Annotated[list[str], typer.Option(help="FPGA families.")] = FAMILY_NAMES,
    digit: Annotated[list[int], typer.Option(help="Digit widths.")] = WIDTHS,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures there.")] = None,
) -> None:
    """Measure what a whole accelerator and its array take."""
    base = parse_machine(machine)
    cases = [(_of_family(base, FAMILIES[name], p), FAMILIES[name]) for name in family for p in digit]
    results = [synthesise_machine(*case) for case in track(cases, "Synthesis")]
    print_table(results, base)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
