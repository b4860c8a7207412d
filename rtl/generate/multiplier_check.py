"""The check that an accelerator multiplies nowhere: no multiplying cell before synthesis, no DSP block after."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from bcsim.common.console import track
from bcsim.common.errors import BcsimError
from bcsim.rtl.generate.project import TOP
from bcsim.rtl.tools.synthesis import FAMILIES, Resources, count_multipliers, synthesise

__all__ = ["MultiplierCheck", "check_multipliers", "count_multiplying_cells"]


@dataclass(frozen=True, slots=True)
class MultiplierCheck:
    """multipliers : cells that multiply or divide. resources : what the design takes, by FPGA family."""

    multipliers: int
    resources: Mapping[str, Resources]


def count_multiplying_cells(folder: Path, name: str = TOP) -> int:
    """How many cells of the accelerator in `folder` multiply or divide before synthesis: 0, or BcsimError is raised.

    A few seconds, where synthesis takes minutes.
    """
    multipliers = count_multipliers(folder / f"{name}.v", name)
    if multipliers:
        raise BcsimError(f"The design multiplies: {multipliers} cells before synthesis")
    return multipliers


def check_multipliers(folder: Path, name: str = TOP) -> MultiplierCheck:
    """Synthesise the accelerator in `folder` for every family and leave the figures in resources.json.

    Raises BcsimError where anything multiplies.
    """
    source = folder / f"{name}.v"
    multipliers = count_multipliers(source, name)
    # Each family is a Yosys process of its own; a thread only waits for it.
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        synthesised = executor.map(lambda family: synthesise(source, name, family), FAMILIES.values())
        resources = dict(zip(FAMILIES, track(synthesised, "Synthesis", len(FAMILIES)), strict=True))
    check = MultiplierCheck(multipliers, resources)
    dsps = {name: used.dsps for name, used in resources.items() if used.dsps}
    if multipliers or dsps:
        raise BcsimError(f"The design multiplies: {multipliers} cells before synthesis, DSP blocks {dsps}")
    (folder / "resources.json").write_text(json.dumps(asdict(check), indent=2) + "\n")
    return check
