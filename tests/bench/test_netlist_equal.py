"""Errors in a netlist that change nothing: told from those that do, on a counter with a state it never reaches."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcsim.rtl.formal.aig import Netlist, read_netlist
from bcsim.rtl.tools.yosys import run_yosys
from bench.netlist_equal import is_equivalent
from bench.netlist_mutants import GATES, cut_memories

pytest.importorskip("pyosys", exc_type=ImportError)

# Literals 6 and 8 count 0, 1, 2, 0; error 1 shows in state 3 alone, error 2 in state 2, error 3 in both.
COUNTER = """\
aag 10 2 2 1 6
2
4
6 10
8 12
21
10 9 7
12 9 6
14 8 6
16 14 2
18 8 4
20 19 17
i0 mutant[0]
i1 mutant[1]
o0 seen
"""
MEMORY = """\
module top(input clk, input we, input [1:0] a, input [3:0] d, input [1:0] mutant, output reg [3:0] q);
  reg [3:0] words [0:3];
  wire [3:0] written = mutant == 1 && !we ? 4'd0 : mutant == 2 && we ? 4'd0 : mutant == 3 ? d + d - d : d;
  always @(posedge clk) begin
    if (we) words[a] <= written;
    q <= words[a];
  end
endmodule
"""


@pytest.fixture
def counter(tmp_path: Path) -> Netlist:
    (tmp_path / "counter.aag").write_text(COUNTER)
    return read_netlist(tmp_path / "counter.aag")


def test_the_netlist_is_read_by_name(counter: Netlist) -> None:
    assert counter.inputs == {"mutant[0]": 2, "mutant[1]": 4}
    assert counter.outputs == {"seen": 21}
    assert counter.latches == [(6, 10), (8, 12)]


@pytest.mark.parametrize(("error", "equal"), [(0, True), (1, True), (2, False), (3, False)])
def test_an_error_counts_where_a_state_that_is_reached_shows_it(
    counter: Netlist, error: int, equal: bool
) -> None:
    assert is_equivalent(counter, "mutant", error, 10) is equal


def test_what_is_not_written_to_a_memory_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "top.v").write_text(MEMORY)
    run_yosys("read_verilog top.v\nproc\nopt_clean\nmemory_collect\nwrite_rtlil memories.il", cwd=tmp_path)
    (tmp_path / "cut.il").write_text(cut_memories((tmp_path / "memories.il").read_text()))
    run_yosys("\n".join(("read_rtlil cut.il", *GATES)), cwd=tmp_path)
    netlist = read_netlist(tmp_path / "gates.aag")
    assert [is_equivalent(netlist, "mutant", error, 10) for error in (1, 2, 3)] == [True, False, True]
