"""Copies of flip-flops that drive much: on a large die each copy can lie beside what it drives."""

from __future__ import annotations

import re
from typing import Any

from bcsim.rtl.flow.netlist import Netlist, Sink

__all__ = ["MOST", "spread_registers"]

MOST = 16
"""Cells that a flip-flop drives at most, its copies counted as others."""

FLIP_FLOPS = {"TRELLIS_FF": "Q"}
"""Cell types that are copied, and their outputs."""

CONTROLS = ("CLK", "LSR")
"""Inputs with networks of their own, which stay the original's."""

FOLLOWED = 8
"""Cells behind one another that are looked at for a name."""


def spread_registers(netlist: Netlist) -> int:
    """Copy flip-flops until none drives more than MOST cells, or only clocks and resets; returns how many were made.

    Cells are shared out among the copies in the order of the registers that follow them, by name: an array's elements
    and the blocks of a memory one after another. The copies begin as their originals do and take what they take, so
    that every one of them always holds the same. Flip-flops of other families than FLIP_FLOPS stay as they are.
    """
    places, copies = _Places(netlist), 0
    waiting = [name for name, cell in netlist.cells.items() if cell["type"] in FLIP_FLOPS]
    while waiting:
        copies += sum(_split(netlist, name, places) for name in waiting)
        # A copy takes what its original takes: that may be driven by another one, which has more to drive now.
        waiting = [name for name in waiting if len(_driven(netlist, name)) > MOST]
    return copies


def _driven(netlist: Netlist, name: str) -> list[Sink]:
    """What a flip-flop drives, but for what has a network of its own."""
    cell = netlist.cells[name]
    (bit,) = cell["connections"][FLIP_FLOPS[cell["type"]]]
    return [sink for sink in netlist.sinks(bit) if sink.port not in CONTROLS]


def _split(netlist: Netlist, name: str, places: _Places) -> int:
    """How many copies a flip-flop got; the first share of what it drives stays its own."""
    sinks, cell = _driven(netlist, name), netlist.cells[name]
    sinks.sort(key=lambda sink: places.order(sink.cell))
    parts = max(1, -(-len(sinks) // MOST))
    for part in range(1, parts):
        bit = netlist.new_bit()
        connections = {port: list(bits) for port, bits in cell["connections"].items()}
        connections[FLIP_FLOPS[cell["type"]]] = [bit]
        netlist.add(f"{name}_copy_{part}_{bit}", {**cell, "connections": connections})
        netlist.move(sinks[len(sinks) * part // parts : len(sinks) * (part + 1) // parts], bit)
    return parts - 1


class _Places:
    """Where cells belong: by the name of the first named bit from each one on."""

    def __init__(self, netlist: Netlist) -> None:
        self._netlist, self._names = netlist, netlist.names()
        self._orders: dict[str, tuple[Any, ...]] = {}

    def order(self, cell: str) -> tuple[Any, ...]:
        """What sorts cells by their names, numbers in them by their size."""
        if cell not in self._orders:
            parts = re.split(r"(\d+)", self._following(cell, FOLLOWED))
            self._orders[cell] = tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)
        return self._orders[cell]

    def _following(self, cell: str, cells: int) -> str:
        outputs = self._netlist.outputs(cell)
        found = next((self._names[bit] for bit in outputs if bit in self._names), "")
        if found or not cells:
            return found
        sinks = (sink for bit in outputs for sink in self._netlist.sinks(bit))
        first = next(sinks, None)
        return self._following(first.cell, cells - 1) if first else ""
