"""FPGA resources of a design, and the proof that it multiplies nowhere, by Yosys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bcsim.common.leftovers import scratch_folder
from bcsim.rtl.tools.memory_images import without_contents
from bcsim.rtl.tools.yosys import run_yosys

__all__ = ["FAMILIES", "Family", "Resources", "count_multipliers", "synthesise"]

MULTIPLIERS = ("$mul", "$macc", "$macc_v2", "$div", "$mod", "$divfloor", "$modfloor", "$pow")
"""Yosys' cells that multiply or divide, before any of them is mapped to something else."""


@dataclass(frozen=True, slots=True)
class Family:
    """How Yosys synthesises for an FPGA family, with DSP blocks allowed, and how its cells are counted.

    command : the pass, without the top module.
    luts : LUT sites that a cell of a type occupies; an adder of n bits takes n sites.
    six_input_luts : what `Machine.six_input_luts` should be.
    """

    name: str
    command: str
    luts: Mapping[str, int]
    flip_flops: tuple[str, ...]
    memories: tuple[str, ...]
    dsps: tuple[str, ...]
    six_input_luts: bool = False


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            "ecp5",
            "synth_ecp5",
            {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
            ("TRELLIS_FF",),
            ("DP16KD", "PDPW16KD"),
            ("MULT18X18D", "ALU54B", "MULT9X9D"),
        ),
        Family(
            "ice40",
            "synth_ice40 -dsp",
            {"SB_LUT4": 1},
            tuple(f"SB_DFF{kind}" for kind in ("", "E", "SR", "R", "SS", "S", "ESR", "ER", "ESS", "ES")),
            ("SB_RAM40_4K", "SB_SPRAM256KA"),
            ("SB_MAC16",),
        ),
        Family(
            "7-series",
            "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf",
            {f"LUT{inputs}": 1 for inputs in range(1, 7)}
            | {
                "RAM32M": 4,
                "RAM64M": 4,
                "RAM32X1D": 2,
                "RAM64X1D": 2,
                "RAM128X1D": 4,
                "SRL16E": 1,
                "SRLC32E": 1,
            },
            ("FDRE", "FDSE", "FDCE", "FDPE"),
            ("RAMB18E1", "RAMB36E1"),
            ("DSP48E1",),
            six_input_luts=True,
        ),
        Family(
            "gowin",
            "synth_gowin -noiopads",
            {f"LUT{inputs}": 1 for inputs in range(1, 5)} | {"ALU": 1, "RAM16SDP4": 4},
            tuple(f"DFF{kind}" for kind in ("", "E", "R", "RE", "S", "SE", "C", "CE", "P", "PE")),
            ("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9"),
            ("MULT9X9", "MULT18X18", "MULT36X36", "MULTALU18X18", "MULTADDALU18X18"),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Resources:
    """LUT sites, flip-flops, block memories and DSP blocks of a design."""

    luts: int
    flip_flops: int
    memories: int
    dsps: int


def synthesise(source: Path, top: str, family: Family) -> Resources:
    """What module `top` of a Verilog file takes, without the contents of memories that are written.

    The files of others lie beside it. Raises BcsimError.
    """
    cells = _statistics(source, f"{family.command} -top {top}")

    def total(types: tuple[str, ...]) -> int:
        return sum(cells.get(type_, 0) for type_ in types)

    return Resources(
        luts=sum(cells.get(type_, 0) * sites for type_, sites in family.luts.items()),
        flip_flops=total(family.flip_flops),
        memories=total(family.memories),
        dsps=total(family.dsps),
    )


def count_multipliers(source: Path, top: str) -> int:
    """Cells of module `top` that multiply or divide, before synthesis could turn them into anything else."""
    cells = _statistics(source, f"hierarchy -top {top}\nproc\nflatten\nopt_expr\nopt_clean")
    return sum(cells.get(type_, 0) for type_ in MULTIPLIERS)


def _statistics(source: Path, script: str) -> Mapping[str, int]:
    """How many cells of each type a script leaves of a Verilog file."""
    with scratch_folder() as folder:
        (folder / "design.v").write_text(without_contents(source.read_text()))
        for image in source.parent.glob("*.mem"):
            (folder / image.name).symlink_to(image.resolve())
        run_yosys(f"read_verilog design.v\n{script}\ntee -q -o cells.json stat -json", cwd=folder)
        cells: Mapping[str, int] = json.loads((folder / "cells.json").read_text())["design"][
            "num_cells_by_type"
        ]
    return cells
