"""Copies of flip-flops that drive much: on a large die each copy can lie beside what it drives."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["MOST", "spread_registers"]

MOST = 16
"""Cells that a flip-flop drives at most, its copies counted as others."""

FLIP_FLOPS = {"TRELLIS_FF": "Q"}
"""Cell types that are copied, and their outputs."""

CONTROLS = ("CLK", "LSR")
"""Inputs with networks of their own, which stay the original's."""

FOLLOWED = 8
"""Cells behind one another that are looked at for a name."""

Sink = tuple[str, str, int]
"""A cell, its port and the bit of the port."""


def spread_registers(netlist: Path, top: str) -> int:
    """Copy flip-flops of the JSON netlist of a flat design until none drives more than MOST cells; returns how many.

    Flip-flops of other families than FLIP_FLOPS stay as they are.

    Cells are shared out among the copies in the order of the registers that follow them, by name: an array's elements
    and the blocks of a memory one after another. The copies begin as their originals do and take what they take, so
    that every one of them always holds the same.
    """
    design = json.loads(netlist.read_text())
    copies = Netlist(design["modules"][top]).spread()
    netlist.write_text(json.dumps(design))
    return copies


class Netlist:
    """A module of Yosys' JSON, by what drives what."""

    def __init__(self, module: dict[str, Any]) -> None:
        self._cells: dict[str, Any] = module["cells"]
        self._names: dict[int, str] = {}
        for name, net in sorted(module["netnames"].items(), reverse=True):
            if not net.get("hide_name"):
                self._names.update((bit, f"{name} {index}") for index, bit in enumerate(net["bits"]))
        self._sinks: dict[int, list[Sink]] = defaultdict(list)
        for name, cell in self._cells.items():
            for port, bits in cell["connections"].items():
                if cell["port_directions"][port] == "input":
                    for index, bit in enumerate(bits):
                        self._sinks[bit].append((name, port, index))
        self._next = 1 + max(bit for bits in self._bits(module) for bit in bits if isinstance(bit, int))
        self._orders: dict[str, tuple[Any, ...]] = {}

    @staticmethod
    def _bits(module: Mapping[str, Any]) -> Iterator[Sequence[int | str]]:
        yield from (net["bits"] for net in module["netnames"].values())
        yield from (bits for cell in module["cells"].values() for bits in cell["connections"].values())

    def spread(self) -> int:
        """Copy what drives too much, and then what drives too many copies."""
        waiting = [name for name, cell in self._cells.items() if cell["type"] in FLIP_FLOPS]
        copies = 0
        while waiting:
            made = [self._split(name) for name in waiting]
            copies += sum(map(len, made))
            # A copy takes what its original takes: that may be driven by another one, which has more to drive now.
            waiting = [name for name in waiting if len(self._driven(name)) > MOST]
        return copies

    def _output(self, name: str) -> Any:
        cell = self._cells[name]
        return cell["connections"][FLIP_FLOPS[cell["type"]]]

    def _driven(self, name: str) -> list[Sink]:
        """What a flip-flop drives, but for what has a network of its own."""
        return [sink for bit in self._output(name) for sink in self._sinks[bit] if sink[1] not in CONTROLS]

    def _split(self, name: str) -> list[str]:
        """The copies made of a flip-flop; the first share of what it drives stays its own."""
        sinks = self._driven(name)
        if len(sinks) <= MOST:
            return []
        sinks.sort(key=lambda sink: self._order(sink[0]))
        parts = -(-len(sinks) // MOST)
        shares = [sinks[len(sinks) * i // parts : len(sinks) * (i + 1) // parts] for i in range(parts)]
        moved = {sink for share in shares[1:] for sink in share}
        (bit,) = self._output(name)
        self._sinks[bit] = [sink for sink in self._sinks[bit] if sink not in moved]
        return [self._copy(name, number, share) for number, share in enumerate(shares[1:], 1)]

    def _copy(self, name: str, number: int, share: list[Sink]) -> str:
        cell, bit, copied = self._cells[name], self._next, f"{name}_copy_{self._next}"
        self._next += 1
        connections = {port: list(bits) for port, bits in cell["connections"].items()}
        connections[FLIP_FLOPS[cell["type"]]] = [bit]
        self._cells[copied] = {**cell, "connections": connections}
        for port, bits in connections.items():
            if cell["port_directions"][port] == "input":
                for index, taken in enumerate(bits):
                    self._sinks[taken].append((copied, port, index))
        for sink, port, index in share:
            self._cells[sink]["connections"][port][index] = bit
        self._sinks[bit] = share
        return copied

    def _order(self, name: str) -> tuple[Any, ...]:
        """Where a cell belongs: the name of the first named signal from it on, its numbers in their order."""
        if name not in self._orders:
            self._orders[name] = _natural(self._following(name, FOLLOWED))
        return self._orders[name]

    def _following(self, name: str, cells: int) -> str:
        cell = self._cells[name]
        outputs = [
            bit
            for port, bits in cell["connections"].items()
            if cell["port_directions"][port] == "output"
            for bit in bits
        ]
        found = next((self._names[bit] for bit in outputs if bit in self._names), "")
        if found or not cells:
            return found
        for bit in outputs:
            for sink, _, _ in self._sinks[bit][:1]:
                return self._following(sink, cells - 1)
        return ""


def _natural(name: str) -> tuple[Any, ...]:
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name))
