"""Mutated models and programs through info, compile and run: success, or one sentence and nothing written.

The files that are mutated are made by code, one from each number. A failure names the number of its mutation;
BCSIM_SEED=<number> replays it, and FOUND keeps the numbers of what was found and mended. `make soak` draws thousands.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

import bcsim
from bcsim.common.errors import BcsimError
from bcsim.compiler.program.onnx_format import save_program
from bcsim.data import Dataset
from tests.soak.bounds import Hang, Worst, bounded, command
from tests.soak.mutations import mutated_model
from tests.soak.networks import seeded

SECONDS = 12
"""Of the two tests that every run has, each."""
SOAKED = {"models": 20_000, "programs": 5_000}
SEEDS = 40
"""Files that are mutated."""
FOUND: dict[str, tuple[int, ...]] = {"models": (), "programs": ()}


@cache
def source(number: int) -> ModelProto:
    return seeded(number % SEEDS).model


@cache
def stored(number: int, folder: Path) -> ModelProto:
    """The program of a network, of the next one that compiles."""
    case = seeded(number)
    path = folder / "source.onnx"
    path.write_bytes(case.model.SerializeToString())
    data = Dataset("drawn", case.levels, None, 8, 255)
    try:
        model = bcsim.load(path, weight_bits=case.weight_bits)
        save_program(bcsim.compile(model, input=case.reading, data=data, calibration=data), path)
    except BcsimError:
        return stored(number + SEEDS, folder)
    return ModelProto.FromString(path.read_bytes())


def mutated_file(number: int, folder: Path) -> str:
    """A mutated network through `info`, and `compile` or `run`; what became of it."""
    random = np.random.default_rng(number)
    model, work = folder / "mutated.onnx", folder / "work"
    case = seeded(number % SEEDS)
    model.write_bytes(mutated_model(source(number % SEEDS), random))
    images = folder / "images.npz"
    np.savez(images, x=case.levels)
    real = ("--weight-bits", case.weight_bits) if case.weight_bits else ()
    command(work, "info", model, *real)
    if number % 2:
        given = ("--input", case.reading, "--calibrate", images, *real)
        found = command(work, "compile", model, "-o", work / "p.onnx", *given)
        if found == 0:
            assert command(work, "info", work / "p.onnx") == 0, "what was compiled cannot be read"
    else:
        given = ("--data", images, "--images", 2, "--input", case.reading, "--json", work / "r.json", *real)
        found = command(work, "run", model, *given, "--outputs", work / "r.npz")
    return _cleaned(work, found)


def mutated_program(number: int, folder: Path) -> str:
    """A mutated program through `info` and `run`; what became of it."""
    random = np.random.default_rng(number)
    model, work = folder / "mutated.onnx", folder / "work"
    model.write_bytes(mutated_model(stored(number % SEEDS, folder), random))
    images = folder / "images.npz"
    np.savez(images, x=seeded(number % SEEDS).levels)
    command(work, "info", *(["--text"] if number % 2 else []), model)
    found = command(work, "run", model, "--data", images, "--images", 2, "--json", work / "r.json")
    return _cleaned(work, found)


def _cleaned(work: Path, exit_code: int) -> str:
    for path in work.iterdir():
        path.unlink()
    return "refused" if exit_code else "accepted"


MUTANTS: dict[str, Callable[[int, Path], str]] = {"models": mutated_file, "programs": mutated_program}


def fuzz(
    kind: str,
    numbers: Iterable[int],
    folder: Path,
    seconds: float = np.inf,
    failures: list[str] | None = None,
) -> Counter[str]:
    """What became of the mutations `numbers`, as many as there is time for, each within its bounds.

    failures : collects what else would be raised, so that the numbers behind it are tried too.
    """
    found: Counter[str] = Counter()
    (folder / "work").mkdir(exist_ok=True)
    end = time.process_time() + seconds
    with bounded():
        for number in numbers:
            if time.process_time() > end:
                break
            try:
                found[MUTANTS[kind](number, folder)] += 1
            except (Exception, Hang) as error:
                error.add_note(f"replay with BCSIM_SEED={number}, of the {kind}")
                if failures is None:
                    raise
                failures.append(f"{number}: {type(error).__name__}: {error}")
                _cleaned(folder / "work", 0)
    return found


@pytest.mark.parametrize("kind", MUTANTS)
def test_mutated_files_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    fuzz(kind, FOUND[kind], tmp_path)
    first = int(os.environ.get("BCSIM_SEED", "0"))
    found = fuzz(kind, range(first, first + SOAKED[kind]), tmp_path, SECONDS)
    assert min(found["refused"], found["accepted"]) >= 5, found


@pytest.mark.soak
@pytest.mark.parametrize("kind", MUTANTS)
def test_thousands_of_mutated_files(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, found = int(os.environ.get("BCSIM_SEED", "100000")), Counter[str]()
    failures: list[str] = []
    for start in range(first, first + SOAKED[kind], 500):
        found += fuzz(kind, range(start, start + 500), tmp_path, failures=failures)
        with capsys.disabled():
            worst = f"{Worst.memory} MiB, {Worst.seconds:.1f} s"
            print(f"{kind} {start}: {dict(found)}, {worst}", *failures, sep="\n  ", flush=True)
    assert not failures
