"""Error against activation bits against cycles and energy, of networks after and with quantisation in training.

python -m bench.bits mnist-mlp                               # a bundled network, rounded after training
python -m bench.bits out/real-*.onnx --trained out/four-*.onnx out/two-*.onnx --plot bits.svg

Several files are trainings of one shape with several seeds: their figures are means. Files behind --trained were
trained with quantised activations and run with the bits they were trained for.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from bcsim.api import compile, load, simulate
from bcsim.common.errors import BcsimError
from bcsim.common.files import write_text
from bcsim.compiler.program.layers import Encoding
from bcsim.machine.limits import DIGITS
from bcsim.machine.parameters import Machine, parse_machine
from bcsim.models import SHIPPED, shipped_path
from bcsim.results.cost_report import map_enlarged
from bcsim.results.model import Model
from bench.bits_plot import plot
from bench.common import run_main

FIGURES = ("float_error", "program_error", "agreement", "cycles", "energy_pj")
BITS = (8, 4, 3, 2, 1)
TABLE_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Machines:
    """Which machine a network runs on: `base`, its memories enlarged where the network needs that.

    digit : bits a lane takes in one cycle; by default the fewest that take a hidden activation at once.
    fills_word : as many lanes as keep the activation word of `base`, lanes * digit bits, as wide as it is.
    """

    base: Machine
    digit: int | None = None
    fills_word: bool = False

    def for_bits(self, bits: int) -> Machine:
        """The machine for hidden activations of so many bits."""
        digit = self.digit or min(digit for digit in DIGITS if digit >= bits)
        lanes = self.base.lanes * self.base.digit // digit if self.fills_word else self.base.lanes
        return replace(self.base, digit=digit, lanes=lanes)


def _figures(model: Model, bits: int | None, machines: Machines) -> dict[str, Any]:
    """The figures of one network; `bits` None for those of its own quantisers."""
    program = compile(model, bits=bits)
    target = program.layers[0].target
    machine = map_enlarged(program, machines.for_bits(target.bits)).machine
    if model.dataset is None:
        raise BcsimError(f"File {model.path} must name its data set (bcsim.dataset)")
    found = simulate(program, model.dataset, machine=machine, reference=model)
    assert found.accuracy_float is not None
    assert found.accuracy_program is not None
    return {
        "bits": target.bits if bits else trained_bits(target),
        "digit": machine.digit,
        "lanes": machine.lanes,
        "float_error": 1 - found.accuracy_float,
        "program_error": 1 - found.accuracy_program,
        "agreement": found.agreement,
        "cycles": found.cycles.per_image,
        "energy_pj": found.energy.total_pj,
    }


def trained_bits(target: Encoding) -> int:
    """Bits of a layer's own quantiser: a sign is one, though it takes two where padding is a third value, 0."""
    return 1 if target.bits == 2 and target.offset < 0 else target.bits


def _mean(kind: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    figures = {name: mean(row[name] for row in rows) for name in FIGURES}
    same = {name: rows[0][name] for name in ("bits", "digit", "lanes")}
    return {"quantised": kind, **same, "networks": len(rows), **figures}


def measure(
    networks: Sequence[Model], trained: Sequence[Model], bits: Sequence[int], machines: Machines
) -> list[dict[str, Any]]:
    """A row for each width: `networks` rounded after training, then the `trained` ones by their own width."""
    rows = [
        _mean("after training", [_figures(model, width, machines) for model in networks]) for width in bits
    ]
    own = [_figures(model, None, machines) for model in trained]
    widths = sorted({row["bits"] for row in own}, reverse=True)
    return rows + [_mean("in training", [row for row in own if row["bits"] == width]) for width in widths]


def _load(name: str) -> Model:
    return load(shipped_path(name) if name in SHIPPED else name)


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(
        "quantised",
        "bits",
        "digit",
        "lanes",
        "networks",
        "float, %",
        "program, %",
        "agree, %",
        "cycles",
        "nJ",
    )
    for row in rows:
        sizes = (str(row[name]) for name in ("bits", "digit", "lanes", "networks"))
        shares = (f"{100 * row[name]:.2f}" for name in ("float_error", "program_error", "agreement"))
        costs = f"{row['cycles']:,.0f}", f"{row['energy_pj'] / 1000:,.1f}"
        table.add_row(row["quantised"], *sizes, *shares, *costs)
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="+", help="bundled networks or ONNX files, of one shape")
    parser.add_argument("--trained", nargs="+", default=[], help="ONNX files with quantised activations")
    parser.add_argument("--bits", type=int, nargs="+", default=BITS, help="of every hidden activation")
    parser.add_argument("--machine", default="medium", help="enlarged where it is too small")
    parser.add_argument("--digit", type=int, choices=DIGITS, help="by default as wide as the activations")
    parser.add_argument("--fill-word", action="store_true", help="narrower digits, as many more lanes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="error over energy as a drawing")
    options = parser.parse_args()
    networks, trained = ([_load(name) for name in names] for names in (options.networks, options.trained))
    machines = Machines(parse_machine(options.machine), options.digit, options.fill_word)
    rows = measure(networks, trained, options.bits, machines)
    if options.plot is not None:
        write_text(options.plot, plot(rows))
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        # Piped output has 80 columns by default, which cut the figures off.
        Console(width=max(Console().width, TABLE_WIDTH)).print(_table(rows))


if __name__ == "__main__":
    run_main(main)
