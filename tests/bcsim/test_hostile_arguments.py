"""Arguments of every kind in the Python interface: a result, or one short sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bcsim

ODD: tuple[Any, ...] = (
    None, -1, 0, 2, 1.5, float("nan"), True, "", "x", "digits", b"digits", [], [1], [2, 2], (3,), {}, object(),
    np.int64(2), np.float64(2), np.array([2]), np.zeros((0, 64)), np.full((2, 64), np.nan), np.zeros((2, 3, 4, 5)),
    10**30, -(10**30), Path("nowhere"), Path("/dev/zero"), "x\0y", "a" * 5000, np.array("x"),
    np.array([1, 2], "M8[s]"), 1j, range(3), "\udc80", np.zeros((2, 64), "f2"), np.full((2, 64), 1e300),
)  # fmt: skip


@pytest.fixture(scope="module")
def program() -> bcsim.Program:
    return bcsim.compile("digits")


CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "path": (bcsim.load, {}),
    "weight_bits": (bcsim.load, {"path": "digits"}),
    "model": (bcsim.compile, {}),
    **{
        name: (bcsim.compile, {"model": "digits"})
        for name in ("bits", "calibration", "data", "input", "range_method", "percentile")
    },
    "name_or_path": (bcsim.load_dataset, {}),
    "split": (bcsim.load_dataset, {"name_or_path": "digits"}),
    "limit": (bcsim.load_dataset, {"name_or_path": "digits"}),
    "text": (bcsim.parse_machine, {}),
}
ON_PROGRAMS = {
    "save": (bcsim.save, {"path": "stored.onnx"}, ("path", "standard")),
    "simulate": (
        bcsim.simulate,
        {"data": "digits", "images": 2},
        ("data", "labels", "machine", "level", "images", "reference", "energy_table", "record"),
    ),
    "verify": (bcsim.verify, {"machine": 1}, ("data", "images", "pauses", "simulator", "waves")),
    "verilog": (bcsim.verilog, {"folder": "out", "machine": 1}, ("folder", "images", "pauses", "force")),
}


def hold(call: Callable[..., Any], given: dict[str, Any]) -> None:
    told = ""
    try:
        call(**given)
    except bcsim.BcsimError as error:
        told = str(error) or "\n"
    assert len(told) <= 360
    assert told.isprintable()


@pytest.mark.parametrize("name", CALLS)
def test_any_argument_is_taken_or_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call, given = CALLS[name]
    for value in ODD:
        hold(call, given | {name: value})


@pytest.mark.parametrize("name", ON_PROGRAMS)
def test_any_argument_beside_a_program(
    name: str, program: bcsim.Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call, given, arguments = ON_PROGRAMS[name]
    for argument in arguments:
        for value in ODD:
            hold(call, {"program": program, **given, argument: value})
    assert all(not path.startswith(".") for path in os.listdir())
