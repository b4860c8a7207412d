"""A small network all the way to an iCEBreaker's bitstream, and that bitstream simulated."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("amaranth_boards", reason="the extra [fpga] is not installed")

import bcsim
from bcsim.common.errors import BcsimError
from bcsim.interface.board import BoardBuild, build, mapped
from bcsim.interface.program import with_methods
from bcsim.rtl.boards.catalogue import find_board
from bcsim.rtl.flow.build import Built
from bcsim.rtl.flow.prove import prove_build
from tests.programs import random_images, random_program

TOOLS = ("nextpnr-ice40", "icepack", "iceunpack", "icebox_vlog", "iverilog")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]

pytestmark = [
    pytest.mark.rtl,
    pytest.mark.skipif(
        bool(MISSING), reason=f"not on the PATH: {', '.join(MISSING)} (fpga-icestorm, nextpnr)"
    ),
]

SMALLEST = "lanes=2,pes=2,digit=4,activation_bits=4,requantisers=1,input_bytes=1"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[BoardBuild, Path]:
    folder = tmp_path_factory.mktemp("build") / "out"
    program = random_program(np.random.default_rng(4), largest=6)
    return build(program, folder, board="icebreaker", machine=SMALLEST, baud=3_000_000, prove=1), folder


def test_netlist_and_bitstream_equal_the_simulator(built: tuple[BoardBuild, Path]) -> None:
    result, folder = built
    proof = result.proof
    assert proof is not None
    assert proof.designs == ("netlist", "bitstream")
    assert proof.words == bcsim.load(folder / "program.onnx").program.classes + 1
    assert proof.edges > 0
    assert not proof.skipped
    assert (folder / "top.bin").stat().st_size == 104090, "the size of every bitstream of a UP5K"


def test_the_folder_says_what_it_holds(built: tuple[BoardBuild, Path]) -> None:
    result, folder = built
    board = json.loads((folder / "board.json").read_text())
    assert board["program_with"] == ["iceprog", "top.bin"]
    assert board["divisor"] == round(board["clock_hz"] / 3e6)
    assert board["clock_hz"] <= board["mhz"] * 1e6
    assert board["fingerprint"] == f"{result.machine.fingerprint:08x}"
    assert {"place-1.log", "synthesis.log", "pack.log", "top.pcf", "top.v"} <= {
        p.name for p in folder.iterdir()
    }
    assert with_methods(bcsim.load(folder / "program.onnx").program)


def test_a_netlist_that_differs_is_named(built: tuple[BoardBuild, Path], tmp_path: Path) -> None:
    """Other parameters in its look-up tables: what simulations of the Verilog alone could not see."""
    _, folder = built
    other = tmp_path / "out"
    shutil.copytree(folder, other)
    netlist = (other / "netlist.v").read_text()
    table = re.compile(
        r"(SB_LUT4 #\(\n    \.LUT_INIT\(16'h)([0-9a-f]{4})(?=\)\n  \) \\\S*parameter_memory_0)"
    )
    changed, count = table.subn(lambda found: f"{found[1]}{int(found[2], 16) ^ 0xFFFF:04x}", netlist)
    assert count > 0
    (other / "netlist.v").write_text(changed)
    program = bcsim.load(folder / "program.onnx").program
    facts = json.loads((folder / "board.json").read_text())
    known = Built(**{name: facts[name] for name in Built.__slots__})
    board = find_board("icebreaker")
    q = random_images(np.random.default_rng(5), program, 1)
    with pytest.raises(BcsimError, match=r"^The netlist d"):
        prove_build(other, mapped(program, SMALLEST, board), board, known, q)


@pytest.mark.soak
@pytest.mark.parametrize("banks", [1, 2])
def test_weights_from_the_flash_and_activations_in_single_port_memories_are_proved(
    banks: int, tmp_path: Path
) -> None:
    """The designs read their weights from a flash beside them, which holds what the build wrote for it."""
    machine = f"{SMALLEST},weight_words=1,weight_stream_bytes=1,activation_banks={banks}"
    program, folder = random_program(np.random.default_rng(4), largest=6), tmp_path / "out"
    result = build(program, folder, board="icebreaker", machine=machine, baud=3_000_000, prove=2)
    assert result.proof is not None
    assert result.proof.designs == (("netlist", "bitstream") if banks == 1 else ("netlist",))
    assert result.proof.words == 2 * (program.classes + 1)
    assert result.built.single_port_memories == (2 if banks == 2 else 0)
    flash = json.loads((folder / "board.json").read_text())["flash"]
    assert flash["program_with"] == ["iceprog", "-o", "1048576", "weights.bin"]
    assert flash["size"] == (folder / "weights.bin").stat().st_size > 1
