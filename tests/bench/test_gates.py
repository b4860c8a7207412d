"""Energy of gates: what is read of a library, and the sum over a netlist, by hand."""

from pathlib import Path

import pytest

from bcsim.common.errors import BcsimError
from bench.gates_activity import _changes
from bench.gates_energy import clock_pj, switching_energy
from bench.gates_library import Library, read_library
from bench.gates_netlist import GateModule, Instance, Net

LIBERTY = """/* a library */
library(two) {
  nom_voltage : 2.0;
  cell (INV) {
    area : 3;
    pin(A) { direction : input; capacitance : 0.5; }
    pin(Y) {
      direction : output;
      internal_power() {
        related_pin : "A";
        rise_power(t) { index_1 ("0.005, 0.025"); index_2 ("0.06, 0.18"); values ("1, 2", \\
          "3, 4"); }
        fall_power(t) { index_1 ("0.005, 0.025"); index_2 ("0.06, 0.18"); values ("1, 2", "3, 8"); }
      }
    }
  }
  cell (DFF) {
    area : 5;
    pin(CLK) { direction : input; capacitance : 0.25; clock : true;
      internal_power() { rise_power(s) { index_1 ("0.06, 0.18"); values ("7, 1"); } } }
    pin(D) { direction : input; capacitance : 0.75; }
    pin(Q) { direction : output; }
  }
}
"""
VCD = """$scope module bench $end
$scope module dut $end
$scope module gate_1 $end
$var wire 1 ! A $end
$var wire 1 " Y $end
$upscope $end
$scope module gate_2 $end
$var wire 1 " D $end
$upscope $end
$upscope $end
$upscope $end
#0
x!
1"
#5
0!
#7
1!
0"
#9
0!
1"
"""


@pytest.fixture
def library(tmp_path: Path) -> Library:
    path = tmp_path / "two.lib"
    path.write_text(LIBERTY)
    return read_library(path)


def test_a_library_is_read(library: Library) -> None:
    inverter, flip_flop = library.cells["INV"], library.cells["DFF"]
    assert (library.volts, library.half_square) == (2.0, 2.0)
    assert (inverter.area, inverter.loads, inverter.internal) == (3.0, {"A": 0.5}, {"Y": 6.0})
    assert (inverter.clock, flip_flop.clock, flip_flop.outputs) == ("", "CLK", {"Q"})
    assert clock_pj(flip_flop, library) == 2 * (2.0 * 0.25 + 1.0)


def test_changes_are_counted_from_the_first_value_on(tmp_path: Path) -> None:
    path = tmp_path / "gates.vcd"
    path.write_text(VCD)
    assert _changes(path) == {("dut", "gate_1", "A"): 2, ("dut", "gate_1", "Y"): 2, ("dut", "gate_2", "D"): 2}


def test_an_inverter_before_a_flip_flop_by_hand(library: Library) -> None:
    inverter = Instance("gate_1", "logic", library.cells["INV"])
    flip_flop = Instance("gate_2", "kept", library.cells["DFF"])
    nets = [
        Net(None, (("gate_1", "A"),)),
        Net(("gate_1", "Y"), (("gate_2", "D"),)),
        Net(None, (("gate_2", "CLK"),)),
    ]
    module = GateModule("unit", {"gate_1": inverter, "gate_2": flip_flop}, nets)
    changes = {("dut", "gate_1", "A"): 10, ("dut", "gate_1", "Y"): 4, ("dut", "gate_2", "CLK"): 1000}
    blocks = switching_energy(module, "dut", changes, library, wire_pf=0.25)
    assert blocks["logic"].logic == 10 * 2.0 * (0.5 + 0.25) + 4 * 6.0
    assert blocks["kept"].registers == 4 * 2.0 * (0.75 + 0.25)
    assert (blocks["kept"].flip_flops, blocks["logic"].area) == (1, 3.0)


@pytest.mark.parametrize("text", ["", "library(x) { nom_voltage : 1; cell (A) { area : 1; } }", "{{{"])
def test_what_is_no_library_with_energies(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.lib"
    path.write_text(text)
    with pytest.raises(BcsimError, match=r"x\.lib (is not a readable Liberty file|has no internal_power)"):
        read_library(path)
