"""Every bundled network: error, weights, accumulations, cycles and energy on a machine that suits it.

python -m bench.gallery                                     # a table in Markdown
python -m bench.gallery --plot gallery.svg                  # and a picture: error over energy and over cycles

Errors are those of the networks' cards, which the tests hold to the files. Memories of a machine are enlarged where
the network needs that. Cycles and energy are the same for every image.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bcsim.api import compile, load, simulate
from bcsim.common.errors import BcsimError
from bcsim.common.files import write_text
from bcsim.machine.parameters import parse_machine
from bcsim.models import SHIPPED, shipped_path
from bcsim.results.cost_report import map_enlarged
from bench.common import run_main
from bench.gallery_plot import plot

SUITED: Mapping[str, Sequence[str]] = {
    "digits": ("tiny",),
    "mnist-mlp": ("medium", "medium,spatial=true,reuse=4,batch=4"),
    "mnist-vat": ("medium,digit=4", "medium,digit=4,spatial=true,reuse=4,batch=4"),
    "cifar10-cnn": ("conv", "conv,reuse=4"),
    "cifar10-fast": ("conv,digit=4,reuse=4",),
    "cifar10-small": ("conv,digit=4,reuse=4", "conv,lanes=8,pes=8,digit=4,requantisers=8"),
}
"""The machines of each network: presets, digits as wide as its activations, weight words reused where that pays."""

PAPER = ("the paper's cifar10-cnn, 500 epochs", "cifar10-cnn", 0.0990)
"""BinaryConnect's deterministic network (2015, table 2): the costs are those of the bundled one, which it is."""

_IMAGES = 2
_ERROR = re.compile(r"^\| test error \| [\d.]+ % \((\d+) of ([\d,]+)\) \|$", re.MULTILINE)


def card_error(name: str) -> float:
    """Test error of the bundled network `name`, 0..1, as its card has it."""
    found = _ERROR.search(shipped_path(name).with_suffix(".md").read_text(encoding="utf-8"))
    if found is None:
        raise BcsimError(f"Card of {name} must have a line `| test error | P % (WRONG of IMAGES) |`")
    return int(found[1]) / int(found[2].replace(",", ""))


def measure(names: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each network and machine."""
    return [_figures(name, machine) for name in names for machine in SUITED[name]]


def _figures(name: str, spec: str) -> dict[str, Any]:
    model = load(name)
    program = compile(model)
    machine = map_enlarged(program, parse_machine(spec)).machine
    assert model.dataset is not None
    found = simulate(program, model.dataset, machine=machine, images=_IMAGES)
    return {
        "network": name,
        "dataset": model.dataset,
        "machine": spec,
        "error": card_error(name),
        "exact": program.exact,
        "weights": sum(layer.inputs * layer.outputs for layer in program.layers),
        "accumulations": found.operations["accumulate"],
        "cycles": found.cycles.per_image,
        "energy_pj": found.energy.total_pj,
    }


def _lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table in Markdown."""
    lines = [
        "| network | data | test error, % | exact | weights | accumulations | machine | cycles | energy, µJ |",
        "|---|---|---:|---|---:|---:|---|---:|---:|",
    ]
    for row in rows:
        counts = (f"{row[name]:,}" for name in ("weights", "accumulations"))
        cells = [
            f"`{row['network']}`",
            row["dataset"],
            f"{100 * row['error']:.2f}",
            "yes" if row["exact"] else "rounded",
            *counts,
            f"`{row['machine']}`",
            f"{row['cycles']:,.0f}",
            f"{row['energy_pj'] / 1e6:,.3g}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def points(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of CIFAR-10 and the paper's network at the costs of the bundled one of its shape."""
    found = [{**row, "label": f"{row['network']}, {row['machine']}"} for row in rows]
    label, shape, error = PAPER
    published = [
        {**row, "label": f"{label}, {row['machine']}", "error": error, "published": True}
        for row in found
        if row["network"] == shape
    ]
    return [row for row in (*found, *published) if row["dataset"] == "cifar10"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", default=SHIPPED, help="bundled networks; by default all")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="CIFAR-10's as a drawing")
    options = parser.parse_args()
    for name in options.networks:
        if name not in SUITED:
            raise BcsimError(f"Network must be one of {', '.join(SUITED)}, not {name!r}")
    rows = measure(options.networks)
    if options.plot is not None:
        write_text(options.plot, plot(points(rows)))
    print(json.dumps(rows, indent=2) if options.json else "\n".join(_lines(rows)))


if __name__ == "__main__":
    run_main(main)
