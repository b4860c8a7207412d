"""ECP5's cells behind place and route. What open inputs read is from nextpnr, ecp5/pack.cc and bitstream.cc."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bcsim.common.errors import BcsimError

__all__ = ["complete"]

Cell = dict[str, Any]

CONTROLS = ("CLK", "RST", "WE", "CE", "OCE", "CS")
"""Inputs of block memories that are high where they are open, and low where that is inverted."""

CLOCK_PIN = {"PADDO": "USRMCLKI", "PADDT": "USRMCLKTS", "PADDI": "USRMCLKO"}
"""nextpnr's names of USRMCLK's ports, and the design's."""


def complete(name: str, cell: Cell) -> Cell | None:
    """The cell with levels at its open inputs; nothing of what only takes a place.

    Raises BcsimError where it is used in a way that has no model.
    """
    kind, parameters = cell["type"], cell["parameters"]
    if parameters.get("MODE") == "RAMW_BLOCK":
        # The write side of a distributed memory takes the places of two tables.
        return None
    if kind == "TRELLIS_COMB":
        wider = bool(cell["connections"].get("FXA"))
        return _tied(cell, dict.fromkeys("ABCD", "1"), {**parameters, "WIDER": f"{wider:b}"})
    if kind == "TRELLIS_FF":
        return _tied(cell, {"LSR": "1" if parameters.get("LSRMUX") == "INV" else "0"}, parameters)
    if kind == "USRMCLK":
        return _renamed(cell, CLOCK_PIN)
    return _block(name, cell) if kind == "DP16KD" else cell


def _renamed(cell: Cell, names: Mapping[str, str]) -> Cell:
    connections, directions = (
        {names.get(port, port): value for port, value in cell[part].items()}
        for part in ("connections", "port_directions")
    )
    return {**cell, "connections": connections, "port_directions": directions}


def _tied(cell: Cell, levels: dict[str, str], parameters: dict[str, str]) -> Cell:
    """The cell with these levels where it has no connection."""
    wired = {port: bits for port, bits in cell["connections"].items() if bits}
    connections = {port: [level] for port, level in levels.items()} | wired
    directions = dict.fromkeys(levels, "input") | cell["port_directions"]
    return {**cell, "connections": connections, "port_directions": directions, "parameters": parameters}


def _block(name: str, cell: Cell) -> Cell:
    """A block memory: constants at its inputs are parameters, as CEAMUX is that of CEA."""
    parameters, levels = dict(cell["parameters"]), {}
    for port, bits in cell["connections"].items():
        chosen = parameters.pop(f"{port}MUX", port).strip()
        if bits and chosen != port:
            raise BcsimError(
                f"Block memory {name} of the placed netlist has {port} inverted, which has no model"
            )
        if not bits and port.startswith(CONTROLS):
            levels[port] = "0" if chosen == "INV" else "1"
        elif not bits and chosen in ("0", "1"):
            levels[port] = chosen
    return _tied(cell, levels, parameters)
