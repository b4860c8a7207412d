"""LUT sites, flip-flops and block memories of the serial link alone, by Yosys.

python -m bench.link [--family ice40 ...] [--divisor 30] [--json]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from bcsim.rtl.generate.resources import component_resources
from bcsim.rtl.link.layouts import greeting
from bcsim.rtl.link.link import Link
from bcsim.rtl.link.serial_link import SerialLink
from bcsim.rtl.tools.synthesis import FAMILIES
from bench.common import run_main

GREETING = greeting(4, 0x12345678, 0x9ABCDEF0)


def measure(family: str, registers: bool, divisor: int) -> dict[str, Any]:
    """What the link takes on the family, with words of four bytes."""
    link = SerialLink(Link(input_bytes=4, greeting=GREETING, registers=registers), divisor=divisor)
    resources, _ = component_resources(link, FAMILIES[family])
    return {"family": family, "registers": registers, **asdict(resources)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", nargs="+", default=["ice40", "ecp5"], choices=list(FAMILIES))
    parser.add_argument("--divisor", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [
        measure(family, registers, options.divisor)
        for family in options.family
        for registers in (False, True)
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        form = "with registers" if row["registers"] else "images alone"
        print(
            f"{row['family']:>9}, {form}: {row['luts']} LUTs, {row['flip_flops']} flip-flops, "
            f"{row['memories']} memories"
        )


if __name__ == "__main__":
    run_main(main)
