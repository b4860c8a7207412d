"""Blocks of accelerators on FPGA families, by Yosys: `python -m bcsim.rtl.generate.measure_blocks --family ecp5`.

Of ECP5 every machine of SHAPES is synthesised with its hierarchy kept, so that a module that it has many times is
measured once. Random machines are synthesised as a whole, flat, as a user's design is: blocks share what lies between
them then. What both take goes into a table from which bcsim.costs.calibration fits its weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from bcsim.common.console import track
from bcsim.common.files import write_text
from bcsim.common.leftovers import scratch_folder
from bcsim.compiler.mapping.image import Image
from bcsim.costs.block_features import BLOCKS
from bcsim.costs.calibration import MEASURED, table_machine
from bcsim.machine.parameters import Machine, parse_machine
from bcsim.machine.records import drain_fields, issue_fields, record_bits, stream_fields
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.generate.random_machines import CALIBRATED, random_machine
from bcsim.rtl.generate.verilog import to_verilog
from bcsim.rtl.tools.memory_images import without_contents
from bcsim.rtl.tools.synthesis import FAMILIES, Family, Resources, synthesise
from bcsim.rtl.tools.yosys import run_yosys

__all__ = ["MACHINES", "WHOLES", "measure_blocks", "measure_whole"]

WHOLES = 24
"""Random machines of a table."""

NARROW = (
    "record_bits=chunks:4 planes:0 tiles:4 read_base:7 wait:2 drain_full:6 drain_last:5 doubles:1 read_base_odd:7 "
    "sources:0 kernel_rows:2 kernel_columns:2 window_rows:1 window_columns:1 rows:5 columns:5 source_stride:1 "
    "kernel_row_stride:7 kernel_column_stride:5 window_row_stride:7 window_column_stride:4 row_stride:7 "
    "column_stride:5 tile_stride:1 origin:7 top:6 left:6 height:6 width:6 down:1 right:1 pool_down:2 pool_right:2 "
    "rounds_full:2 rounds_last:2 write_base:7 positions:10 window:2 beats:8 base:1 base_odd:5 classes:4"
)
LEAN = "loading=false,counters=false,readable_parameters=false,watchdog=false"
SHAPES = (
    f"lanes=4,pes=4,requantisers=2,digit=4,accumulator_bits=14,fraction_bits=10,{LEAN}",
    "lanes=8,pes=12,requantisers=2,digit=8,accumulator_bits=18,offset_bits=36,step_bits=32",
    "lanes=16,pes=16,requantisers=4,digit=1,accumulator_bits=12,fraction_bits=4,activation_bits=1,offset_bits=18",
    "lanes=12,pes=6,requantisers=6,digit=2,accumulator_bits=16,shift_planes=true,counters=false",
    f"lanes=32,pes=32,requantisers=8,digit=8,accumulator_bits=20,weight_words=64,{LEAN}",
    "lanes=16,pes=32,requantisers=16,digit=4,accumulator_bits=15,fraction_bits=8,activation_bits=4",
    f"lanes=8,pes=8,requantisers=4,digit=4,accumulator_bits=18,spatial=true,{LEAN}",
    "lanes=16,pes=16,requantisers=2,digit=8,accumulator_bits=21,offset_bits=39,step_bits=31,spatial=true,"
    "activation_words=4096,weight_words=8192,readable_parameters=false",
    "lanes=4,pes=8,requantisers=4,digit=1,accumulator_bits=13,fraction_bits=5,spatial=true,shift_planes=true,"
    "activation_words=1024,watchdog=false",
    "lanes=24,pes=48,requantisers=8,digit=2,accumulator_bits=17,fraction_bits=10,activation_bits=4,spatial=true,reuse=4",
    f"lanes=8,pes=16,requantisers=4,digit=8,accumulator_bits=20,spatial=true,reuse=8,offset_bits=38,{LEAN}",
    f"lanes=16,pes=16,requantisers=8,digit=4,accumulator_bits=18,offset_bits=36,step_bits=32,{LEAN},{NARROW}",
    f"lanes=8,pes=8,requantisers=2,digit=2,spatial=true,offset_bits=38,step_bits=32,{LEAN},{NARROW}",
)
"""Dense and spatial machines that have every feature of the model in several amounts."""

MACHINES = tuple(table_machine(shape) for shape in SHAPES)


def measure_blocks(machine: Machine, family: Family) -> dict[str, list[int]]:
    """LUT sites and flip-flops of one of each block. Raises BcsimError where Yosys is missing or fails."""
    modules = _modules(machine, family)
    return {
        block: [
            sum(part)
            for part in zip(
                *(_total(modules, f"\\{name}", family) for name in names if f"\\{name}" in modules),
                strict=True,
            )
        ]
        or [0, 0]
        for block, names in BLOCKS.items()
    }


def measure_whole(machine: Machine, family: Family) -> Resources:
    """What the whole machine takes, without hierarchy. Raises BcsimError where Yosys is missing or fails."""
    with scratch_folder() as folder:
        _write_verilog(folder, machine)
        return synthesise(folder / "design.v", "top", family)


def _write_verilog(folder: Path, machine: Machine) -> None:
    verilog = to_verilog(Accelerator(machine, _image(machine)), "top")
    (folder / "design.v").write_text(without_contents(verilog.text))
    for name, contents in verilog.images.items():
        (folder / name).write_text(contents)


def _image(machine: Machine) -> Image | None:
    """Random words where the machine takes no program over the bus; modules of their own, they change no other one."""
    if machine.loading:
        return None
    rng = np.random.default_rng(0)
    words = (machine.requantisers, machine.parameter_words)

    def records(bits: int) -> tuple[int, ...]:
        return tuple(int.from_bytes(rng.bytes(64), "little") % (1 << bits) for _ in range(machine.layers))

    weights = rng.integers(0, 256, (machine.weight_words, -(-machine.slots // 8)), np.uint8)
    weights[:, -1] &= 0xFF >> -machine.slots % 8
    return Image(
        weights=weights,
        streamed=np.zeros((0, -(-machine.slots // 8)), np.uint8),
        offsets=rng.integers(-1 << machine.remainder_bits - 2, 1 << machine.remainder_bits - 2, words),
        divisors=rng.integers(0, 1 << machine.divisor_bits - 1, words),
        minimum=rng.integers(0, 2, words) > 0,
        issue=records(record_bits(issue_fields(machine))),
        drain=records(record_bits(drain_fields(machine))),
        stream=records(record_bits(stream_fields(machine)))[0],
    )


def _modules(machine: Machine, family: Family) -> Mapping[str, Any]:
    keep = "" if "-flatten" in family.command else " -noflatten"
    command = family.command.replace(" -flatten", "") + keep
    with scratch_folder() as folder:
        _write_verilog(folder, machine)
        run_yosys(f"read_verilog design.v\n{command} -top top\ntee -q -o cells.json stat -json", cwd=folder)
        modules: Mapping[str, Any] = json.loads((folder / "cells.json").read_text())["modules"]
    return modules


def _total(modules: Mapping[str, Any], name: str, family: Family) -> tuple[int, int]:
    """Of a module and those within; of the glue's modules, those that are blocks of their own or memories left out."""
    inside = name in {f"\\{module}" for module in BLOCKS["glue"]}
    luts = flip_flops = 0
    for cell, number in modules[name]["num_cells_by_type"].items():
        luts += family.luts.get(cell, 0) * number
        flip_flops += number * (cell in family.flip_flops)
        if f"\\{cell}" in modules and not inside:
            within = _total(modules, f"\\{cell}", family)
            luts, flip_flops = luts + number * within[0], flip_flops + number * within[1]
    return luts, flip_flops


def _blocks(text: str, family: Family) -> dict[str, Any]:
    return {"machine": text, "blocks": measure_blocks(MACHINES[SHAPES.index(text)], family)}


def _whole(text: str, family: Family) -> dict[str, Any]:
    return {"machine": text, **asdict(measure_whole(parse_machine(text), family))}


def main(
    family: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(FAMILIES)}; all.")] = None,
    folder: Annotated[Path, typer.Option(help="Where the tables are.")] = Path("bcsim/costs/parts"),
    again: Annotated[bool, typer.Option(help="Measure what the tables hold already, too.")] = False,
    wholes: Annotated[int, typer.Option(help="Random machines.")] = WHOLES,
) -> None:
    """Measure the blocks of the machines of the model; tables go on where they were interrupted."""
    drawn = [random_machine(CALIBRATED + n) for n in range(wholes)]
    for name in family or FAMILIES:
        texts = {"machines": list(SHAPES) if name == MEASURED else [], "wholes": drawn}
        path = folder / f"{name}.json"
        known = json.loads(path.read_text()) if path.exists() and not again else {}
        table: dict[str, Any] = {"family": name, "yosys": version("pyosys")}
        for kind, measure in (("machines", _blocks), ("wholes", _whole)):
            measured = {entry["machine"]: entry for entry in known.get(kind, [])}
            table[kind] = []
            # Whole machines of other seeds stay: the more, the better.
            listed = dict.fromkeys([*texts[kind], *(measured if kind == "wholes" else ())])
            for text in track(list(listed), f"Synthesis for {name}: {kind}"):
                table[kind].append(measured.get(text) or measure(text, FAMILIES[name]))
                write_text(path, json.dumps(table | _left(known, table), indent=1) + "\n")


def _left(known: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """What the file holds and was not come to yet."""
    return {kind: known[kind] for kind in ("machines", "wholes") if kind in known and kind not in table}


if __name__ == "__main__":
    typer.run(main)
