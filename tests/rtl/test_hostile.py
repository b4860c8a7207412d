"""Programs changed on their way, resets at any moment and broken bus rules: nothing hangs or answers wrongly unsaid.

A failure names its seed; BCSIM_SEED=<seed> runs that trial alone.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bcsim.machine.parameters import Machine
from bcsim.rtl.bench.simulator import run
from bcsim.rtl.generate.project import TOP
from tests.rtl.networks import build_machine, network

MEMORIES = {"activation_words": 256, "weight_words": 256, "parameter_words": 256}
MACHINES = {
    "dense": Machine(lanes=4, pes=4, digit=4, requantisers=2, input_bytes=2, **MEMORIES),
    "spatial": Machine(
        lanes=4, pes=4, digit=4, requantisers=2, input_bytes=2, shift_planes=True, spatial=True, **MEMORIES
    ),
}
TRIALS, SOAKED = 24, 1000
FOUND = {"dense": (121, 205, 577), "spatial": (513, 693)}
"""Images that are read and never answered, behind which the machine waits for the next."""


def check(name: str, trials: int, folder: Path) -> Counter[tuple[str, str]]:
    """Run the trials on a machine; how often each kind had each result."""
    seeds = [int(os.environ["BCSIM_SEED"])] if "BCSIM_SEED" in os.environ else [*range(trials), *FOUND[name]]
    seeds = list(dict.fromkeys(seeds))
    np.savez(folder / "program.npz", **network(5, MACHINES[name], largest=12))
    (folder / "trials.json").write_text(json.dumps(seeds))
    build_machine(folder / "build", MACHINES[name], "verilator")
    passed = run(folder / "build", "bcsim.rtl.bench.hostile_bench", TOP, cwd=folder)
    assert passed, (folder / "simulation.log").read_text()
    results = json.loads((folder / "results.json").read_text())
    assert len(results) == len(seeds)
    different = {seed: trial for seed, trial in results.items() if trial["difference"]}
    assert not different, f"the right program differs behind these trials, by seed: {different}"
    wrong = {
        seed: trial
        for seed, trial in results.items()
        if trial["result"] == "silent hang" or (trial["kind"] == "corrupted" and trial["result"] != "flagged")
    }
    assert not wrong, f"a wrong program is not told, by seed: {wrong}"
    return Counter((trial["kind"], trial["result"]) for trial in results.values())


@pytest.mark.rtl
@pytest.mark.parametrize("name", MACHINES)
def test_nothing_hangs_or_answers_wrongly_without_a_flag(name: str, tmp_path: Path) -> None:
    found = check(name, TRIALS, tmp_path)
    if "BCSIM_SEED" in os.environ:
        return
    assert found["corrupted", "flagged"] == TRIALS // 4
    vouched = sum(count for (kind, _), count in found.items() if kind == "vouched")
    assert vouched == TRIALS // 4 + len(FOUND[name])


@pytest.mark.soak
@pytest.mark.parametrize("name", MACHINES)
def test_soak_of_wrong_programs(name: str, tmp_path: Path) -> None:
    print(name, check(name, SOAKED, tmp_path))
