"""Merging of equal modules in RTLIL text, Yosys' own format: one module for all processing elements, say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain, count

__all__ = ["merge_modules"]

MODULE = re.compile(r"^(?:attribute \\[^\n]*\n)*module \\(\S+)\n(.*?)^end\n", re.MULTILINE | re.DOTALL)
CELL = re.compile(r"^(  cell )\\(\S+)( \\\S+)$", re.MULTILINE)
PORT = re.compile(r"^(  wire [^\n]*)(input|output) \d+ ", re.MULTILINE)


def merge_modules(rtlil: str, names: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The design with one module for all that are equal, and the new name of every module.

    names : what each module should be called; modules of one name and different content are numbered.
    Assumes Amaranth's own module names, the path of instances joined by dots.
    """
    modules = {match[1]: match for match in MODULE.finditer(rtlil)}
    renamed: dict[str, str] = {}
    owners: dict[str, str] = {}
    for old in sorted(modules, key=lambda path: -path.count(".")):
        key = _order_free(_rename_cells(modules[old][2], renamed))
        renamed[old] = next(new for new in _candidates(names[old]) if owners.setdefault(new, key) == key)
    kept: dict[str, str] = {}
    for old, new in renamed.items():
        kept.setdefault(new, old)
    texts = [
        _rename_cells(match[0], renamed).replace(f"module \\{old}\n", f"module \\{renamed[old]}\n", 1)
        for old, match in modules.items()
        if kept[renamed[old]] == old
    ]
    return "\n".join(texts), renamed


def _candidates(name: str) -> Iterator[str]:
    return chain([name], (f"{name}_{number}" for number in count(1)))


def _rename_cells(body: str, renamed: Mapping[str, str]) -> str:
    return CELL.sub(lambda cell: f"{cell[1]}\\{renamed.get(cell[2], cell[2])}{cell[3]}", body)


def _order_free(body: str) -> str:
    """The body without the order of its ports and connections, which follows the order of use elsewhere."""
    return "\n\n".join(sorted(map(_sort_lines, body.split("\n\n"))))


def _sort_lines(block: str) -> str:
    if block.lstrip().startswith("process"):
        return block
    return "\n".join(sorted(PORT.sub(r"\1\2 ", block).split("\n")))
