"""A network's netlist for Gowin in a simulation: block memories of 8 and 9 bits, those of LUTs, carries."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("amaranth_boards", reason="the extra [fpga] is not installed")

import bcsim
from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.interface.board import build
from bcsim.rtl.boards.catalogue import find_board
from tests.rtl.proved_netlist import prove, small_network, synthesised

pytestmark = [
    pytest.mark.rtl,
    pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on the PATH"),
]

BOARD = find_board("tangnano9k")


@pytest.fixture(scope="module")
def network() -> Mapping:
    return small_network(BOARD)


@pytest.fixture(scope="module")
def folder(network: Mapping, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesised(tmp_path_factory.mktemp("gowin"), network, BOARD)


def test_the_netlist_for_place_and_route_equals_the_simulator(network: Mapping, folder: Path) -> None:
    cells = json.loads((folder / "top.json").read_text())["modules"]["top"]["cells"].values()
    assert {"DPX9B", "SP", "RAM16SDP4", "ALU", "rPLL"} <= Counter(cell["type"] for cell in cells).keys()
    proof = prove(folder, network, BOARD)
    assert proof.designs == ("netlist",)
    assert proof.words == network.program.classes + 1
    assert proof.edges > 0
    assert proof.skipped.keys() == {"bitstream"}


@pytest.mark.soak
@pytest.mark.parametrize("cell", ["SP", "RAM16SDP4"])
def test_a_memory_with_other_words_is_named(
    cell: str, network: Mapping, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "out"
    shutil.copytree(folder, other)
    design = json.loads((other / "top.json").read_text())
    for each in design["modules"]["top"]["cells"].values():
        for name, bits in each["parameters"].items():
            if each["type"] == cell and re.match(r"INIT_\w", name):
                each["parameters"][name] = bits.translate(str.maketrans("01", "10"))
    (other / "top.json").write_text(json.dumps(design))
    with pytest.raises(BcsimError, match=r"^The netlist d"):
        prove(other, network, BOARD)


@pytest.mark.soak
@pytest.mark.parametrize("board", ["tangnano9k", "tangnano20k"])
def test_digits_are_proved_behind_place_and_route(board: str, tmp_path: Path) -> None:
    """All of `bcsim build digits --board BOARD --prove --baud 3375000`."""
    program = bcsim.compile(bcsim.load("digits"))
    result = build(program, tmp_path / "out", board=board, baud=3_375_000, prove=2, data="digits")
    assert result.proof is not None
    assert result.proof.designs == ("placed netlist",)
    assert result.proof.words == 2 * (10 + 1)
