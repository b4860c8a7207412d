"""nextpnr's cells as ones that simulate: open inputs, constants that are parameters, vectors for single bits."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("amaranth_boards", reason="the extra [fpga] is not installed")

from bcsim.common.errors import BcsimError
from bcsim.rtl.flow.cells import cell_models
from bcsim.rtl.flow.placed import readable


def cell(kind: str, parameters: dict[str, str] | None = None, **connections: list[int]) -> dict[str, Any]:
    outputs = ("F", "Q", "DO", "COUT", "SUM")
    return {
        "type": kind,
        "parameters": parameters or {},
        "attributes": {"BSRAM_SUBTYPE": "X9", "NEXTPNR_BEL": "X1Y1/LUT0"},
        "port_directions": {port: "output" if port.startswith(outputs) else "input" for port in connections},
        "connections": connections,
    }


def complete(family: str, given: dict[str, Any]) -> dict[str, Any]:
    found = readable({"ports": {}, "netnames": {"net": {}}, "cells": {"it": given}}, family)["cells"]
    return dict(found.get("it", {}))


def test_open_inputs_of_a_look_up_table_are_high() -> None:
    found = complete("ecp5", cell("TRELLIS_COMB", A=[5], B=[], D=[], FXA=[], F=[6], FCO=[]))
    assert found["connections"] == {"A": [5], "B": ["1"], "C": ["1"], "D": ["1"], "F": [6]}
    assert found["parameters"]["WIDER"] == "0"
    assert found["attributes"] == {}
    assert complete("ecp5", cell("TRELLIS_COMB", FXA=[5], F=[]))["parameters"]["WIDER"] == "1"


def test_an_open_reset_is_not_given() -> None:
    for mux, level in (("LSR", "0"), ("INV", "1")):
        assert complete("ecp5", cell("TRELLIS_FF", {"LSRMUX": mux}, Q=[1]))["connections"]["LSR"] == [level]


def test_the_configurations_clock_pin_has_its_ports_names() -> None:
    assert complete("ecp5", cell("USRMCLK", PADDO=[1], PADDT=[2]))["connections"] == {
        "USRMCLKI": [1],
        "USRMCLKTS": [2],
    }


def test_what_only_takes_a_place_goes() -> None:
    assert complete("ecp5", cell("TRELLIS_COMB", {"MODE": "RAMW_BLOCK"})) == {}


def test_a_block_memorys_constants_are_parameters() -> None:
    parameters = {"ADA0MUX": "0 ", "DIA1MUX": "1 ", "CEAMUX": "CEA", "RSTAMUX": "INV", "WEAMUX": "WEA"}
    given = cell("DP16KD", parameters, ADA0=[], DIA1=[], CEA=[], RSTA=[], WEA=[3], DOA0=[])
    found = complete("ecp5", given)
    assert found["connections"] == {"ADA0": ["0"], "DIA1": ["1"], "CEA": ["1"], "RSTA": ["0"], "WEA": [3]}
    assert found["parameters"] == {}


def test_a_block_memorys_inverted_input_is_refused() -> None:
    with pytest.raises(
        BcsimError, match=r"^Block memory it of the placed netlist has WEA inverted, which has no"
    ):
        complete("ecp5", cell("DP16KD", {"WEAMUX": "INV"}, WEA=[3]))


def test_a_memory_of_both_ports_has_its_upper_enables_in_the_second_address() -> None:
    bits = {f"AD{place}": [10 + place] for place in range(14)} | {
        f"ADB{place}": [30 + place] for place in range(2)
    }
    bits |= {f"DO{place}": [50 + place] for place in range(36)}
    found = complete("gowin", cell("SP", {"BIT_WIDTH": "100100"}, CLK=[1], CLKB=[1], **bits))
    assert found["type"] == "SPX9"
    assert found["connections"]["AD"] == [10, 11, 30, 31, *range(14, 24)]
    assert found["connections"]["DO"] == [*range(50, 86)]
    assert found["connections"]["DI"] == ["x"] * 36
    assert "CLKB" not in found["connections"]


def test_a_narrow_word_of_the_second_port_begins_behind_the_firsts() -> None:
    bits = {f"DO{place}": [50 + place] for place in range(18, 36)}
    parameters = {"BIT_WIDTH_0": "10010", "BIT_WIDTH_1": "10010"}
    assert complete("gowin", cell("SDP", parameters, **bits))["connections"]["DO"][:18] == [*range(68, 86)]


def test_wide_words_of_8_bits_a_byte_are_refused() -> None:
    given = cell("SP", {"BIT_WIDTH": "10000"})
    given["attributes"]["BSRAM_SUBTYPE"] = " "
    with pytest.raises(
        BcsimError, match=r"^Block memory it of the placed netlist has words of 16 bits: no model$"
    ):
        complete("gowin", given)


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on the PATH")
@pytest.mark.parametrize(("table", "known"), [("505a", False), ("000a", True)])
def test_a_carry_that_depends_on_an_open_input_is_unknown(table: str, known: bool, tmp_path: Path) -> None:
    """The first is nextpnr's of before its issue 1799, for a carry from logic into a chain."""
    (tmp_path / "cells.v").write_text(cell_models("gowin"))
    (tmp_path / "top.v").write_text(
        f"""module top; wire carry;
          ALU #(.RAW_ALU_LUT(16'h{table})) alu (.I0(1'b0), .I2(1'b1), .COUT(carry));
          initial #1 $display("carry %b", carry);
        endmodule"""
    )
    made = ["iverilog", "-g2012", "-s", "top", "-o", "top.vvp", "top.v", "cells.v"]
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    said = subprocess.run(["vvp", "-n", "top.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert (said.stdout.strip() == "carry 0") == known
