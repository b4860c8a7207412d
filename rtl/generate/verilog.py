"""Verilog of an Amaranth component that people can read.

Documented names, equal modules once, no aliases, memory contents in files beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from amaranth.back import rtlil
from amaranth.hdl import Fragment, IOPort, Value
from amaranth.hdl._ir import Design, PortDirection
from amaranth.lib import wiring

from bcsim.common.leftovers import scratch_folder
from bcsim.rtl.tools.memory_images import MemoryImage, initialise_memories, mark_memories, take_images
from bcsim.rtl.tools.merge import merge_modules
from bcsim.rtl.tools.naming import (
    STATES,
    describe_states,
    module_names,
    plain_names,
    rename_signals,
)
from bcsim.rtl.tools.yosys import run_yosys

__all__ = ["Port", "Verilog", "to_verilog"]

SCRIPT = """\
read_rtlil design.il
proc -nomux -norom
memory_collect
write_verilog design.v
"""
ATTRIBUTE = re.compile(r"^ *\(\* (?!bcsim_).*\*\)\n", re.MULTILINE)
STATE = re.compile(rf'^ *\(\* {STATES} = "(.*)" \*\)\n(  reg .*;)\n', re.MULTILINE)
REPEATED = re.compile(
    r"^(  (?:input|output) (?:\[\d+:0\] )?(\S+ ?);\n)  wire (?:\[\d+:0\] )?\2;\n", re.MULTILINE
)
START = re.compile(r"\\\$auto\$verilog_backend\.cc:\d+:dump_module\$\d+ ")
AT_TIME_ZERO = """\
  // Its change at time 0 has the blocks below evaluated once, also those whose inputs never change.
  reg at_time_zero;
  initial at_time_zero <= 0;
"""
BARE = re.compile(r"^  always @\*\n    (.* = .*;)\n", re.MULTILINE)
MODULE = re.compile(r"^module (\S+?) ?\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the top module: direction is `input`, `output` or `inout`, width in bits."""

    name: str
    direction: str
    width: int


@dataclass(frozen=True, slots=True)
class Verilog:
    """text : the modules, top first. images : the text of each memory's $readmemh file, by its name."""

    text: str
    images: Mapping[str, str]
    ports: tuple[Port, ...]


def to_verilog(
    component: wiring.Component, name: str, *, prefix: str = "", lines: Sequence[IOPort] = ()
) -> Verilog:
    """Verilog of a component, elaborated here, as module `name` with clock `clk` and synchronous reset `rst`.

    prefix : of all other modules' names and of the memories' files, so that two designs can be one.
    lines : ports of both directions, which are in no signature.

    Raises BcsimError where Yosys is missing or fails.
    """
    design = _design(component, name, lines)
    rename_signals(design)
    images = take_images(design, prefix)
    text, _ = rtlil.convert_fragment(design, emit_src=False)
    names = {
        path: named if path == name else replace(named, name=prefix + named.name)
        for path, named in module_names(design).items()
    }
    merged, renamed = merge_modules(mark_memories(text, images), names)
    titles = {new: names[old].title for old, new in renamed.items()}
    ports = tuple(
        Port(label, direction.value if direction else "inout", len(signal))
        for label, signal, direction in design.ports
    )
    return Verilog(
        text=plain_names(_finish(_write_verilog(merged), titles, images)),
        images={image.file: image.text for image in images if not image.inline},
        ports=ports,
    )


def _design(component: wiring.Component, name: str, lines: Sequence[IOPort]) -> Design:
    ports: dict[str, tuple[Value | IOPort, PortDirection | None]] = {
        line.name: (line, None) for line in lines
    }
    for path, member, value in component.signature.flatten(component):
        direction = PortDirection.Input if member.flow == wiring.In else PortDirection.Output
        ports["_".join(map(str, path))] = (Value.cast(value), direction)
    fragment = Fragment.get(component, None)
    describe_states(fragment)
    return fragment.prepare(ports=ports, hierarchy=(name,))


def _write_verilog(text: str) -> str:
    with scratch_folder() as folder:
        (folder / "design.il").write_text(text)
        run_yosys(SCRIPT, cwd=folder)
        return (folder / "design.v").read_text()


def _finish(verilog: str, titles: Mapping[str, str], images: Sequence[MemoryImage]) -> str:
    """Initial contents for the memories, a comment for every module, and none of Yosys' attributes."""
    plain = initialise_memories(STATE.sub(r"\2  // \1\n", ATTRIBUTE.sub("", verilog)), images)
    plain = START.sub("at_time_zero", REPEATED.sub(r"\1", plain))
    plain = plain.replace("  reg at_time_zero = 0;\n", AT_TIME_ZERO)
    plain = BARE.sub(r"  always @* begin\n    if (at_time_zero) begin end\n    \1\n  end\n", plain)

    def title(module: re.Match[str]) -> str:
        text = titles.get(module[1].lstrip("\\"), "")
        return f"// {text}\n{module[0]}" if text else module[0]

    return MODULE.sub(title, plain.partition("\n")[2].lstrip("\n"))
