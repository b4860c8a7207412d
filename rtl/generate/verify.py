"""Hardware held to the simulator: the same writes and the same output words, in the same cycles."""

from __future__ import annotations

import json
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bcsim.common.console import working
from bcsim.common.errors import BcsimError
from bcsim.common.leftovers import scratch_folder
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.rtl.bench.simulator import SimulatorError, build, run
from bcsim.rtl.generate.project import TOP, Stimulus, write_project
from bcsim.simulator.simulator import MachineRun

__all__ = ["Verification", "verify"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of a comparison.

    writes, outputs : how many writes to the activation memory and output words the simulator expects.
    simulator_cycles, hardware_cycles : from the first input word to the last class, both included; the hardware's
        is its own counter's, or the bench's where the machine has none.
    steps : cycles in which the array took a step, by the hardware's counter; None where it has none.
    difference : the first one, with its kind ("write", "output", "cycle count"), index, what was expected and what
        came; or None.
    """

    simulator: str
    images: int
    writes: int
    outputs: int
    simulator_cycles: int
    hardware_cycles: int
    steps: int | None
    difference: MappingType[str, Any] | None

    @property
    def equal(self) -> bool:
        return self.difference is None


def verify(
    mapping: Mapping, stimulus: Stimulus, *, simulator: str = "verilator", waves: Path | None = None
) -> Verification:
    """Generate the accelerator, run it in an RTL simulator and compare it with the machine level.

    waves : the .fst file to record.
    Raises BcsimError where a tool is missing or the simulation ends without a result.
    """
    with scratch_folder() as folder:
        with working("Generating Verilog"):
            expected = write_project(folder, mapping, stimulus)
        return compare(folder, expected, simulator=simulator, waves=waves)


def compare(
    folder: Path,
    expected: MachineRun,
    *,
    simulator: str,
    waves: Path | None = None,
    built: Path | None = None,
) -> Verification:
    """Build and run the bench that `write_project` left in `folder`.

    built : where the simulation is built; one that is there already must be of the same machine.
    """
    try:
        built = built or folder / "build"
        if not built.exists():
            with working("Building the simulation"):
                build(built, [folder / f"{TOP}.v"], TOP, simulator=simulator, waves=waves is not None)
        where = waves.resolve() if waves else None
        with working("Simulating"):
            run(built, "accelerator_bench", TOP, simulator=simulator, cwd=folder, waves=where)
    except SimulatorError as error:
        raise BcsimError(str(error)) from error
    result = _result(folder)
    return Verification(
        simulator=simulator,
        images=len(expected.classes),
        writes=len(expected.writes.cycle),
        outputs=len(expected.outputs.cycle),
        simulator_cycles=expected.cycles,
        hardware_cycles=result["cycles"],
        steps=result["steps"],
        difference=result["difference"],
    )


def _result(folder: Path) -> dict[str, Any]:
    """What the bench wrote."""
    path = folder / "result.json"
    if not path.exists():
        log = (folder / "simulation.log").read_text().strip().splitlines()
        raise BcsimError(f"The simulation ended without a result: {log[-1] if log else 'it printed nothing'}")
    result: dict[str, Any] = json.loads(path.read_text())
    return result
