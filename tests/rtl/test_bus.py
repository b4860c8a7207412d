"""The accelerator behind independent models of AXI4-Stream and AXI4-Lite: see bcsim/rtl/bench/bus_bench.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from bcsim.machine.parameters import Machine
from bcsim.rtl.bench.simulator import run
from bcsim.rtl.generate.project import TOP
from tests.rtl.networks import build_machine, network

pytestmark = pytest.mark.rtl

MACHINE = Machine(
    lanes=4, pes=6, digit=4, requantisers=2, input_bytes=2, activation_words=256, shift_planes=True
)
TESTS = 6
STREAMING = replace(MACHINE, weight_words=40, weight_stream_bytes=2)
STREAMING_TESTS = 2


def passed_tests(folder: Path, machine: Machine, bench: str) -> int:
    """Run a bench on the programs in `folder`; how many tests it has."""
    build_machine(folder / "build", machine, "verilator")
    passed = run(folder / "build", f"bcsim.rtl.bench.{bench}", TOP, cwd=folder)
    assert passed, (folder / "simulation.log").read_text()
    return len(ElementTree.parse(folder / "build" / "results.xml").findall(".//testcase"))


def test_weight_stream(tmp_path: Path) -> None:
    first, second = (network(seed, STREAMING, largest=20) for seed in (21, 22))
    assert len(first["weight_data"]) > 2
    assert len(second["weight_data"]) > 2
    np.savez(tmp_path / "first.npz", **first)
    np.savez(tmp_path / "second.npz", **second)
    assert passed_tests(tmp_path, STREAMING, "weight_bench") == STREAMING_TESTS


def test_bus_models(tmp_path: Path) -> None:
    first, second = network(11, MACHINE, largest=20), network(12, MACHINE, largest=20)
    assert len(first["tdata"]) > first["tlast"].sum(), "an image of several words can be too short"
    foreign = network(11, replace(MACHINE, parameter_words=2048), largest=20)["load"]
    np.savez(tmp_path / "first.npz", foreign=foreign, **first)
    np.savez(tmp_path / "second.npz", **second)
    assert passed_tests(tmp_path, MACHINE, "bus_bench") == TESTS
