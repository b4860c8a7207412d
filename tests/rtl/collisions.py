"""Verilog whose memories give nonsense where a word is read while it is written.

Block memories differ in what they give then; a design that runs equal on these memories does not care.
"""

from __future__ import annotations

import re

__all__ = ["spoil_collisions"]

MODULE = re.compile(r"^module .*?^endmodule$", re.MULTILINE | re.DOTALL)
WRITE = re.compile(
    r"^    (?:if \((?P<enable>.*)\)\n      )?(?P<memory>\w+)\[(?P<address>[^\n]*?)\](?:\[[\d:]+\])? <= .*;$",
    re.MULTILINE,
)


def spoil_collisions(verilog: str) -> str:
    """The design with every colliding read complemented. Raises ValueError where it has no memory that is written."""
    spoilt = MODULE.sub(lambda module: _spoil(module[0]), verilog)
    if spoilt == verilog:
        raise ValueError("No memory is both read and written")
    return spoilt


def _spoil(module: str) -> str:
    for memory in set(re.findall(r"^  reg (?:\[\d+:0\] )?(\w+) \[\d+:0\];$", module, re.MULTILINE)):
        writes = [found for found in WRITE.finditer(module) if found["memory"] == memory]
        collides = " || ".join(f"(({w['enable'] or 1}) && ({w['address']}) == ADDRESS)" for w in writes)
        read = re.compile(rf"^( *\w+ <= )({memory}\[(.*)\]);$", re.MULTILINE)
        if writes:
            module = read.sub(
                lambda r, c=collides: f"{r[1]}{c.replace('ADDRESS', r[3])} ? ~{r[2]} : {r[2]};", module
            )
    return module
