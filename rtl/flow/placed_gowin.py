"""Gowin's cells behind place and route, from nextpnr, himbaechel/uarch/gowin/pack_luts.cc and pack_bsram.cc.

Inputs that are open stay so, and read as unknown: what depended on one would be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bcsim.common.errors import BcsimError

__all__ = ["complete"]

Cell = dict[str, Any]
Bits = dict[str, list[int | str]]

ADDRESS, SELECT = range(14), range(3)
TWO_PORTS = ("CLKA", "CEA", "RESETA", "CLKB", "CEB", "RESETB")
MEMORIES: Mapping[str, tuple[tuple[str, str], tuple[str, ...], Mapping[str, range]]] = {
    "SP": (
        ("SP", "SPX9"),
        ("CLK", "CE", "OCE", "RESET", "WRE"),
        {"AD": ADDRESS, "BLKSEL": SELECT, "DI": range(4), "DO": range(4)},
    ),
    "DP": (
        ("DPB", "DPX9B"),
        (*TWO_PORTS, "OCEA", "OCEB", "WREA", "WREB"),
        {
            "ADA": ADDRESS, "BLKSELA": SELECT, "DIA": range(2), "DOA": range(2),
            "ADB": ADDRESS, "BLKSELB": SELECT, "DIB": range(2), "DOB": range(2),
        },
    ),
    "SDP": (
        ("SDPB", "SDPX9B"),
        (*TWO_PORTS, "OCE"),
        {
            "ADA": ADDRESS, "BLKSELA": SELECT, "DI": range(4),
            "ADB": ADDRESS, "BLKSELB": SELECT, "DO": range(4),
        },
    ),
}  # fmt: skip
"""By nextpnr's name: those of Verilog with bytes of 8 and of 9 bits, single ports, vectors: bits, or bytes of data."""

WHOLE = (32, 36)
"""Widths for which both ports work together."""

DATA_OF_B = 18
"""Where a narrower word of the second port begins among the outputs of both."""

PORTS: Mapping[str, tuple[str, ...]] = {
    "rPLL": ("CLKIN", "CLKOUT", "LOCK"),
    "IBUF": ("I", "O"),
    "OBUF": ("I", "O"),
    "RAM16SDP4": ("DI", "DO", "WAD", "RAD", "WRE", "CLK"),
}
"""What is connected of cells that have settings and places of the bank besides."""

HINTS = ("NET_", "CIN_NETTYPE")
"""How parameters begin that are for the packer of bitstreams."""


def complete(name: str, cell: Cell) -> Cell:
    """The cell as the models have it: memories with vectors for single bits, nothing that steers the packer.

    Raises BcsimError where it is used in a way that has no model.
    """
    kind, connections = cell["type"], cell["connections"]
    if kind in MEMORIES:
        return _memory(name, cell)
    parameters = {key: value for key, value in cell["parameters"].items() if not key.startswith(HINTS)}
    connections = {port: connections[port] for port in PORTS.get(kind, connections)}
    return {**cell, "parameters": parameters, "connections": connections}


def _memory(name: str, cell: Cell) -> Cell:
    names, singles, vectors = MEMORIES[cell["type"]]
    byte = 9 if "X9" in cell["attributes"]["BSRAM_SUBTYPE"] else 8
    widths = [int(value, 2) for key, value in cell["parameters"].items() if key.startswith("BIT_WIDTH")]
    if byte == 8 and max(widths) > 8:
        raise BcsimError(
            f"Block memory {name} of the placed netlist has words of {max(widths)} bits: no model"
        )
    given: Bits = cell["connections"]
    if cell["type"] == "SP" and widths[0] in WHOLE:
        # The second port has the upper half of a word, with its enables in its own address.
        given = {**given, "AD2": given["ADB0"], "AD3": given["ADB1"]}
    connections, directions = {port: given.get(port, []) for port in singles}, dict(cell["port_directions"])
    for vector, size in vectors.items():
        first = DATA_OF_B if cell["type"] == "SDP" and vector == "DO" and widths[1] not in WHOLE else 0
        count = len(size) * (byte if vector.startswith("D") else 1)
        connections[vector] = [(given.get(f"{vector}{first + place}") or ["x"])[0] for place in range(count)]
        directions[vector] = "output" if vector.startswith("DO") else "input"
    return {**cell, "type": names[byte == 9], "connections": connections, "port_directions": directions}
