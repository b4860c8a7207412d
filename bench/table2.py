"""Table 2 of the BinaryConnect paper for permutation-invariant MNIST: test errors by method, over several seeds.

python -m bench.table2 --epochs 1000 --device cuda         # the whole of it: 15 trainings
python -m bench.table2 --epochs 1000 --device cuda         # again, after an interruption: goes on
python -m bench.table2 --width 512 --epochs 12 --threads 1 --runs out/short
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.common import run_main
from bench.trainings import Runs, arguments, common_fields, runs, spread, summary

ENSEMBLES = (1, 4, 16)

# No other regulariser than the method's own. With dropout, an input goes with probability 0.2, as in the recipe.
METHODS: Mapping[str, Mapping[str, Any]] = {
    "none": {"dropout_in": 0.0, "dropout_hidden": 0.0},
    "det": {"dropout_in": 0.0, "dropout_hidden": 0.0},
    "stoch": {"dropout_in": 0.0, "dropout_hidden": 0.0, "inference": "real"},
    "dropout": {"dropout_in": 0.2, "dropout_hidden": 0.5},
    "bnn": {"dropout_in": 0.0, "dropout_hidden": 0.0},
}

# Row, method, way of inference, and what is published in percent: BinaryConnect's table 2; the last from Binarized
# Neural Networks (3 x 4096 units).
ROWS = (
    ("no regulariser", "none", "real", "1.30 ± 0.04"),
    ("BinaryConnect, det.", "det", "binary", "1.29 ± 0.08"),
    ("BinaryConnect, stoch., real weights", "stoch", "real", "1.18 ± 0.04"),
    ("BinaryConnect, stoch., binary weights", "stoch", "binary", None),
    *((f"BinaryConnect, stoch., ensemble of {n}", "stoch", f"ensemble-{n}", None) for n in ENSEMBLES),
    ("50 % dropout", "dropout", "real", "1.01 ± 0.04"),
    ("BNN", "bnn", "binary", "0.96"),
)


def _errors(folder: Runs, method: str, seed: int, common: Mapping[str, Any]) -> dict[str, float | None]:
    """Test errors of one training, by way of inference."""
    name = f"{method}-{seed}"
    fields = {"network": "mnist-mlp", "method": method, **METHODS[method], **common, "seed": seed}
    log = folder.log(name, fields)
    found: dict[str, float | None] = {} if log is None else dict(log["test_error"])
    if method == "stoch":
        found |= {f"ensemble-{members}": folder.ensemble(name, members) for members in ENSEMBLES}
    return found


def measure(folder: Runs, seeds: int, common: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every row with its test errors; all methods of one seed come before the next seed."""
    found = {
        (method, seed): _errors(folder, method, seed, common)
        for seed in range(1, seeds + 1)
        for method in METHODS
    }
    return [
        {
            "row": title,
            "method": method,
            "inference": way,
            **summary([found[method, seed].get(way) for seed in range(1, seeds + 1)]),
            "published_percent": published,
        }
        for title, method, way, published in ROWS
    ]


def main() -> None:
    """Train what is missing and print."""
    options = arguments(__doc__, "out/table2").parse_args()
    rows = measure(runs(options), options.seeds, common_fields(options))
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("", "test error, %", "seeds", "published, %")
    for row in rows:
        table.add_row(row["row"], spread(row), str(row["seeds"]), row["published_percent"] or "")
    Console().print(table)


if __name__ == "__main__":
    run_main(main)
