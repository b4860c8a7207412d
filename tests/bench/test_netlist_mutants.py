"""Mutants of the netlist: what is seen of the accelerator, and how the player's results are read."""

from __future__ import annotations

import sys
from pathlib import Path

from bcsim.machine.parameters import Machine
from bcsim.rtl.generate.verilog import Port, Verilog
from bench.netlist_mutants import UNSETTLED, Mutant, play
from bench.netlist_trace import seen

PORTS = (
    Port("clk", "input", 1),
    Port("m_axis_tvalid", "output", 1),
    Port("m_axis_tdata", "output", 32),
    Port("monitor_write_enable", "output", 2),
    Port("monitor_write_data", "output", 8),
)
# Mutant 3 has a loop that oscillates: Verilator ends the program.
PLAYER = """\
#!{python}
import sys
first, end = map(int, sys.argv[1:3])
for mutant in range(first, end):
    if mutant == 3:
        print("[0] %Error: did not converge")
        sys.exit(1)
    print(mutant, -1 if mutant % 2 else 10 * mutant)
"""
COMMAND = (
    r"mutate -ctrl mutant 9 7 -mode inv -module seen -cell $flatten\accelerator.\issue.\loops.$add$seen.v:9$1 "
    "-port Y -portbit 4 -wire accelerator.issue.loops.left -wirebit 4"
)


def test_outputs_count_where_they_mean_something() -> None:
    machine = Machine(lanes=4, pes=4, digit=2, requantisers=2)
    text = seen(Verilog(text="", ports=PORTS, images={}), machine)
    assert "assign m_axis_tvalid = m_axis_tvalid_itself;" in text
    assert "assign m_axis_tdata = (m_axis_tvalid) ? m_axis_tdata_itself : 32'd0;" in text
    masks = "{{4{monitor_write_enable[1]}}, {4{monitor_write_enable[0]}}}"
    assert f"assign monitor_write_data = monitor_write_data_itself & {masks};" in text


def test_a_mutant_that_never_settles_is_told_and_the_next_ones_are_played(tmp_path: Path) -> None:
    player = tmp_path / "player"
    player.write_text(PLAYER.format(python=sys.executable))
    player.chmod(0o755)
    assert dict(play(player, [], 1, 6)) == {1: None, 2: 20, 3: UNSETTLED, 4: 40, 5: None}


def test_a_mutant_is_named_by_its_block() -> None:
    mutant = Mutant(7, COMMAND)
    assert mutant.block == "issue"
    assert mutant.name.startswith("inv of ")
    assert mutant.name.endswith("Y[4]")
