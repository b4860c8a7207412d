"""The netlist behind place and route as Verilog: nextpnr's cells, with what their open inputs read written out.

It has the nets that were routed; the wires and switches of their routes are not part of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bcsim.rtl.flow import placed_ecp5, placed_gowin
from bcsim.rtl.flow.synthesis import TOP
from bcsim.rtl.tools.yosys import run_yosys

__all__ = ["PLACED", "placed_netlist", "readable"]

PLACED = f"{TOP}.placed"
"""What nextpnr writes of a placed and routed design, in Yosys' JSON."""

Cell = dict[str, Any]

COMPLETE: Mapping[str, Callable[[str, Cell], Cell | None]] = {
    "ecp5": placed_ecp5.complete,
    "gowin": placed_gowin.complete,
}
"""By family, what makes of a cell one that cell_models has a model of, or nothing."""


def placed_netlist(folder: Path, work: Path, family: str) -> Path:
    """Turn PLACED of `folder` into placed.v in `work`. Raises BcsimError where a cell is not known, or Yosys fails."""
    design = json.loads((folder / PLACED).read_text())
    design["modules"][TOP] = readable(design["modules"][TOP], family)
    (work / "placed.json").write_text(json.dumps(design))
    run_yosys("read_json placed.json\nwrite_verilog -noattr placed.v", cwd=work)
    return work / "placed.v"


def readable(top: Mapping[str, Any], family: str) -> dict[str, Any]:
    """A module of nextpnr's cells as one that simulates. Raises BcsimError where a cell is used in a way not known."""
    cells = {name: COMPLETE[family](name, cell) for name, cell in top["cells"].items()}
    kept = {name: _connected(cell) for name, cell in cells.items() if cell is not None}
    return {**top, "cells": kept, "netnames": {}}


def _connected(cell: Cell) -> Cell:
    """A cell without the ports that are open, and without where it was placed."""
    connections = {port: bits for port, bits in cell["connections"].items() if bits}
    directions = {port: cell["port_directions"][port] for port in connections}
    return {**cell, "attributes": {}, "connections": connections, "port_directions": directions}
