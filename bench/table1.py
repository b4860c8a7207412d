"""Table 1 of the BinaryConnect paper: optimisers with and without scaled learning rates, on CIFAR-10.

python -m bench.table1 --epochs 500 --seeds 1 --device cuda    # the paper's network; its own was smaller
python -m bench.table1 --width 8 --epochs 3 --batch 100 --decay 0.03 --seeds 1 --threads 1 --runs out/short

It goes on where it was interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.common import run_main
from bench.trainings import Runs, arguments, common_fields, runs, spread, summary

# Optimiser and lr_scaling: the learning rate at the start, and what is published (BinaryConnect's table 1), in
# percent. Each rate had the lowest validation error on the network digits-cnn after 15 epochs, of rates a factor of
# 3 apart: see docs/results.md.
CELLS: Mapping[tuple[str, bool], tuple[float, str | None]] = {
    ("sgd", False): (9.0, None),
    ("sgd", True): (0.1, "11.45"),
    ("nesterov", False): (3.0, "15.65"),
    ("nesterov", True): (0.03, "11.30"),
    ("adam", False): (0.1, "12.81"),
    ("adam", True): (0.01, "10.47"),
}
# Of the network's own recipe: 2e-6 / 3e-3.
DECAY = 1 / 1500


def _errors(
    folder: Runs, optimiser: str, scaling: bool, decay: float, seeds: int, common: Mapping[str, Any]
) -> list[float | None]:
    """Test errors with binary weights, one for each seed."""
    rate = CELLS[optimiser, scaling][0]
    found = []
    for seed in range(1, seeds + 1):
        fields = {
            "network": "cifar10-cnn",
            "optimiser": optimiser,
            "lr_scaling": scaling,
            "lr_start": rate,
            "lr_end": rate * decay,
            **common,
            "seed": seed,
        }
        log = folder.log(f"{optimiser}-{'scaled' if scaling else 'plain'}-{seed}", fields)
        found.append(None if log is None else log["test_error"]["binary"])
    return found


def measure(folder: Runs, decay: float, seeds: int, common: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every cell of the table with its test errors."""
    return [
        {
            "optimiser": optimiser,
            "lr_scaling": scaling,
            "lr_start": rate,
            **summary(_errors(folder, optimiser, scaling, decay, seeds, common)),
            "published_percent": published,
        }
        for (optimiser, scaling), (rate, published) in CELLS.items()
    ]


def main() -> None:
    """Train what is missing and print."""
    parser = arguments(__doc__, "out/table1")
    parser.add_argument("--decay", type=float, default=DECAY, help="last learning rate over the first")
    options = parser.parse_args()
    cells = measure(runs(options), options.decay, options.seeds, common_fields(options))
    if options.json:
        print(json.dumps(cells, indent=2))
        return
    table = Table("optimiser", "learning rates", "first", "test error, %", "seeds", "published, %")
    for cell in cells:
        scaling = "scaled" if cell["lr_scaling"] else "not scaled"
        figures = f"{cell['lr_start']:g}", spread(cell), str(cell["seeds"]), cell["published_percent"] or ""
        table.add_row(cell["optimiser"], scaling, *figures)
    Console().print(table)


if __name__ == "__main__":
    run_main(main)
