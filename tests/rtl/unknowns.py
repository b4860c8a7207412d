"""Verilog whose registers and memories hold nothing when the clock starts, for a simulator that knows unknown values.

What an unknown value decides becomes unknown: an `if` or a `case` would take its other branch, so all choices are made
by `?:`.
"""

from __future__ import annotations

import re

from bcsim.common.leftovers import scratch_folder
from bcsim.rtl.tools.yosys import run_yosys

__all__ = ["without_contents", "without_reset"]

VALUE = re.compile(r"^(  reg (?:\[\d+:0\] )?\w+) = \d*'?\w+;", re.MULTILINE)
WORDS = re.compile(r"^  initial begin : initialise_\w+\n((?:    .*\n)*)  end\n", re.MULTILINE)
GIVEN = re.compile(r"^    \w+\[\d+\] = \d+'h(?!0;)\w+;\n", re.MULTILINE)
"""A register that never changes, of the words that the Verilog itself holds: no bitstream is without it."""


def without_contents(verilog: str) -> str:
    """The design without initial values but those that never change.

    Raises ValueError where it has no registers or no memories with any.
    """
    spoilt, registers = VALUE.subn(r"\1;", verilog)
    spoilt, memories = WORDS.subn(_given, spoilt)
    if not registers or not memories:
        raise ValueError("No register or no memory has an initial value")
    with scratch_folder() as folder:
        (folder / "design.v").write_text(spoilt)
        run_yosys("read_verilog design.v\nproc\npmuxtree\nwrite_verilog -noattr choices.v", cwd=folder)
        return (folder / "choices.v").read_text()


def _given(words: re.Match[str]) -> str:
    given = "".join(GIVEN.findall(words[1]))
    return f"  initial begin\n{given}  end\n" if given else ""


def without_reset(verilog: str, module: str, register: str) -> str:
    """The design with one register of a module that the reset does not reach. Raises ValueError where none is."""
    start = re.search(rf"^module {module}\(", verilog, re.MULTILINE)
    reset = re.compile(rf"^    if \(rst\) begin\n      {register}_next = .*;\n    end\n", re.MULTILINE)
    found = reset.search(verilog, start.start()) if start else None
    if found is None or "endmodule" in verilog[start.start() : found.start()]:
        raise ValueError(f"Module {module} has no register {register} that the reset reaches")
    return verilog[: found.start()] + verilog[found.end() :]
