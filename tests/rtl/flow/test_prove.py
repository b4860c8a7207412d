"""What a proof says of a design that differs: in a word, in a cycle."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("amaranth_boards", reason="the extra [fpga] is not installed")

from bcsim.common.errors import BcsimError
from bcsim.rtl.flow.cells import cell_models
from bcsim.rtl.flow.prove import PAD, _compare

RUN = SimpleNamespace(outputs=SimpleNamespace(data=np.array([7, -1, 3])))
VERILOG = {"words": [7, 0xFFFF, 3], "edges": [90, 100, 120]}


def test_equal_words_in_equal_cycles_pass() -> None:
    _compare("netlist", VERILOG, VERILOG, RUN)


@pytest.mark.parametrize(
    ("words", "edges", "message"),
    [
        ([7, 0xFFFE, 3], [90, 100, 120], "differs from the simulator: word 1 is 65534, not 65535"),
        (
            [7, 0xFFFF, 3],
            [90, 100],
            "differs from the Verilog: change 2 of its line comes in cycle None, not 120",
        ),
        (
            [7, 0xFFFF, 3],
            [90, 101, 120],
            "differs from the Verilog: change 1 of its line comes in cycle 101, not 100",
        ),
    ],
)
def test_the_first_difference_is_named(words: list[int], edges: list[int], message: str) -> None:
    with pytest.raises(BcsimError) as caught:
        _compare("netlist", {"words": words, "edges": edges}, VERILOG, RUN)
    assert str(caught.value) == f"The netlist {message}"


def test_a_bitstreams_pll_gets_the_clock_and_a_model() -> None:
    assert PAD.sub(r"\1clk)", ".PACKAGEPIN(n4331),") == ".PACKAGEPIN(clk),"
    models = cell_models("ice40")
    assert "assign PLLOUTGLOBAL = PACKAGEPIN" in models
    assert "assign PLLOUTGLOBAL = REFERENCECLK" in models


@pytest.mark.parametrize("family", ["ice40", "ecp5", "gowin"])
def test_a_cell_has_one_model(family: str) -> None:
    modules = re.findall(r"^module (\S+)", cell_models(family), re.MULTILINE)
    assert len(modules) == len(set(modules)) > 10
