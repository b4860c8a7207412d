"""Energies of single units in gates, on random operands: adders, comparators, registers and their like."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from bench.gates_activity import count_changes, simulation_cells
from bench.gates_energy import clock_pj, switching_energy
from bench.gates_library import Library
from bench.gates_netlist import map_to_gates

__all__ = ["UNITS", "energy_table", "unit_pj"]

UNITS = {
    "adder": ("assign y = a + b;", (4, 8, 16, 32, 48)),
    "comparator": ("assign y = a >= b;", (8, 16, 32, 48)),
    "bitwise": ("assign y = s ? a : b;", (8, 32)),
    "register": ("reg [`BITS-1:0] q; always @(posedge clk) q <= a; assign y = q;", (8, 32)),
    "multiplier": ("assign y = a * b;", (8, 16, 32)),
}
"""A unit's Verilog, and the widths that are measured."""
CYCLES = 400
BENCH = """`timescale 1ns / 1ps
module bench;
  reg clk = 0, s = 0;
  reg [`BITS-1:0] a = 0, b = 0;
  integer cycle;
  unit dut (.clk(clk), .s(s), .a(a), .b(b), .y());
  initial begin
    $dumpfile("gates.vcd");
    $dumpvars(0, bench.dut);
    for (cycle = 0; cycle < `CYCLES; cycle = cycle + 1) begin
      a = {$random, $random}; b = {$random, $random}; s = $random;
      #50 clk = 1; #50 clk = 0;
    end
  end
endmodule
"""


def unit_pj(kind: str, bits: int, library: Library, cells: Path) -> float:
    """pJ an action, with operands that are new, random and all at once; a register's has its clock."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        body = UNITS[kind][0].replace("`BITS", str(bits))
        ports = (
            f"input clk, input s, input [{bits - 1}:0] a, input [{bits - 1}:0] b, output [{2 * bits - 1}:0] y"
        )
        (folder / "unit.v").write_text(f"module unit({ports});\n{body}\nendmodule\n")
        (folder / "bench.v").write_text(BENCH)
        (folder / "cells.v").write_text(simulation_cells(cells))
        (module,) = map_to_gates(folder, "unit.v", ["unit"], [], library)
        settings = [f"-DBITS={bits}", f"-DCYCLES={CYCLES}"]
        _, changes = count_changes(folder, [*settings, "bench.v", "mixed.v", "cells.v"])
    energy = switching_energy(module, "dut", changes, library, 0.0)["unit"]
    clock = bits * clock_pj(library.cells["DFFPOSX1"], library) if kind == "register" else 0.0
    return (energy.logic + energy.registers) / CYCLES + clock


def energy_table(library: Library, cells: Path) -> dict[str, list[tuple[int, float]]]:
    """The points [bits, pJ] of every unit, as an energy table has them."""
    return {
        kind: [(bits, unit_pj(kind, bits, library, cells)) for bits in widths]
        for kind, (_, widths) in UNITS.items()
    }
