"""The JSON: its keys are a promise, its figures add up."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bcsim
from bcsim.results.summary import exactness

KEYS = frozenset((Path(__file__).parent / "json_keys.txt").read_text().split())
LAYER_KEYS = frozenset(key.removeprefix("layers.") for key in KEYS if key.startswith("layers."))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    model = bcsim.load("digits")
    result = bcsim.simulate(bcsim.compile(model), "digits", images=30, reference=model)
    return json.loads(json.dumps(bcsim.to_json(result), allow_nan=False))


def flatten(value: Any, prefix: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {prefix}
    return {
        key for name, inner in value.items() for key in flatten(inner, f"{prefix}.{name}" if prefix else name)
    }


def test_promised_keys(document: dict[str, Any]) -> None:
    assert KEYS - flatten(document) == {f"layers.{key}" for key in LAYER_KEYS}
    assert document["schema"] == 1
    for layer in document["layers"]:
        assert set(layer) == set(LAYER_KEYS)


def test_every_key_is_documented(document: dict[str, Any]) -> None:
    text = (Path(__file__).parents[3] / "docs" / "json.md").read_text()
    words = set(re.findall(r"[a-z_0-9]+", text))
    technical = {"machine", "range_pj"}
    names = {
        name
        for key in flatten(document)
        if key.split(".")[0] not in technical and "range_pj" not in key
        for name in key.split(".")
    }
    assert names - words == set()
    assert set(LAYER_KEYS) - words == set()


def test_figures_add_up(document: dict[str, Any]) -> None:
    cycles, machine = document["cycles"], document["machine"]
    assert cycles["busy"] + sum(cycles["stalls"].values()) == cycles["slots"]
    assert cycles["slots"] == machine["lanes"] * machine["pes"] * cycles["per_image"]
    assert cycles["utilisation"] == cycles["busy"] / cycles["slots"]
    assert sum(layer["cycles"] for layer in document["layers"]) == cycles["per_image"]
    for layer in document["layers"]:
        assert (
            layer["busy"] + sum(layer["stalls"].values())
            == layer["cycles"] * machine["lanes"] * machine["pes"]
        )
    for name, total in document["operations"].items():
        assert sum(layer["operations"][name] for layer in document["layers"]) == total


def test_what_a_program_alone_says_is_told_as_such() -> None:
    program = bcsim.compile("digits")
    found = replace(bcsim.simulate(program, "digits", images=10), exact=True, score_error=0.25)
    assert exactness(found) == "yes, scores to ±0.25; so the program says"
    assert exactness(replace(found, agreement=1.0)) == "yes, scores to ±0.25"
    assert exactness(replace(found, exact=False)) == "no, rounded after training"
