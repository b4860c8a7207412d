"""The accelerator behind independent models of AXI4-Stream and AXI4-Lite: see bcsim/rtl/bench/bus_bench.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from bcsim.machine import Machine
from bcsim.rtl.bench.simulator import run
from bcsim.rtl.project import TOP
from tests.rtl.networks import build_machine, network

pytestmark = pytest.mark.rtl

MACHINE = Machine(
    lanes=4, pes=6, digit=4, requantisers=2, input_bytes=2, activation_words=256, shift_planes=True
)
TESTS = 6


def test_bus_models(tmp_path: Path) -> None:
    build_machine(tmp_path / "build", MACHINE, "verilator")
    first, second = network(11, MACHINE, largest=20), network(12, MACHINE, largest=20)
    assert len(first["tdata"]) > first["tlast"].sum(), "an image of several words can be too short"
    foreign = network(11, replace(MACHINE, parameter_words=2048), largest=20)["load"]
    np.savez(tmp_path / "first.npz", foreign=foreign, **first)
    np.savez(tmp_path / "second.npz", **second)
    passed = run(tmp_path / "build", "bcsim.rtl.bench.bus_bench", TOP, cwd=tmp_path)
    assert passed, (tmp_path / "simulation.log").read_text()
    cases = ElementTree.parse(tmp_path / "build" / "results.xml").findall(".//testcase")
    assert len(cases) == TESTS
