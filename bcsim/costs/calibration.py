"""The weights of an FPGA family's features, from machines that were synthesised.

The tables in `parts/` are of rtl/generate/measure_blocks.py. LUTs and flip-flops are what follows from the inventory
and from memories, and a sum of features of all blocks (block_features.py). Its weights are the non-negative least
squares of machines that were synthesised whole, beside their blocks alone and what is assumed, relative to their size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from statistics import fmean
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.costs.block_features import BLOCKS, LUTS_OF_BIT, block_features, block_numbers, datapath_registers
from bcsim.costs.memory_use import memory_use
from bcsim.machine.parameters import PRESETS, Machine, parse_machine

__all__ = [
    "MEASURED",
    "Weights",
    "family_model",
    "feature_row",
    "known",
    "model_of",
    "table_machine",
    "whole_machines",
]

BASE = {
    "input_bytes": 1,
    "outputs": 10,
    "activation_words": 96,
    "weight_words": 416,
    "parameter_words": 64,
    "layers": 4,
}
"""What the machines of the tables have beside what their lines say."""


def table_machine(text: str) -> Machine:
    """The machine of a table's line, which names no preset or gives all that it has."""
    if text.partition(",")[0] in PRESETS:
        return parse_machine(text)
    given = {part.partition("=")[0] for part in text.split(",")}
    return parse_machine(
        ",".join(["tiny", text, *(f"{name}={value}" for name, value in BASE.items() if name not in given)])
    )


MEASURED = "ecp5"
"""The family whose blocks were measured. Of others a few whole machines say how many LUTs they have for one of its."""
ALIKE = (MEASURED, "gowin")
"""Families whose cells are alike: LUTs of 4 inputs, ripple carries."""

LUTS, FLIP_FLOPS = 0, 1
"""What a system of features is of."""
FLIP_FLOP = 0.15
"""For a bit of a feature where nothing is known."""
PULL = {LUTS: 1.0, FLIP_FLOPS: 0.02}
"""How strongly what is assumed counts, beside one measured machine."""
ALONE = {LUTS: 0.3, FLIP_FLOPS: 0.03}
"""What a block that was synthesised alone weighs beside a whole machine: of its neighbours' logic it shares none."""
LEAST = 20
"""LUTs or flip-flops from which errors count by their share."""
MEMORIES = ("selected", "written", "constant")
"""Of selecting among rows, and of memories that are logic: what something writes, and what the bitstream holds."""
DATAPATH = ("element", "lanes", "selector", "requantiser")
"""Blocks whose flip-flops are known: they are the inventory's."""
HOLDS: Mapping[str, str] = {"accumulator": "element", "pool": "requantiser", "output": "output"}
"""Memories within a block, which are measured with it."""


Weights: TypeAlias = NDArray[np.float64]
"""Of every block's features and of 1, block by block, and of MEMORIES: float64 (features,)."""


@cache
def family_model(family: str) -> tuple[Weights, Weights]:
    """The weights of a family: of LUTs, and of flip-flops."""
    return model_of(family, whole_machines(family))


def model_of(family: str, wholes: Sequence[Mapping[str, Any]]) -> tuple[Weights, Weights]:
    """The weights of a family of which these machines were synthesised whole."""
    return fitted_model(wholes) if family in ALIKE else scaled_model(family, wholes)


def scaled_model(family: str, wholes: Sequence[Mapping[str, Any]]) -> tuple[Weights, Weights]:
    """ECP5's weights, as many times as these machines of the family have what beside memories is estimated."""
    luts, flip_flops = (
        weights * _scale(family, wholes, kind, weights) for kind, weights in enumerate(family_model(MEASURED))
    )
    return luts, flip_flops


def _scale(family: str, wholes: Sequence[Mapping[str, Any]], kind: int, weights: Weights) -> float:
    ratios = []
    for entry in wholes:
        machine = table_machine(entry["machine"])
        measured = (entry["luts"], entry["flip_flops"])[kind] - known(machine, family, kind)
        ratios.append(measured / float(np.dot(feature_row(machine, family, kind), weights)))
    return fmean(ratios)


def whole_machines(family: str) -> list[dict[str, Any]]:
    """The machines of a family's table that were synthesised whole: `machine`, `luts`, `flip_flops`, `memories`."""
    found: list[dict[str, Any]] = _table(MEASURED if family in ALIKE else family)["wholes"]
    return found


def fitted_model(wholes: Sequence[Mapping[str, Any]]) -> tuple[Weights, Weights]:
    """The weights of ECP5 from its blocks and these of its whole machines."""
    entries = [*_table(MEASURED)["machines"], *_table("arrays")["families"][MEASURED]]
    blocks = [
        (table_machine(entry["machine"]), block, size)
        for entry in entries
        for block, size in entry["blocks"].items()
    ]
    whole = [(table_machine(entry["machine"]), (entry["luts"], entry["flip_flops"])) for entry in wholes]
    luts, flip_flops = (_system(blocks, whole, kind) for kind in (LUTS, FLIP_FLOPS))
    return luts, flip_flops


def _system(
    blocks: Sequence[tuple[Machine, str, Sequence[int]]],
    wholes: Sequence[tuple[Machine, Sequence[int]]],
    kind: int,
) -> Weights:
    """The weights of what was measured: LUTs, or the flip-flops that are none of the datapath's."""
    alone = [
        (m, block, size) for m, block, size in blocks if sum(size) and (kind == LUTS or block not in DATAPATH)
    ]
    rows = [feature_row(m, MEASURED, kind, block) + _own(block) for m, block, _ in alone]
    rows += [feature_row(m, MEASURED, kind) + _own() for m, _ in wholes]
    measured = np.array(
        [*(size[kind] for *_, size in alone), *(size[kind] for _, size in wholes)], dtype=np.float64
    )
    exact = [known(m, MEASURED, kind, block) for m, block, _ in alone]
    exact += [known(machine, MEASURED, kind) for machine, _ in wholes]
    weights = np.array([*([ALONE[kind]] * len(alone)), *([1.0] * len(wholes))]) / np.maximum(measured, LEAST)
    priors = np.concatenate([_priors(alone[0][0], kind), np.zeros(len(BLOCKS))])
    found = _weights(np.array(rows), np.maximum(measured - exact, 0), weights, priors, PULL[kind])
    return found[: -len(BLOCKS)]


def _own(only: str = "") -> list[float]:
    """Of which block something is what it has alone and shares with others where they are together."""
    return [float(block == only) for block in BLOCKS]


def known(machine: Machine, family: str, kind: int, only: str = "", single_ports: int = 0) -> int:
    """Of the LUTs or flip-flops of a machine, or of one block alone, those that follow from inventory and memories."""
    numbers = block_numbers(machine)
    found = datapath_registers(machine) if kind == FLIP_FLOPS and not only else 0
    for use in memory_use(machine, family, single_ports):
        block = HOLDS.get(use.name, "")
        if not only:
            found += (use.sites, use.flip_flops)[kind]
        elif block == only:
            found += (use.sites, use.flip_flops)[kind] // numbers[block]
    return found


def _priors(machine: Machine, kind: int) -> Weights:
    """What is assumed where nothing is known, and of memories what their rules say."""
    found: list[float] = []
    for block, features in block_features(machine).items():
        luts = LUTS_OF_BIT[block]
        names = (*features, "1")
        found += [luts.get(name, 1.0) if kind == LUTS else FLIP_FLOP * (name != "1") for name in names]
    return np.array([*found, *(1.0 for _ in MEMORIES)])


def feature_row(
    machine: Machine, family: str, kind: int, only: str = "", single_ports: int = 0
) -> list[float]:
    """The features of a machine, or of one block alone."""
    row: list[float] = []
    numbers = block_numbers(machine)
    for block, features in block_features(machine).items():
        number = numbers[block] if not only else int(block == only)
        if kind == FLIP_FLOPS and block in DATAPATH:
            number = 0
        row += [*(number * value for value in features.values()), number]
    memories = dict.fromkeys(MEMORIES, 0.0)
    for use in () if kind == FLIP_FLOPS else memory_use(machine, family, single_ports):
        share = 1.0
        if only:
            block = HOLDS.get(use.name, "")
            share = 1 / numbers[block] if block == only else 0.0
        memories["selected"] += share * use.selected
        memories["constant" if use.constant else "written"] += share * use.luts
    return [*row, *memories.values()]


def _table(name: str) -> Any:
    return json.loads(files("bcsim.costs").joinpath(f"parts/{name}.json").read_text(encoding="utf-8"))


def _weights(
    rows: NDArray[np.float64],
    sizes: NDArray[np.float64],
    relative: NDArray[np.float64],
    prior: Weights,
    strength: float,
) -> Weights:
    from scipy.optimize import nnls  # half a second that only estimates need

    scaled = rows * relative[:, None]
    # What the machines do not tell apart stays near its prior, in proportion to what the feature adds to them.
    most = scaled.max(axis=0)
    pull = strength * np.diag(np.where(most > 0, most, 1.0))
    system, aims = np.concatenate([scaled, pull]), np.concatenate([sizes * relative, pull @ prior])
    weights: Weights = nnls(system, aims, maxiter=10_000)[0]
    return weights
