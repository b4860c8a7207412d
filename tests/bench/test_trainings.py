"""Tables of trainings: what is there is used, what is missing is not invented."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bcsim.common.errors import BcsimError
from bcsim.models.recipes import recipe_for
from bench import table1, table2
from bench.trainings import Runs, spread, summary


def _write(folder: Path, name: str, fields: dict[str, Any], test: dict[str, float] | None) -> None:
    log = {"recipe": asdict(recipe_for(fields)), "epochs": [], "test_error": test}
    (folder / f"{name}.json").write_text(json.dumps(log), encoding="utf-8")


def test_table2_shows_mean_and_deviation_of_the_seeds_that_are_done(tmp_path: Path) -> None:
    for seed, error in ((1, 0.01), (2, 0.02)):
        fields = {"network": "mnist-mlp", "method": "det", **table2.METHODS["det"], "epochs": 3, "seed": seed}
        _write(tmp_path, f"det-{seed}", fields, {"binary": error, "real": 0.5})
    rows = table2.measure(Runs(tmp_path, show=True), 3, {"epochs": 3})
    found = {row["row"]: row for row in rows}
    assert found["BinaryConnect, det."]["errors"] == [0.01, 0.02]
    assert spread(found["BinaryConnect, det."]) == "1.50 ± 0.71"
    assert spread(found["no regulariser"]) == "-"


def test_a_training_without_test_errors_is_not_done(tmp_path: Path) -> None:
    fields = {"network": "digits", "seed": 1}
    _write(tmp_path, "det-1", fields, None)
    assert Runs(tmp_path, show=True).log("det-1", fields) is None


def test_a_log_of_another_recipe_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, "det-1", {"network": "digits", "epochs": 3}, {"binary": 0.1})
    with pytest.raises(
        BcsimError, match=r"det-1\.json is of another recipe: give another folder with --runs$"
    ):
        Runs(tmp_path, show=True).log("det-1", {"network": "digits", "epochs": 4})


def test_table1_asks_for_a_recipe_that_the_trainer_accepts(tmp_path: Path) -> None:
    for (optimiser, scaling), (rate, _) in table1.CELLS.items():
        fields = {"network": "cifar10-cnn", "optimiser": optimiser, "lr_scaling": scaling, "seed": 1}
        fields |= {"lr_start": rate, "lr_end": rate * 0.1, "width": 8}
        name = f"{optimiser}-{'scaled' if scaling else 'plain'}-1"
        _write(tmp_path, name, fields, {"binary": rate, "real": 0.5})
    cells = table1.measure(Runs(tmp_path, show=True), 0.1, 1, {"width": 8})
    assert [cell["mean"] for cell in cells] == [rate for rate, _ in table1.CELLS.values()]


def test_deviation_needs_two_seeds() -> None:
    assert summary([0.25, None]) == {"seeds": 1, "errors": [0.25], "mean": 0.25, "deviation": None}
    assert spread(summary([0.25])) == "25.00"


@pytest.mark.train
def test_missing_trainings_are_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    fields = {"network": "digits", "method": "stoch", "width": 8, "epochs": 1, "lr_scaling": False}
    folder = Runs(tmp_path / "new", ("--threads", "1"))
    log = folder.log("stoch-1", fields)
    assert log is not None
    assert 0 <= log["test_error"]["binary"] <= 1
    error = folder.ensemble("stoch-1", 2)
    monkeypatch.setattr(Runs, "_run", lambda *_: pytest.fail("trained again"))
    assert folder.log("stoch-1", fields) == log
    assert folder.ensemble("stoch-1", 2) == error
