"""Tidying of RTLIL text, Yosys' own format, before it becomes Verilog."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = ["drop_unread", "name_next_states", "name_pieces", "order_ports", "rename", "shift_powers"]

NAME = re.compile(r"[\\$]\S+")
ALIAS = re.compile(r"^connect ([\\$]\S+) [^\n]*\n", re.MULTILINE)
OPERATOR = re.compile(
    r"^  cell \$\w+ [^\n]*\n(?:    [^\n]*\n)*    connect \\Y (\$\S+)\n  end\n", re.MULTILINE
)
WIRE = re.compile(r"(?:^  attribute [^\n]*\n)*^  wire width \d+ (?:signed )?([\\$]\S+)\n", re.MULTILINE)
PORT = re.compile(r"(input|output) \d+ (?= *(?:signed )?\\(\S+)$)", re.MULTILINE)
FLIP_FLOP = re.compile(
    r"^  cell \$dff .*\n(?:    parameter .*\n)*"
    r"    connect \\D (\$\d+)(?: \[\d+:?\d*\])?\n    connect \\CLK .*\n    connect \\Q \\(\S+)\n",
    re.MULTILINE,
)
CELL_PORT = re.compile(r"^    connect \\\S+", re.MULTILINE)
PIECE = re.compile(r"\\port\$\d+\$\d+")
DRIVEN = re.compile(r"^connect (\\port\$\d+\$\d+) ([\\$]\S+ \[[\d:]+\])$", re.MULTILINE)
PART = re.compile(r"^connect \\(\S+) ([\\$]\S+) \[(\d+)(?::(\d+))?\]$", re.MULTILINE)
PORT_WIRE = re.compile(r"^  wire width (\d+) (?:input|output) \d+ +(\\port\$\d+\$\d+)$", re.MULTILINE)
POWER = re.compile(
    r"^  cell \$mul (\S+\n(?:    parameter .*\n)*    connect \\A .*\n    connect \\B )(\d+)'(0*10*)\n",
    re.MULTILINE,
)


def rename(body: str, names: Mapping[str, str]) -> str:
    """A module's body with other names for some of its wires."""
    return NAME.sub(lambda name: names.get(name[0], name[0]), body)


def name_pieces(body: str, members: Sequence[str]) -> dict[str, str]:
    """Names for the ports that Amaranth made of members' bits, by the name that each has now.

    Several members in one port: `low_high`, from the least significant up. One member in several ports, as it is made
    of several signals: `member_0` and so on.
    """
    taken, names = set(NAME.findall(CELL_PORT.sub("", body))), dict[str, str]()
    for port, joined in _joined(body, members):
        if (name := f"\\{'_'.join(joined)}") not in taken:
            names[port] = name
    for member in members:
        whole = re.search(rf"^connect \\{re.escape(member)} (.*)\n", body, re.MULTILINE)
        value = whole[1] if whole else ""
        for port, source in DRIVEN.findall(body):
            value = value.replace(source, port)
        pieces = dict.fromkeys(reversed(PIECE.findall(value)))
        for index, piece in enumerate(each for each in pieces if each not in names):
            if (name := f"\\{member}_{index}") not in taken:
                names[piece] = name
    return names


def _joined(body: str, members: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The ports that several whole members share, and those members."""
    parts = [
        (name, source, int(low or high), int(high))
        for name, source, high, low in PART.findall(body)
        if name in members
    ]
    for width, port in PORT_WIRE.findall(body):
        driver = re.search(
            rf"^connect {re.escape(port)} ([\\$]\S+) \[(\d+)(?::(\d+))?\]$", body, re.MULTILINE
        )
        source, high, low = driver.groups() if driver else (port, str(int(width) - 1), "0")
        within = sorted(
            (first, name)
            for name, of, first, last in parts
            if of == source and int(low or high) <= first and last <= int(high)
        )
        if len(within) > 1:
            yield port, [name for _, name in within]


def shift_powers(body: str) -> str:
    """A module's body with shifts for multiplications by powers of two, which selecting a word by its index makes."""

    def shift(cell: re.Match[str]) -> str:
        width, places = int(cell[2]), len(cell[3]) - 1 - cell[3].index("1")
        return f"  cell $shl {cell[1]}{width}'{places:0{width}b}\n"

    return POWER.sub(shift, body)


def drop_unread(body: str) -> str:
    """A module's body without the wires that nothing reads, and the connections and operators that drive them."""
    ports = {f"\\{port[2]}" for port in PORT.finditer(body)}
    while True:
        uses = Counter(NAME.findall(body))
        driven = {*ALIAS.findall(body), *OPERATOR.findall(body)} - ports
        unread = {name for name in driven if uses[name] == 2}
        if not unread:
            return body
        for driver in (ALIAS, OPERATOR, WIRE):
            body = _without(body, driver, unread)


def _without(body: str, pattern: re.Pattern[str], names: Collection[str]) -> str:
    return pattern.sub(lambda found: "" if found[1] in names else found[0], body)


def order_ports(body: str, order: Sequence[str]) -> str:
    """A module's body with its ports numbered: clock, reset, those of `order`, then the others by name."""
    first = {name: rank for rank, name in enumerate(["clk", "rst", *order])}
    names = sorted(
        (port[2] for port in PORT.finditer(body)), key=lambda name: (first.get(name, len(first)), name)
    )
    rank = {name: index for index, name in enumerate(names, 1)}
    return PORT.sub(lambda port: f"{port[1]} {rank[port[2]]} ", body)


def name_next_states(body: str) -> str:
    """A module's body in which the value that a register takes next is called after the register."""
    taken = set(NAME.findall(body))
    names = {d: f"\\{q}_next" for d, q in FLIP_FLOP.findall(body) if f"\\{q}_next" not in taken}
    return rename(body, names)
