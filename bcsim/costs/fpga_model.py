"""What a machine takes of an FPGA, from measured blocks, in a millisecond: LUT sites, flip-flops, block memories.

The tables in `parts/` are of rtl/generate/measure_blocks.py. LUTs and flip-flops are a sum of features of all blocks
(block_features.py) and of memories (memory_use.py). Its weights are the non-negative least squares of the machines that
were synthesised whole, beside those of their blocks alone, relative to their size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.costs.block_features import block_features, block_numbers, datapath_registers
from bcsim.costs.memory_use import memory_use
from bcsim.costs.parts import Part
from bcsim.costs.single_ports import single_port_memories
from bcsim.machine.parameters import Machine, parse_machine

__all__ = [
    "Estimate",
    "estimate",
    "estimate_clock",
    "fitted_model",
    "piped",
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
    if text.startswith("tiny,"):
        return parse_machine(text)
    given = {part.partition("=")[0] for part in text.split(",")}
    return parse_machine(
        ",".join(["tiny", text, *(f"{name}={value}" for name, value in BASE.items() if name not in given)])
    )


ALIKE: Mapping[str, str] = {"gowin": "ecp5"}
"""Families without a table, and the one whose cells are alike: LUTs of 4 inputs, ripple carries, blocks of 18 Kbit."""

PRIOR = 0.15
"""LUTs for a bit of a feature where nothing is known: an adder's is 1, a register's next to none."""
PULL = 0.02
"""How strongly, beside one measured machine."""
ALONE = 0.1
"""What a block that was synthesised alone weighs beside a whole machine: of its neighbours' logic it shares none."""
LEAST = 20
"""LUTs or flip-flops from which errors count by their share."""
MEMORIES = ("written", "constant")
"""Of memories that something writes, and of those that hold what the bitstream says."""
LUTS, FLIP_FLOPS = 0, 1
"""What a system of features is of."""
DATAPATH = ("element", "lanes", "selector", "requantiser")
"""Blocks whose flip-flops are known: they are the inventory's."""


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

    def cells(self, part: Part) -> int:
        """Of the part's LUTs, those that are taken, by flip-flops that no LUT shares a cell with as well."""
        return self.luts + round(part.lone * self.flip_flops)

    def fits(self, part: Part) -> bool:
        """Whether the part holds it."""
        return (
            self.cells(part) <= part.luts
            and self.flip_flops <= part.flip_flops
            and self.memories <= part.memories
        )


Weights: TypeAlias = NDArray[np.float64]
"""Of every block's features and of 1, block by block, and of MEMORIES: float64 (features,)."""


@cache
def family_model(family: str) -> tuple[Weights, Weights]:
    """The weights of a family: of LUTs, and of flip-flops."""
    return fitted_model(family, whole_machines(family))


def whole_machines(family: str) -> list[dict[str, Any]]:
    """The machines of a family's table that were synthesised whole: `machine`, `luts`, `flip_flops`, `memories`."""
    found: list[dict[str, Any]] = _table(ALIKE.get(family, family)).get("wholes", [])
    return found


def fitted_model(family: str, wholes: Sequence[Mapping[str, Any]]) -> tuple[Weights, Weights]:
    """The weights of a family from its blocks and these of its whole machines."""
    name = ALIKE.get(family, family)
    entries = [*_table(name)["machines"], *_table("arrays")["families"][name]]
    blocks = [
        (table_machine(entry["machine"]), block, size)
        for entry in entries
        for block, size in entry["blocks"].items()
    ]
    whole = [(table_machine(entry["machine"]), (entry["luts"], entry["flip_flops"])) for entry in wholes]
    luts, flip_flops = (_system(blocks, whole, name, kind) for kind in (LUTS, FLIP_FLOPS))
    return luts, flip_flops


def _system(
    blocks: Sequence[tuple[Machine, str, Sequence[int]]],
    wholes: Sequence[tuple[Machine, Sequence[int]]],
    family: str,
    kind: int,
) -> Weights:
    """The weights of what was measured: LUTs, or the flip-flops that are none of the datapath's."""
    alone = [
        (m, block, size) for m, block, size in blocks if sum(size) and (kind == LUTS or block not in DATAPATH)
    ]
    rows = [_row(m, family, kind, block) for m, block, _ in alone]
    rows += [_row(m, family, kind) for m, _ in wholes]
    measured = np.array(
        [*(size[kind] for *_, size in alone), *(size[kind] for _, size in wholes)], dtype=np.float64
    )
    known = [0] * len(alone) + [_known(machine, kind) for machine, _ in wholes]
    weights = np.array([*([ALONE] * len(alone)), *([1.0] * len(wholes))]) / np.maximum(measured, LEAST)
    return _weights(np.array(rows), np.maximum(measured - known, 0), weights, _priors(alone[0][0]))


def _known(machine: Machine, kind: int) -> int:
    """Of the LUTs or flip-flops those that follow from the inventory."""
    return datapath_registers(machine) if kind == FLIP_FLOPS else 0


def _priors(machine: Machine) -> Weights:
    """What is assumed where nothing is known: nothing for 1, and of memories what their rules say."""
    blocks = block_features(machine).values()
    return np.array([*(prior for names in blocks for prior in (*([PRIOR] * len(names)), 0.0)), 1.0, 1.0])


def _row(machine: Machine, family: str, kind: int, only: str = "", single_ports: int = 0) -> list[float]:
    """The features of a machine, or of one block alone."""
    row: list[float] = []
    numbers = block_numbers(machine)
    for block, features in block_features(machine).items():
        number = numbers[block] if not only else int(block == only)
        if kind == FLIP_FLOPS and block in DATAPATH:
            number = 0
        row += [*(number * value for value in features.values()), number]
    memories = dict.fromkeys(MEMORIES, 0.0)
    for use in () if only else memory_use(machine, family, single_ports):
        # Accumulators are measured within their element; registers behind large memories are the inventory's.
        if use.name == "accumulator" or (kind == FLIP_FLOPS and use.name not in ("record", "stream")):
            continue
        written = machine.loading or use.name == "activation"
        written = written or (use.name == "weight" and machine.weight_stream_bytes > 0)
        memories["written" if written else "constant"] += (use.luts, use.flip_flops)[kind]
    return [*row, *memories.values()]


def _table(name: str) -> Any:
    return json.loads(files("bcsim.costs").joinpath(f"parts/{name}.json").read_text(encoding="utf-8"))


def _weights(
    rows: NDArray[np.float64], sizes: NDArray[np.float64], relative: NDArray[np.float64], prior: Weights
) -> Weights:
    from scipy.optimize import nnls  # half a second that only estimates need

    scaled = rows * relative[:, None]
    # What the machines do not tell apart stays near its prior, in proportion to what the feature adds to them.
    most = scaled.max(axis=0)
    pull = PULL * np.diag(np.where(most > 0, most, 1.0))
    system, aims = np.concatenate([scaled, pull]), np.concatenate([sizes * relative, pull @ prior])
    weights: Weights = nnls(system, aims, maxiter=10_000)[0]
    return weights


def estimate(
    machine: Machine, family: str, single_ports: int = 0, model: tuple[Weights, Weights] | None = None
) -> Estimate:
    """What Yosys would count of the machine on the family; on a part with so many memories of one port.

    model : weights in place of the family's own.
    """
    luts, flip_flops = (
        _known(machine, kind)
        + round(float(np.dot(_row(machine, family, kind, single_ports=single_ports), weights)))
        for kind, weights in enumerate(model or family_model(family))
    )
    return Estimate(
        luts=luts,
        flip_flops=flip_flops,
        memories=sum(use.blocks for use in memory_use(machine, family, single_ports)),
        single_ports=apart if (apart := single_port_memories(machine)) <= single_ports else 0,
    )


LARGE_ARRAY = 512
"""Lanes of an array from which its wires need registers on their way, where the part has a die for it."""


def piped(machine: Machine, part: Part) -> Machine:
    """The machine with the pipeline registers that a large array needs on the part, unless it has some already."""
    if part.family != "ecp5" or machine.slots < LARGE_ARRAY or machine.pipeline_registers:
        return machine
    return replace(machine, pipeline_registers=2)


def estimate_clock(machine: Machine, part: Part, memories: int | None = None) -> float | None:
    """MHz that place and route would reach; None where nothing of the family was placed.

    memories : blocks that the machine takes, where they are known, or the most that it may take.
    """
    if part.delay is None:
        return None
    delay = part.delay
    if memories is None:
        memories = sum(use.blocks for use in memory_use(machine, part.family, part.single_ports))
    decided = -(-machine.remainder_bits // machine.divide_cycles)
    logic = max(delay.base + delay.remainder * decided, delay.walk if machine.spatial else delay.control)
    return 1000 / (logic + (delay.piped if machine.pipeline_registers else delay.memory) * memories)
