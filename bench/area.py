"""LUT sites, flip-flops and block memories of a whole accelerator with a network's program in its memories, by Yosys.

python -m bench.area [--network digits] [--machine tiny ...] [--family ecp5 ...] [--fit] [--json]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bcsim.api import compile, load
from bcsim.compiler.mapping.fitted_machine import map_fitted
from bcsim.compiler.mapping.mapping import map_program
from bcsim.machine.parameters import SURROUNDINGS, parse_machine
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.generate.resources import component_resources
from bcsim.rtl.tools.synthesis import FAMILIES
from bench.common import run_main

MODELS = Path(__file__).resolve().parent.parent / "models"
BARE = ",".join(f"{name}=false" for name in SURROUNDINGS if name != "parity")


def measure(network: str, machine: str, family: str, fit: bool) -> dict[str, Any]:
    """What the machine takes on the family, with the network's program built in."""
    place = map_fitted if fit else map_program
    mapping = place(compile(load(MODELS / f"{network}.onnx")), parse_machine(machine))
    resources, _ = component_resources(Accelerator(mapping.machine, mapping.image), FAMILIES[family])
    return {"family": family, "machine": machine, **asdict(resources)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="digits")
    parser.add_argument("--machine", nargs="+", default=["tiny", f"tiny,{BARE}"])
    parser.add_argument("--family", nargs="+", default=["ecp5", "ice40"], choices=list(FAMILIES))
    parser.add_argument("--fit", action="store_true", help="no wider or deeper than the network needs")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    cases = [(machine, family) for machine in arguments.machine for family in arguments.family]
    figures = [measure(arguments.network, *case, arguments.fit) for case in cases]
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    for found in figures:
        print(
            f"{found['family']} {found['machine']}: {found['luts']:,} LUT sites, "
            f"{found['flip_flops']:,} flip-flops, {found['memories']} block memories"
        )


if __name__ == "__main__":
    run_main(main)
