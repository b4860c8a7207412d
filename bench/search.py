"""How long a search takes for a machine: its size, its clock, its cycles and its energy, without simulating.

The machines are those that `bcsim fit --objective energy` looks at, evenly over all of them. One process on one core;
seconds are the processor's, behind the compiled network.

python -m bench.search [--network mnist-mlp] [--machines 1000] [--part lfe5u-85] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from bcsim.api import compile, load
from bcsim.common.errors import BcsimError
from bcsim.compiler.program.layers import Program
from bcsim.costs.energy import TABLES, load_table
from bcsim.costs.parts import Part, find_part
from bcsim.machine.parameters import Machine
from bcsim.search.candidates import candidates
from bcsim.search.point import evaluate
from bench.common import run_main

MODELS = Path(__file__).resolve().parent.parent / "models"


def spread(program: Program, part: Part, number: int) -> list[Machine]:
    """So many machines of a search, in its order and at equal distances. Raises BcsimError where it has fewer."""
    shapes = candidates(program, part, None, None, batches=True)
    found = sorted(shapes, key=lambda pair: pair[0])
    if not 0 < number <= len(found):
        raise BcsimError(f"Machines must be from 1 to {len(found):,} for this network and part, not {number}")
    return [found[index * len(found) // number][1] for index in range(number)]


def timed(program: Program, part: Part, machines: list[Machine]) -> dict[str, Any]:
    """Seconds for all of them, and how many take the network."""
    table, taken = load_table(TABLES[0]), 0
    begin, begun = time.perf_counter(), time.process_time()
    for machine in machines:
        try:
            evaluate(program, machine, part, table)
            taken += 1
        except BcsimError:
            continue
    return {
        "machines": len(machines),
        "taken": taken,
        "processor_seconds": round(time.process_time() - begun, 2),
        "seconds": round(time.perf_counter() - begin, 2),
    }


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", default="mnist-mlp", help="a bundled network")
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--part", default="lfe5u-85")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    program, part = compile(load(MODELS / f"{arguments.network}.onnx")), find_part(arguments.part)
    found = timed(program, part, spread(program, part, arguments.machines))
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    each = 1000 * found["processor_seconds"] / found["machines"]
    print(
        f"{found['machines']:,} machines for {arguments.network}, {found['taken']:,} of which take it: "
        f"{found['processor_seconds']:.2f} s of processor time, {each:.1f} ms each"
    )


if __name__ == "__main__":
    run_main(main)
