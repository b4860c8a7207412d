"""What synthesis makes of the Verilog: memories that hold the program, and a netlist that equals the simulator."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pyosys
import pytest

from bcsim.compiler.mapping.mapping import Mapping, map_program
from bcsim.machine.parameters import Machine
from bcsim.rtl.bench.simulator import build
from bcsim.rtl.generate.project import TOP, Stimulus, write_project, write_verilog
from bcsim.rtl.generate.verify import compare
from bcsim.rtl.tools.yosys import run_yosys
from tests.programs import random_images, random_program

MACHINE = Machine(
    lanes=4,
    pes=4,
    digit=4,
    requantisers=2,
    input_bytes=2,
    activation_words=64,
    weight_words=128,
    parameter_words=128,
    layers=4,
    accumulator_bits=16,
    outputs=16,
    shift_planes=True,
)
CELLS = Path(pyosys.__file__).parent / "share" / "ice40" / "cells_sim.v"


@pytest.fixture(scope="module")
def mapping() -> Mapping:
    return map_program(random_program(np.random.default_rng(4), largest=12), MACHINE)


def test_synthesis_finds_every_word_of_the_memories(mapping: Mapping, tmp_path: Path) -> None:
    """Of two contents for one word Yosys keeps the first, so that a block of zeros before the file would win."""
    images = write_verilog(tmp_path, mapping).images
    passes = "proc\nflatten\nmemory_collect\nwrite_rtlil contents.il"
    run_yosys(f"read_verilog {TOP}.v\nhierarchy -top {TOP}\n{passes}", cwd=tmp_path)
    found = re.findall(r"parameter \\INIT (\d+)'([01x]+)", (tmp_path / "contents.il").read_text())
    held = {int(bits.replace("x", "0"), 2) for _, bits in found}
    for name, text in images.items():
        words = text.split()
        wanted = sum(int(word, 16) << index * _width(tmp_path, name) for index, word in enumerate(words))
        assert wanted in held, f"{name} is not in any memory after synthesis"


def _width(folder: Path, image: str) -> int:
    """Bits of a word of the memory that a file fills."""
    verilog = (folder / f"{TOP}.v").read_text()
    memory = re.search(rf'readmemh\("{image}", (\w+), ', verilog)
    assert memory is not None
    before = verilog[: memory.start()]
    return int(re.findall(rf"reg \[(\d+):0\] {memory[1]} \[", before)[-1]) + 1


@pytest.mark.rtl
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="netlists are simulated by Icarus Verilog")
def test_the_netlist_equals_the_simulator(mapping: Mapping, tmp_path: Path) -> None:
    q = random_images(np.random.default_rng(5), mapping.program, 2)
    expected = write_project(tmp_path, mapping, Stimulus("random values", q))
    synthesis = f"synth_ice40 -top {TOP}\ndelete t:$scopeinfo\nwrite_verilog -noattr netlist.v"
    run_yosys(f"read_verilog {TOP}.v\n{synthesis}", cwd=tmp_path)
    cells = tmp_path / "cells.v"
    cells.write_text(f"`define NO_ICE40_DEFAULT_ASSIGNMENTS\n{CELLS.read_text()}")
    built = tmp_path / "netlist"
    build(built, [tmp_path / "netlist.v", cells], TOP, simulator="icarus")
    result = compare(tmp_path, expected, simulator="icarus", built=built)
    assert result.equal, result.difference
    assert result.outputs == 2 * (mapping.program.classes + 1)
