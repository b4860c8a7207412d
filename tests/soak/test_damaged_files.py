"""Damaged data, energy tables, recipes and checkpoints: read, or refused in one sentence.

A failure names the format and the number of the damage, which BCSIM_SEED=<number> replays.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.soak.bounds import bounded, call
from tests.soak.files import FORMATS
from tests.soak.mutations import NUMBERS, TEXTS, mutated_bytes

SECONDS = 1.0
"""Of every format in every run."""
SOAKED = 2000


def damage(name: str, numbers: Iterable[int], folder: Path, seconds: float = np.inf) -> int:
    """How many of the damaged files are refused; each within its bounds."""
    found, end = FORMATS[name], time.process_time() + seconds
    for other, whole in found.beside.items():
        (folder / other).write_bytes(whole)
    count, path = 0, folder / found.name
    with bounded():
        for number in numbers:
            if time.process_time() > end:
                break
            path.write_bytes(found.damage(found.whole, np.random.default_rng(number)))
            try:
                count += not call(lambda: found.read(path))
            except BaseException as error:
                error.add_note(f"replay with BCSIM_SEED={number}, of {name}")
                raise
    return count


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    first = int(os.environ.get("BCSIM_SEED", "0"))
    assert damage(name, range(first, first + SOAKED), tmp_path, SECONDS) >= 3


@pytest.mark.soak
@pytest.mark.parametrize("name", FORMATS)
def test_thousands_of_damaged_files(name: str, tmp_path: Path) -> None:
    first = int(os.environ.get("BCSIM_SEED", "100000"))
    assert damage(name, range(first, first + SOAKED), tmp_path) >= 3


def _damaged(state: Any, random: np.random.Generator) -> Any:
    """A checkpoint's state with one entry, anywhere in it, dropped or of another kind."""
    if isinstance(state, dict) and state and random.random() < 0.9:
        name = list(state)[int(random.integers(len(state)))]
        if random.random() < 0.2:
            return {key: value for key, value in state.items() if key != name}
        return {**state, name: _damaged(state[name], random)}
    if isinstance(state, list | tuple) and len(state) and random.random() < 0.9:
        place = int(random.integers(len(state)))
        return type(state)(
            _damaged(value, random) if index == place else value for index, value in enumerate(state)
        )
    if hasattr(state, "reshape") and random.random() < 0.6:
        return (state.reshape(-1)[:-1], state.double(), state.int(), state * float("nan"))[
            int(random.integers(4))
        ]
    others = (None, -1, 0, 1.5, float("nan"), [], {}, "x", True, *NUMBERS, *TEXTS)
    return others[int(random.integers(len(others)))]


@pytest.mark.train
@pytest.mark.parametrize("within", [True, False])
def test_damaged_checkpoints(within: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from bcsim.models.data import load_splits
    from bcsim.models.recipes import Recipe
    from bcsim.models.trainer import Trainer

    recipe = Recipe("digits", epochs=1, batch=50, lr_start=3e-3, lr_end=3e-4, width=8)
    splits, path = load_splits(recipe), tmp_path / "c.pt"
    trainer = Trainer(recipe, splits)
    list(trainer.run())
    trainer.save(path)
    whole, raw = torch.load(path, weights_only=True), path.read_bytes()
    refused = 0
    for number in range(int(os.environ.get("BCSIM_SEED", "0")), 200):
        random = np.random.default_rng(number)
        if within:
            torch.save(_damaged(whole, random), path)
        else:
            path.write_bytes(mutated_bytes(raw, random))
        try:
            refused += not call(lambda: Trainer.resume(path, splits))
        except BaseException as error:
            error.add_note(f"replay with BCSIM_SEED={number}")
            raise
    assert refused >= 50
