"""What a machine takes of an FPGA, from measured blocks, in a millisecond: LUT sites, flip-flops, block memories.

The tables in `parts/` are of rtl/generate/measure_blocks.py. Each block's LUTs and flip-flops are a sum of its features
(block_features.py), whose weights are the non-negative least squares of the measured machines, relative to their size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcsim.costs.block_features import BLOCKS, block_features, block_numbers, pipeline_flip_flops
from bcsim.costs.memory_use import MemoryUse, memory_use
from bcsim.costs.parts import Part
from bcsim.costs.single_ports import single_port_memories
from bcsim.machine.parameters import Machine, parse_machine

__all__ = ["Estimate", "estimate", "estimate_clock", "piped", "table_machine"]

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
    if text.startswith("tiny,"):
        return parse_machine(text)
    given = {part.partition("=")[0] for part in text.split(",")}
    return parse_machine(
        ",".join(["tiny", text, *(f"{name}={value}" for name, value in BASE.items() if name not in given)])
    )


ALIKE: Mapping[str, str] = {"gowin": "ecp5"}
"""Families without a table, and the one whose cells are alike: LUTs of 4 inputs, ripple carries, blocks of 18 Kbit."""

PRIOR = 0.5
"""LUTs for a bit of a feature where nothing is known: an adder's is 1, a register's next to none."""
PULL = 0.02
"""How strongly, beside one measured machine."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """LUT sites, flip-flops, block memories (of 18 Kbit, of 4 Kbit on iCE40) and DSP blocks: none.

    single_ports : the part's memories of one port that hold the activations.
    """

    luts: int
    flip_flops: int
    memories: int
    dsps: int = 0
    single_ports: int = 0

    def fits(self, part: Part) -> bool:
        """Whether the part holds it; a LUT site and a flip-flop that share a cell count once."""
        return (
            self.luts <= part.luts and self.flip_flops <= part.flip_flops and self.memories <= part.memories
        )


@dataclass(frozen=True, slots=True)
class BlockModel:
    """Weights of a block's features, and of 1: float64 (features + 1,) for LUTs and for flip-flops."""

    features: tuple[str, ...]
    luts: NDArray[np.float64]
    flip_flops: NDArray[np.float64]


@cache
def family_model(family: str) -> Mapping[str, BlockModel]:
    """The blocks' models of a family."""
    name = ALIKE.get(family, family)
    entries = [*_table(name)["machines"], *_table("arrays")["families"][name]]
    measured = [(table_machine(entry["machine"]), entry["blocks"]) for entry in entries]
    features = [block_features(machine) for machine, _ in measured]
    models = {}
    for block in BLOCKS:
        names = tuple(features[0][block])
        having = [index for index, (_, blocks) in enumerate(measured) if block in blocks]
        rows = np.array([[*(features[index][block][name] for name in names), 1.0] for index in having])
        sizes = np.array([measured[index][1][block] for index in having], dtype=float)
        present = sizes.sum(axis=1) > 0
        models[block] = BlockModel(names, *(_weights(rows[present], sizes[present, kind]) for kind in (0, 1)))
    return models


def _table(name: str) -> Any:
    return json.loads(files("bcsim.costs").joinpath(f"parts/{name}.json").read_text(encoding="utf-8"))


def _weights(rows: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.optimize import nnls  # half a second that only estimates need

    if not len(rows):
        return np.zeros(rows.shape[1])
    relative = 1 / np.maximum(sizes, 4)
    scaled = rows * relative[:, None]
    # What the machines do not tell apart stays near PRIOR, in proportion to what the feature adds to them.
    pull = PULL * np.diag(scaled.max(axis=0))
    prior = np.array([*([PRIOR] * (rows.shape[1] - 1)), 0.0])
    weights: NDArray[np.float64] = nnls(
        np.concatenate([scaled, pull]), np.concatenate([sizes * relative, pull @ prior])
    )[0]
    return weights


def estimate(machine: Machine, family: str, single_ports: int = 0) -> Estimate:
    """What Yosys would count of the machine on the family; on a part with so many memories of one port."""
    features, numbers, models = block_features(machine), block_numbers(machine), family_model(family)
    luts = flip_flops = 0.0
    for block, model in models.items():
        row = np.array([*(features[block][name] for name in model.features), 1.0])
        luts += numbers[block] * float(row @ model.luts)
        flip_flops += numbers[block] * float(row @ model.flip_flops)
    memory = memory_use(machine, family, single_ports)
    total = MemoryUse(
        sum(use.luts for use in memory),
        sum(use.flip_flops for use in memory),
        sum(use.blocks for use in memory),
    )
    return Estimate(
        luts=round(luts) + total.luts,
        flip_flops=round(flip_flops) + total.flip_flops + pipeline_flip_flops(machine),
        memories=total.blocks,
        single_ports=apart if (apart := single_port_memories(machine)) <= single_ports else 0,
    )


LARGE_ARRAY = 512
"""Lanes of an array from which its wires need registers on their way, where the part has a die for it."""


def piped(machine: Machine, part: Part) -> Machine:
    """The machine with the pipeline registers that a large array needs on the part, unless it has some already."""
    if part.family != "ecp5" or machine.slots < LARGE_ARRAY or machine.pipeline_registers:
        return machine
    return replace(machine, pipeline_registers=2)


def estimate_clock(machine: Machine, part: Part) -> float | None:
    """MHz that place and route would reach; None where nothing of the family was placed."""
    if part.delay is None:
        return None
    memories = sum(use.blocks for use in memory_use(machine, part.family, part.single_ports))
    return 1000 / (
        part.delay.base + part.delay.remainder * machine.remainder_bits + part.delay.memory * memories
    )
