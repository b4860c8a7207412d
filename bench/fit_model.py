"""The estimates of LUTs, flip-flops and block memories against synthesis, on random machines that they do not know.

Each machine of the table is estimated by a model of the others: a tenth of them is left out at a time. --machines
synthesises so many more, ten seconds each, and estimates them by the whole table.

python -m bench.fit_model --family ecp5 [--machines 40] [--known FILE] [--json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from bcsim.common.errors import BcsimError
from bcsim.common.files import write_text
from bcsim.costs.calibration import Weights, model_of, whole_machines
from bcsim.costs.fpga_model import estimate
from bcsim.machine.parameters import parse_machine
from bcsim.rtl.generate.measure_blocks import measure_whole
from bcsim.rtl.generate.random_machines import CHECKED, random_machine
from bcsim.rtl.tools.synthesis import FAMILIES
from bench.common import run_main

FOLDS = 10
FIGURES = ("luts", "flip_flops", "memories")


def synthesised(family: str, machines: int, known: Path | None) -> Iterator[dict[str, Any]]:
    """The machines and what they take; `known` keeps them, for a run that goes on."""
    entries = json.loads(known.read_text()) if known and known.exists() else {}
    for seed in range(CHECKED, CHECKED + machines):
        text = random_machine(seed)
        if text not in entries:
            entries[text] = asdict(measure_whole(parse_machine(text), FAMILIES[family]))
            if known:
                write_text(known, json.dumps(entries, indent=1) + "\n")
        yield {"machine": text, **entries[text]}


def left_out(family: str) -> Iterator[dict[str, Any]]:
    """The table's machines, each with the estimate of a model that was fitted without it."""
    wholes = whole_machines(family)
    for fold in range(FOLDS):
        model = model_of(family, [e for n, e in enumerate(wholes) if n % FOLDS != fold])
        yield from (with_estimate(entry, family, model) for entry in wholes[fold::FOLDS])


def with_estimate(
    entry: dict[str, Any], family: str, model: tuple[Weights, Weights] | None = None
) -> dict[str, Any]:
    """The entry with estimates and their errors, as a share of what was synthesised."""
    found = asdict(estimate(parse_machine(entry["machine"]), family, model=model))
    errors = {name: found[name] / max(1, entry[name]) - 1 for name in FIGURES}
    return entry | {"estimated": {name: found[name] for name in FIGURES}, "errors": errors}


def print_table(rows: list[dict[str, Any]]) -> None:
    """A line a machine, and for each figure the median, the worst, and how many are exact."""
    for row in rows:
        figures = "  ".join(f"{row[name]:6,} {row['estimated'][name]:6,}" for name in FIGURES)
        print(f"{figures}  {row['errors']['luts']:+.1%}  {row['machine'][:90]}")
    for name in FIGURES:
        errors = [abs(row["errors"][name]) for row in rows]
        exact = sum(row[name] == row["estimated"][name] for row in rows)
        print(f"{name}: median {median(errors):.1%}, worst {max(errors):.1%}, exact {exact} of {len(rows)}")


def main() -> None:
    """Synthesise, estimate and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", default="ecp5", choices=list(FAMILIES))
    parser.add_argument("--machines", type=int, default=0, help="more that are synthesised now")
    parser.add_argument("--known", type=Path, help="file that keeps what was synthesised")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    family = arguments.family
    if arguments.machines:
        found = synthesised(family, arguments.machines, arguments.known)
        rows = [with_estimate(entry, family) for entry in found]
    else:
        rows = list(left_out(family))
    if not rows:
        raise BcsimError(f"The table of {family} has no whole machines: --machines N synthesises some")
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        print_table(rows)


if __name__ == "__main__":
    run_main(main)
