"""What an elaborated accelerator is built of, block by block, read from Amaranth's netlist."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from amaranth.hdl import Fragment, Value
from amaranth.hdl._ir import PortDirection, build_netlist
from amaranth.hdl._nir import (
    AsyncReadPort,
    Cell,
    FlipFlop,
    Memory,
    Net,
    Netlist,
    Operator,
    SyncReadPort,
)
from amaranth.hdl._nir import Value as Nets
from amaranth.lib import wiring

from bcsim.machine.parameters import Machine
from bcsim.rtl.accelerator import Accelerator

__all__ = ["Design", "elaborated"]

CARRYING = ("+", "-")
PARTED = ("array", "requantiser")
GATES = ("m", "&", "|", "^")
COMPARING = ("u<", "s<", "u>", "s>", "u<=", "s<=", "u>=", "s>=")


@dataclass(frozen=True, slots=True)
class Design:
    """units : by block, kind (adder, bitwise, comparator, register) and width. memories : by block, words and bits.

    A block is a module's name without its number: all processing elements are one, and their parts. Widths are of
    bits that matter: operands without their sign or zero extension, results without the bits that nothing reads.
    One-bit gates, which are control, are left out.
    """

    units: Counter[tuple[str, str, int]]
    memories: Counter[tuple[str, int, int]]


@cache
def elaborated(machine: Machine) -> Design:
    """The machine's accelerator, elaborated but not simulated."""
    component = Accelerator(machine)
    ports = {}
    for path, member, value in component.signature.flatten(component):
        direction = PortDirection.Input if member.flow == wiring.In else PortDirection.Output
        ports["_".join(map(str, path))] = (Value.cast(value), direction)
    netlist = build_netlist(Fragment.get(component, None), ports)
    live = _live_nets(netlist)
    memories: Counter[tuple[str, int, int]] = Counter()
    for index, cell in enumerate(netlist.cells):
        if isinstance(cell, Memory):
            memories[_block(netlist, cell), cell.depth, _read_bits(netlist, index, live)] += 1
    return Design(_registers(netlist) + _operators(netlist, live), memories)


def _registers(netlist: Netlist) -> Counter[tuple[str, str, int]]:
    cells = [cell for cell in netlist.cells if isinstance(cell, FlipFlop)]
    return Counter((_block(netlist, cell), "register", len(cell.data)) for cell in cells)


def _operators(netlist: Netlist, live: set[Net]) -> Counter[tuple[str, str, int]]:
    """Adders, gates and comparators; two that are equal are one, since an expression used twice is emitted twice."""
    kept: dict[tuple[int, str, tuple[Nets, ...]], int] = {}
    for index, cell in enumerate(netlist.cells):
        if isinstance(cell, Operator) and _kind(cell):
            key = cell.module_idx, cell.operator, cell.inputs
            top = max((bit + 1 for bit in range(cell.width) if Net.from_cell(index, bit) in live), default=0)
            kept[key] = max(top, kept.get(key, 0))
    units: Counter[tuple[str, str, int]] = Counter()
    for (module, operator, inputs), top in kept.items():
        cell = Operator(module, operator=operator, inputs=inputs, src_loc=None)
        units[_block(netlist, cell), _kind(cell), _width(netlist, cell, top)] += top > 0
    return +units


def _block(netlist: Netlist, cell: Cell) -> str:
    """The module on top, or the innermost one in the array and the requantisers; `top` for the accelerator's own."""
    names = [re.sub(r"(_\d+|\$\d+)$", "", str(name)) for name in netlist.modules[cell.module_idx].name[1:]]
    if not names:
        return "top"
    return names[-1] if names[0] in PARTED else names[0]


def _kind(cell: Operator) -> str:
    """What the operator is built as; nothing for one that a constant makes a wire."""
    if cell.operator in CARRYING:
        return "" if _added_to_zero(cell) is not None else "adder"
    if cell.operator in COMPARING:
        return "comparator"
    masked = cell.operator != "m" and any(net.is_const for value in cell.inputs for net in value[:1])
    return "bitwise" if cell.operator in GATES and cell.width > 1 and not masked else ""


def _added_to_zero(cell: Operator) -> Nets | None:
    """The other operand of an addition of 0: Python's `sum` begins with one."""
    zero, other = cell.inputs if cell.operator == "+" else (None, None)
    return other if zero is not None and all(map(_is_zero, zero)) else None


def _width(netlist: Netlist, cell: Operator, kept: int) -> int:
    widest = max(_significant(netlist, value) for value in cell.inputs[-2:])
    return widest if cell.operator in COMPARING else min(widest, kept)


def _significant(netlist: Netlist, value: Nets) -> int:
    """Bits without an extension of zeros or of the sign."""
    nets = [_source(netlist, net) for net in value]
    while len(nets) > 1 and (_is_zero(nets[-1]) or nets[-1] == nets[-2]):
        nets.pop()
    return len(nets)


def _source(netlist: Netlist, net: Net) -> Net:
    """Where a net comes from, before additions of 0."""
    cell = netlist.cells[net.cell] if net.is_cell else None
    other = _added_to_zero(cell) if isinstance(cell, Operator) else None
    return net if other is None else _source(netlist, other[net.bit])


def _is_zero(net: Net) -> bool:
    return bool(net.is_const and net.const == 0)


def _live_nets(netlist: Netlist) -> set[Net]:
    """Nets that some register, memory, port or choice takes, directly or through adders and gates."""
    live: set[Net] = set()
    waiting = [net for cell in netlist.cells for net in _taken(cell)]
    while waiting:
        net = waiting.pop()
        if net in live or net.is_const:
            continue
        live.add(net)
        cell = netlist.cells[net.cell] if net.is_cell else None
        if isinstance(cell, Operator) and _passes(cell):
            waiting += _behind(cell, net.bit)
    return live


def _passes(cell: Operator) -> bool:
    return cell.operator in (*CARRYING, *GATES, "~")


def _taken(cell: Cell) -> Iterable[Net]:
    """The nets that a cell takes whatever of its output is read."""
    return () if isinstance(cell, Operator) and _passes(cell) else cell.input_nets()


def _behind(cell: Operator, bit: int) -> Iterator[Net]:
    """The nets on which a bit of an adder or a gate depends; a carry comes from all lower bits."""
    first = 0 if cell.operator in CARRYING else bit
    data = cell.inputs[1:] if cell.operator == "m" else cell.inputs
    if cell.operator == "m":
        yield from cell.inputs[0]
    for value in data:
        yield from value[first : bit + 1]


def _read_bits(netlist: Netlist, memory: int, live: set[Net]) -> int:
    """Bits of a word that anything reads."""
    bits: set[int] = set()
    for index, cell in enumerate(netlist.cells):
        if isinstance(cell, SyncReadPort | AsyncReadPort) and cell.memory == memory:
            bits |= {bit for bit in range(cell.width) if Net.from_cell(index, bit) in live}
    return len(bits)
