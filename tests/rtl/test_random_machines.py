"""Random networks on random machines against the simulator, cycle for cycle: `pytest -m soak` runs them.

BCSIM_SEED=<first> and BCSIM_SOAK=<machines> choose which; BCSIM_SIMULATOR is icarus, which builds in a second, or
verilator.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bcsim.machine.parameters import OPTIONAL, SURROUNDINGS
from tests.rtl.networks import build_machine, hold_networks, network
from tests.rtl.random_machines import random_machine

SIMULATOR = os.environ.get("BCSIM_SIMULATOR", "icarus")
MACHINES = int(os.environ.get("BCSIM_SOAK", "50"))
NETWORKS = 6


def test_every_parameter_is_drawn() -> None:
    """Those of records' and parameters' widths are fitted machines', drawn in tests/compiler/mapping."""
    drawn: defaultdict[str, set[Any]] = defaultdict(set)
    for seed in range(100):
        machine = random_machine(np.random.default_rng(seed))
        for name in ("digit", "spatial", "shift_planes", "input_buffers", *OPTIONAL, *SURROUNDINGS):
            drawn[name].add(getattr(machine, name))
        drawn["batches in two drains"].add(machine.batch > 1 and machine.drains > 1)
        drawn["streams to strips"].add(machine.weight_stream_bytes > 0 and machine.reuse > 1)
    constant = {name for name, values in drawn.items() if len(values) < 2}
    assert constant == {"offset_bits", "step_bits", "record_bits", "loading", "counters"}


@pytest.mark.soak
def test_random_networks_on_random_machines_equal_the_simulator(tmp_path: Path) -> None:
    first = int(os.environ.get("BCSIM_SEED", "0"))
    for seed in range(first, first + MACHINES):
        folder, scratch = tmp_path / f"machine{seed}", tmp_path / f"networks{seed}"
        machine = random_machine(np.random.default_rng(seed))
        build_machine(folder, machine, SIMULATOR)
        scratch.mkdir()
        numbers = range(seed * NETWORKS, (seed + 1) * NETWORKS)
        hold_networks(folder, {number: network(number, machine) for number in numbers}, scratch, SIMULATOR)
        print(f"machine {seed}: {NETWORKS} networks equal", flush=True)
