"""FPGA parts: what each holds, from the vendors' data sheets, and which family's measurements count for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bcsim.common.errors import BcsimError

__all__ = ["PARTS", "Delay", "Part", "find_part", "larger_part"]


@dataclass(frozen=True, slots=True)
class Delay:
    """The longest path in ns, from the placements that docs/fit.md lists (nextpnr 0.4 for iCE40, 0.11 for ECP5).

    base, remainder : of a requantiser's subtraction, and more for each of its bits that decide in one cycle.
    control, walk : of all else on a dense machine, and of the walkers' loops on a spatial one.
    memory, piped : more for each block memory, over which addresses spread; and with pipeline registers on their way.
    """

    base: float
    remainder: float
    control: float
    walk: float
    memory: float = 0.0
    piped: float = 0.0


@dataclass(frozen=True, slots=True)
class Part:
    """What a part holds.

    luts : LUT sites of 4 inputs, of 6 on 7-series. memories : block memories as the family counts them: 18 Kbit on
    ECP5, 7-series (half a RAMB36) and Gowin, 4 Kbit on iCE40. delay : None where nothing of the family was placed.
    single_ports : memories of 16,384 x 16 bits with one port.
    lone : of the flip-flops, those whose cell has no LUT in use, as a cell's LUT feeds its flip-flop alone. On iCE40 a
        half: 0.45 and 0.51 beside the estimated LUTs of what nextpnr packed into 2,684 and 3,664 cells (docs/fit.md).
    """

    name: str
    family: str
    luts: int
    flip_flops: int
    memories: int
    delay: Delay | None = None
    single_ports: int = 0
    lone: float = 0.0


UP5K, HX = Delay(17.8, 0.298, 25.8, 37.0), Delay(7.6, 0.128, 9.9, 14.2)
ECP5 = Delay(6.9, 0.0, 0.0, 10.0, memory=0.0517, piped=0.0172)
PARTS: Mapping[str, Part] = {
    part.name: part
    for part in (
        Part("up5k", "ice40", 5_280, 5_280, 30, UP5K, single_ports=4, lone=0.5),
        Part("hx1k", "ice40", 1_280, 1_280, 16, HX, lone=0.5),
        Part("hx4k", "ice40", 7_680, 7_680, 32, HX, lone=0.5),
        Part("hx8k", "ice40", 7_680, 7_680, 32, HX, lone=0.5),
        Part("lfe5u-12", "ecp5", 24_288, 24_288, 56, ECP5),
        Part("lfe5u-25", "ecp5", 24_288, 24_288, 56, ECP5),
        Part("lfe5u-45", "ecp5", 43_848, 43_848, 108, ECP5),
        Part("lfe5u-85", "ecp5", 83_640, 83_640, 208, ECP5),
        Part("gw1nr-9", "gowin", 8_640, 6_480, 26),
        Part("gw2ar-18", "gowin", 20_736, 15_552, 46),
        Part("gw2a-55", "gowin", 54_720, 41_040, 140),
        Part("xc7z010", "7-series", 17_600, 35_200, 120),
        Part("xc7a35t", "7-series", 20_800, 41_600, 100),
        Part("xc7z020", "7-series", 53_200, 106_400, 280),
        Part("xc7a100t", "7-series", 63_400, 126_800, 270),
    )
}
"""By name, from the smallest of a family to the largest. The lfe5u-12 is an lfe5u-25 to the open flow, and the hx4k an
hx8k."""


def find_part(name: str) -> Part:
    """The part of a name, whatever its case and package: LFE5U-85F-6BG381C is lfe5u-85. Raises BcsimError."""
    wanted = name.lower().removeprefix("ice40").removeprefix("-")
    found = [part for key, part in PARTS.items() if wanted.startswith(key)]
    if not found:
        raise BcsimError(f"Unknown part {name!r}; known are {', '.join(PARTS)}")
    return found[-1]


def larger_part(part: Part) -> Part | None:
    """The next larger one of the family, if there is one."""
    return next((p for p in PARTS.values() if p.family == part.family and p.luts > part.luts), None)
