"""Merging of equal modules in RTLIL text, Yosys' own format: one module for all processing elements, say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count

from bcsim.rtl.tools.naming import ModuleName
from bcsim.rtl.tools.tidy import (
    drop_unread,
    name_next_states,
    name_pieces,
    order_ports,
    rename,
    shift_powers,
)

__all__ = ["merge_modules"]

MODULE = re.compile(r"^(?:attribute \\[^\n]*\n)*module \\(\S+)\n(.*?)^end\n", re.MULTILINE | re.DOTALL)
CELL = re.compile(r"^  cell \\(\S+)( \\\S+\n)((?:    connect .*\n)*)", re.MULTILINE)
CONNECTED = re.compile(r"(?<=^    connect )\\\S+", re.MULTILINE)


def merge_modules(rtlil: str, names: Mapping[str, ModuleName]) -> tuple[str, dict[str, str]]:
    """The design with one module for all that are equal, and the new name of every module.

    names : what each module should be called; modules of one name and different content are numbered.
    Assumes Amaranth's own module names, the path of instances joined by dots, parents before children.
    """
    bodies = {match[1]: match[2] for match in MODULE.finditer(rtlil)}
    renamed: dict[str, str] = {}
    pieces: dict[str, dict[str, str]] = {}
    kept: dict[str, str] = {}
    keys: dict[str, str] = {}

    def instance(cell: re.Match[str]) -> str:
        ports = pieces.get(cell[1], {})
        connections = CONNECTED.sub(lambda port: ports.get(port[0], port[0]), cell[3])
        return f"  cell \\{renamed.get(cell[1], cell[1])}{cell[2]}{connections}"

    for old in sorted(bodies, key=lambda path: -path.count(".")):
        body = CELL.sub(instance, bodies[old])
        pieces[old] = name_pieces(body, names[old].ports)
        bodies[old] = _tidy(rename(body, pieces[old]), names[old].ports, [*pieces[old].values()])
        key = _order_free(bodies[old])
        renamed[old] = next(new for new in _candidates(names[old].name) if keys.setdefault(new, key) == key)
        kept.setdefault(renamed[old], old)
    order = [old for old in bodies if kept[renamed[old]] == old]
    texts = [f"module \\{renamed[old]}\n{bodies[old]}end\n" for old in order]
    return "attribute \\top 1\n" + "\n".join(texts), renamed


def _tidy(body: str, members: Sequence[str], pieces: Sequence[str]) -> str:
    """The body without what nothing reads, its registers' next values named, its ports in the members' order."""
    order = [port for name in members for port in (name, *(p[1:] for p in pieces if _piece_of(p, name)))]
    return order_ports(name_next_states(drop_unread(shift_powers(body))), order)


def _piece_of(piece: str, member: str) -> bool:
    return piece.rpartition("_")[0] == f"\\{member}"


def _candidates(name: str) -> Iterator[str]:
    return chain([name], (f"{name}_{number}" for number in count(1)))


def _order_free(body: str) -> str:
    """The body without the order of its wires and connections, which follows the order of use elsewhere."""
    return "\n\n".join(sorted(map(_sort_lines, body.split("\n\n"))))


def _sort_lines(block: str) -> str:
    if block.lstrip().startswith("process"):
        return block
    return "\n".join(sorted(block.split("\n")))
