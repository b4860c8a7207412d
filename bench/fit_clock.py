"""The estimates of the clock against placements: those that the model was fitted to, and others.

bench/placements.json has each machine, its network, its part and the MHz that place and route reached, with the command
or page that they are from.

python -m bench.fit_clock [--json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from bcsim.api import compile, load
from bcsim.compiler.program.layers import Program
from bcsim.costs.parts import find_part
from bcsim.machine.parameters import parse_machine
from bcsim.search.point import size_machine
from bench.common import run_main

PLACEMENTS = Path(__file__).with_name("placements.json")
SURROUNDINGS = "loading=false,counters=false,readable_parameters=false,watchdog=false"


@cache
def program(network: str) -> Program:
    """The bundled network as it is compiled by default."""
    return compile(load(network))


def estimated(placement: dict[str, Any]) -> dict[str, Any]:
    """The placement with the estimated clock of its machine, fitted to its network, and the error's share."""
    machine = parse_machine(f"{placement['machine']},{SURROUNDINGS}")
    sized = size_machine(program(placement["network"]), machine, find_part(placement["part"]))
    placed = median(placement["mhz"])
    return placement | {"estimated": round(sized.clock_mhz, 1), "error": sized.clock_mhz / placed - 1}


def print_table(rows: list[dict[str, Any]]) -> None:
    """A line a placement, and the errors of both kinds."""
    for row in rows:
        kind = "fitted" if row["fitted"] else "checked"
        print(
            f"{row['part']:9} {median(row['mhz']):6.1f} {row['estimated']:6.1f} {row['error']:+7.1%} {kind:8}"
            f"{row['network']}, {row['machine']}"
        )
    for fitted, name in ((True, "fitted"), (False, "checked")):
        errors = [abs(row["error"]) for row in rows if row["fitted"] == fitted]
        print(f"{name}: {len(errors)}, median {median(errors):.1%}, worst {max(errors):.1%}")


def placements() -> Iterator[dict[str, Any]]:
    """Those of the file."""
    yield from json.loads(PLACEMENTS.read_text(encoding="utf-8"))["placements"]


def main() -> None:
    """Estimate and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    rows = [estimated(placement) for placement in placements()]
    print(json.dumps(rows, indent=2)) if parser.parse_args().json else print_table(rows)


if __name__ == "__main__":
    run_main(main)
