"""Modules of a Verilog design in the gates of a standard-cell library, and the nets between them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bcsim.rtl.tools.yosys import run_yosys
from bench.gates_library import Cell, Library

__all__ = ["GateModule", "Instance", "Net", "map_to_gates"]

SEPARATOR = "__"
"""Between the names of a path below a module."""
MODULE = re.compile(r"^module (\S+?) *\(.*?^endmodule\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Instance:
    """A cell of a module. block : the module of the source that it comes from."""

    name: str
    block: str
    cell: Cell


@dataclass(frozen=True, slots=True)
class Net:
    """A wire of one bit: the instance and pin that drives it, None if it comes from outside, and all that it drives."""

    driver: tuple[str, str] | None
    loads: tuple[tuple[str, str], ...]

    @property
    def seen(self) -> tuple[str, str]:
        """An instance and pin on which its changes can be counted."""
        return self.driver or self.loads[0]


@dataclass(frozen=True, slots=True)
class GateModule:
    """One module, flat."""

    name: str
    instances: Mapping[str, Instance]
    nets: Sequence[Net]


def map_to_gates(
    folder: Path, file: str, tops: Sequence[str], inner: Sequence[str], library: Library
) -> list[GateModule]:
    """The modules `tops` of a file of a folder, with all of `inner` below them; writes `mixed.v` there, in which they
    are gates and all other modules are as they were.

    Each module is mapped by itself, so that a gate belongs to one. Raises BcsimError where Yosys fails.
    """
    names = [*tops, *inner]
    steps = [
        f"read_verilog {file}",
        f"select {' '.join(names)}",
        *("proc", "opt", "wreduce", "alumacc", "opt", "techmap", "opt"),
        f"dfflibmap -liberty {library.path}",
        # 10 ns: an adder of a fast library; nothing here is held to a clock.
        f"abc -liberty {library.path} -D 10000",
        *("opt_clean", "setundef -zero"),
        *(f'setattr -set block "{name}" {name}/t:{prefix}' for name in names for prefix in library.cells),
        f"flatten -noscopeinfo -separator {SEPARATOR} {' '.join(tops)}",
        # Both files have the same names so: a private one would be renamed in the Verilog alone.
        f"rename -enumerate -pattern gate_% {' '.join(tops)}",
        *("opt_clean", "write_json -selected gates.json"),
        "write_verilog -noattr -noexpr -selected gates.v",
    ]
    run_yosys("\n".join(steps), cwd=folder)
    source = (folder / file).read_text()
    kept = "\n".join(module[0] for module in MODULE.finditer(source) if module[1] not in names)
    (folder / "mixed.v").write_text(f"`timescale 1ns/1ps\n{kept}\n{_tops(folder, tops)}")
    modules = json.loads((folder / "gates.json").read_text())["modules"]
    return [_gate_module(name, modules[name]["cells"], library) for name in tops]


def _tops(folder: Path, tops: Sequence[str]) -> str:
    return "\n".join(m[0] for m in MODULE.finditer((folder / "gates.v").read_text()) if m[1] in tops)


def _gate_module(name: str, cells: Mapping[str, dict[str, Any]], library: Library) -> GateModule:
    instances = {
        cell: Instance(
            cell, str(content["attributes"].get("block", name)), library.cells[str(content["type"])]
        )
        for cell, content in cells.items()
    }
    return GateModule(name, instances, list(_nets(instances, cells)))


def _nets(instances: Mapping[str, Instance], cells: Mapping[str, dict[str, Any]]) -> Iterator[Net]:
    drivers: dict[int, tuple[str, str]] = {}
    loads: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for name, content in cells.items():
        for pin, (bit,) in content["connections"].items():
            if pin in instances[name].cell.outputs:
                drivers[bit] = (name, pin)
            elif isinstance(bit, int):
                loads[bit].append((name, pin))
    for bit in drivers.keys() | loads.keys():
        yield Net(drivers.get(bit), tuple(loads[bit]))
