"""A network's netlist for ECP5 in a simulation: block memories, their output registers, the memories of LUTs."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("amaranth_boards", reason="the extra [fpga] is not installed")

import bcsim
from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.interface.board import build, mapped
from bcsim.rtl.boards.catalogue import find_board
from bcsim.rtl.boards.pll import clock_settings
from bcsim.rtl.flow.build import Built, write_top
from bcsim.rtl.flow.prove import Proof, prove_build
from bcsim.rtl.flow.synthesis import synthesise_top
from tests.programs import random_images, random_program

pytestmark = [
    pytest.mark.rtl,
    pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on the PATH"),
]

BOARD = find_board("ulx3s-12f")
CLOCK = clock_settings(BOARD, BOARD.clock_mhz)
DIVISOR = 4
SMALLEST = "lanes=2,pes=2,digit=4,activation_bits=4,requantisers=1,input_bytes=1"
BUILT = Built(
    board=BOARD.name,
    bitstream="",
    clock_hz=CLOCK.hz,
    baud=round(CLOCK.hz / DIVISOR),
    divisor=DIVISOR,
    of_logic_cells=BOARD.luts,
    of_memories=BOARD.memories,
    seconds={},
)


@pytest.fixture(scope="module")
def network() -> Mapping:
    """Deep enough for weights in a block memory, whose output register takes one of the pipeline's."""
    program = random_program(np.random.default_rng(20), largest=12, layers=1, classes=4)
    return mapped(program, f"{SMALLEST},pipeline_registers=2", BOARD)


@pytest.fixture(scope="module")
def folder(network: Mapping, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What place and route is given; it needs a minute itself."""
    made = tmp_path_factory.mktemp("ecp5")
    write_top(made, network, BOARD, CLOCK, DIVISOR)
    synthesise_top(made, BOARD, large=True)
    return made


def prove(folder: Path, network: Mapping) -> Proof:
    images = random_images(np.random.default_rng(5), network.program, 1)
    return prove_build(folder, network, BOARD, BUILT, images)


def test_the_netlist_for_place_and_route_equals_the_simulator(network: Mapping, folder: Path) -> None:
    cells = json.loads((folder / "top.json").read_text())["modules"]["top"]["cells"].values()
    assert {"DP16KD", "TRELLIS_DPR16X4", "CCU2C"} <= Counter(cell["type"] for cell in cells).keys()
    assert any(cell["parameters"].get("REGMODE_A") == "OUTREG" for cell in cells)
    proof = prove(folder, network)
    assert proof.designs == ("netlist",)
    assert proof.words == network.program.classes + 1
    assert proof.edges > 0
    assert proof.skipped.keys() == {"bitstream"}


@pytest.mark.soak
def test_a_block_memory_with_other_words_is_named(network: Mapping, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "out"
    shutil.copytree(folder, other)
    design = json.loads((other / "top.json").read_text())
    for cell in design["modules"]["top"]["cells"].values():
        for name, bits in cell["parameters"].items():
            if name.startswith("INITVAL_"):
                cell["parameters"][name] = bits.translate(str.maketrans("01", "10"))
    (other / "top.json").write_text(json.dumps(design))
    with pytest.raises(BcsimError, match=r"^The netlist d"):
        prove(other, network)


@pytest.mark.soak
def test_digits_on_a_ulx3s_are_proved_behind_place_and_route(tmp_path: Path) -> None:
    """All of `bcsim build digits --board ulx3s-25f --prove --baud 3000000`."""
    program = bcsim.compile(bcsim.load("digits"))
    result = build(program, tmp_path / "out", board="ulx3s-25f", baud=3_000_000, prove=2, data="digits")
    assert result.proof is not None
    assert result.proof.words == 2 * (10 + 1)


@pytest.mark.soak
def test_weights_from_an_orangecrabs_flash_are_proved(tmp_path: Path) -> None:
    """The flash's clock goes through a cell of the part's own; place and route takes it and its pins."""
    program = random_program(np.random.default_rng(4), largest=6)
    machine = f"{SMALLEST},weight_words=1,weight_stream_bytes=1"
    result = build(program, tmp_path / "out", board="orangecrab", machine=machine, baud=3_000_000, prove=2)
    assert result.proof is not None
    assert result.proof.words == 2 * (program.classes + 1)
    flash = json.loads((tmp_path / "out" / "board.json").read_text())["flash"]
    assert flash["begin"] == 1 << 20
    assert flash["program_with"] == ["dfu-util", "--alt", "1", "-D", "weights.bin"]
