"""A flat netlist in Yosys' JSON: its cells, what drives and what takes each bit, and changes to both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

__all__ = ["Bit", "Netlist", "Sink"]

Bit: TypeAlias = "int | str"
"""A number, or a constant: 0, 1 or x as text."""


class Sink(NamedTuple):
    """An input: a cell's name, its port and the place in it."""

    cell: str
    port: str
    place: int


class Netlist:
    """A module of Yosys' JSON, which it changes.

    Attributes
    ----------
    cells : dict of str to dict
        As in the JSON, by name.
    """

    def __init__(self, module: dict[str, Any]) -> None:
        self.cells: dict[str, Any] = module["cells"]
        self._nets: dict[str, Any] = module["netnames"]
        self._sinks: dict[Bit, dict[Sink, None]] = defaultdict(dict)
        for name, cell in self.cells.items():
            self._connect(name, cell)
        self._shown = {bit for port in module["ports"].values() for bit in port["bits"]}
        self._next = 1 + max(bit for bits in self._all_bits() for bit in bits if isinstance(bit, int))

    def _all_bits(self) -> Iterator[Sequence[Bit]]:
        yield from (net["bits"] for net in self._nets.values())
        yield from (bits for cell in self.cells.values() for bits in cell["connections"].values())

    def _connect(self, name: str, cell: Mapping[str, Any]) -> None:
        for port, bits in self.ports(cell, "input"):
            for index, bit in enumerate(bits):
                self._sinks[bit][Sink(name, port, index)] = None

    @staticmethod
    def ports(cell: Mapping[str, Any], direction: str) -> Iterator[tuple[str, list[Bit]]]:
        """A cell's ports that are inputs, or outputs, and their bits."""
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == direction:
                yield port, bits

    def outputs(self, name: str) -> list[Bit]:
        """The bits that a cell drives."""
        return [bit for _, bits in self.ports(self.cells[name], "output") for bit in bits]

    def sinks(self, bit: Bit) -> Sequence[Sink]:
        """The inputs that take a bit."""
        return tuple(self._sinks[bit])

    def is_shown(self, bit: Bit) -> bool:
        """Whether a bit is one of the module's ports."""
        return bit in self._shown

    def names(self) -> dict[Bit, str]:
        """Of every bit that has one, the first of its public names, with its place in it."""
        found: dict[Bit, str] = {}
        for name, net in sorted(self._nets.items(), reverse=True):
            if not net.get("hide_name"):
                found.update((bit, f"{name} {index}") for index, bit in enumerate(net["bits"]))
        return found

    def new_bit(self) -> int:
        """A bit that nothing drives or takes."""
        self._next += 1
        return self._next - 1

    def add(self, name: str, cell: dict[str, Any]) -> None:
        """One more cell."""
        self.cells[name] = cell
        self._connect(name, cell)

    def remove(self, name: str) -> None:
        """A cell less; what it drove is driven by nothing."""
        for port, bits in self.ports(self.cells.pop(name), "input"):
            for index, bit in enumerate(bits):
                del self._sinks[bit][Sink(name, port, index)]

    def move(self, sinks: Iterable[Sink], bit: Bit) -> None:
        """Let these inputs take another bit."""
        for sink in sinks:
            bits = self.cells[sink.cell]["connections"][sink.port]
            del self._sinks[bits[sink.place]][sink]
            bits[sink.place] = bit
            self._sinks[bit][sink] = None

    def rename(self, bits: Mapping[Bit, Bit]) -> None:
        """Give the names of bits that nothing drives any more to others."""
        for net in self._nets.values():
            net["bits"] = [bits.get(bit, bit) for bit in net["bits"]]
