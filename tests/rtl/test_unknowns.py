"""Registers and memories that hold nothing at first, in Icarus Verilog: no unknown value comes out."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bcsim.machine.parameters import Machine
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.bench.simulator import build, run
from bcsim.rtl.generate.project import TOP
from bcsim.rtl.generate.verilog import to_verilog
from tests.rtl.networks import network
from tests.rtl.unknowns import without_contents, without_reset

pytestmark = [
    pytest.mark.rtl,
    pytest.mark.skipif(shutil.which("iverilog") is None, reason="unknown values need Icarus Verilog"),
]

SMALL = {
    "lanes": 4,
    "pes": 4,
    "digit": 4,
    "requantisers": 2,
    "input_bytes": 2,
    "accumulator_bits": 14,
    "fraction_bits": 6,
    "activation_words": 256,
    "weight_words": 128,
    "parameter_words": 128,
    "layers": 8,
    "outputs": 12,
}
MACHINES = {
    "dense": Machine(**SMALL, divide_cycles=2, parity=True),
    "spatial": Machine(**SMALL, spatial=True, shift_planes=True),
    "streamed": Machine(
        **SMALL | {"weight_words": 32}, spatial=True, reuse=2, drains=2, weight_stream_bytes=2
    ),
    "batch": Machine(**SMALL, spatial=True, reuse=2, batch=2),
}


@cache
def verilog(name: str) -> str:
    return to_verilog(Accelerator(MACHINES[name]), TOP).text


def log_of(name: str, text: str, folder: Path) -> str:
    """What the bench says of the design; nothing where it passes."""
    source = folder / f"{TOP}.v"
    source.write_text(without_contents(text))
    np.savez(folder / "program.npz", **network(5, MACHINES[name], largest=9))
    build(folder / "build", [source], TOP, simulator="icarus")
    passed = run(folder / "build", "bcsim.rtl.bench.unknown_bench", TOP, simulator="icarus", cwd=folder)
    return "" if passed else (folder / "simulation.log").read_text()


def test_nothing_unknown_comes_out_of_a_dense_machine(tmp_path: Path) -> None:
    assert not log_of("dense", verilog("dense"), tmp_path)


def test_nothing_unknown_comes_out_of_a_machine_with_streams_and_strips(tmp_path: Path) -> None:
    assert not log_of("streamed", verilog("streamed"), tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("name", MACHINES)
def test_nothing_unknown_comes_out_of_any_machine(name: str, tmp_path: Path) -> None:
    assert not log_of(name, verilog(name), tmp_path)


@pytest.mark.parametrize(
    ("register", "seen"),
    [("registers running", "s_axis_tready"), ("registers flags_1", "s_axil_rdata")],
)
def test_a_register_without_a_reset_is_seen(register: str, seen: str, tmp_path: Path) -> None:
    log = log_of("dense", without_reset(verilog("dense"), *register.split()), tmp_path)
    assert re.search(rf"{seen} is unknown", log), log
