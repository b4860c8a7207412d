"""Models of an FPGA's cells: Yosys' own, and what they leave out."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from bcsim.common.errors import BcsimError

__all__ = ["cell_models"]

OURS = Path(__file__).with_name("models")

INCLUDE = re.compile(r'^`include "(\w+\.vh)"$', re.MULTILINE)
MODULE = re.compile(r"^(?:\(\*[^\n]*\*\)\n)*module (\w+).*?\bendmodule\n", re.MULTILINE | re.DOTALL)
DEFINED = re.compile(r"^module (\w+)", re.MULTILINE)
PLACED_ONLY = ("TRELLIS_COMB",)
"""Cells that only place and route makes; Icarus Verilog does not read this one's model."""

PLL = re.compile(r"^(module SB_PLL40_(PAD|CORE) \(.*?)^endmodule", re.MULTILINE | re.DOTALL)
PLL_BEHAVIOUR = """\
\tassign PLLOUTGLOBAL = {source}, PLLOUTCORE = {source};
\treg [4:0] edges = 0;
\talways @(posedge {source}) if (~&edges) edges <= edges + 1;
\tassign LOCK = &edges;
endmodule"""
"""The PLL in a simulation: its clock is the oscillator's, so that one cycle is one cycle, and it locks soon."""


def cell_models(family: str) -> str:
    """Verilog models of a family's cells. Raises BcsimError where Yosys is missing."""
    package = find_spec("pyosys")
    if package is None or package.origin is None:
        raise BcsimError("Yosys is needed here: pip install 'bcsim[fpga]'")
    folder = Path(package.origin).parent / "share" / family
    models = INCLUDE.sub(lambda file: (folder / file[1]).read_text(), (folder / "cells_sim.v").read_text())
    if (ours := OURS / f"{family}.v").exists():
        own = ours.read_text()
        left_out = {*DEFINED.findall(own), *PLACED_ONLY}
        models = MODULE.sub(lambda module: "" if module[1] in left_out else module[0], models) + own
    # Icarus Verilog 11 does not know default values of ports.
    return "`define NO_ICE40_DEFAULT_ASSIGNMENTS\n`define NO_INCLUDES\n" + PLL.sub(_behave, models)


def _behave(pll: re.Match[str]) -> str:
    source = "PACKAGEPIN" if pll[2] == "PAD" else "REFERENCECLK"
    return pll[1] + PLL_BEHAVIOUR.format(source=source)
