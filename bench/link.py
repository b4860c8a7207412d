"""LUT sites, flip-flops and block memories of the serial link alone, by Yosys.

python -m bench.link [--family ice40 ...] [--divisor 30] [--blocks] [--json]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from amaranth.lib import wiring

from bcsim.rtl.generate.resources import component_resources
from bcsim.rtl.link.answer import Answer
from bcsim.rtl.link.framing import Deframer, Framer
from bcsim.rtl.link.image_words import ImageWords
from bcsim.rtl.link.inbox import Inbox
from bcsim.rtl.link.layouts import greeting
from bcsim.rtl.link.link import Link
from bcsim.rtl.link.outbox import Outbox
from bcsim.rtl.link.serial_link import SerialLink
from bcsim.rtl.link.uart import Receiver, Transmitter
from bcsim.rtl.tools.synthesis import FAMILIES
from bench.common import run_main

GREETING = greeting(4, 0x12345678, 0x9ABCDEF0)


def measure(family: str, registers: bool, divisor: int) -> dict[str, Any]:
    """What the link takes on the family, with words of four bytes."""
    link = SerialLink(Link(input_bytes=4, greeting=GREETING, registers=registers), divisor=divisor)
    resources, _ = component_resources(link, FAMILIES[family])
    return {"family": family, "registers": registers, **asdict(resources)}


def blocks(divisor: int) -> dict[str, wiring.Component]:
    """The link's blocks, each by itself; the answer has the framer in it."""
    return {
        "Receiver": Receiver(divisor=divisor),
        "Transmitter": Transmitter(divisor=divisor),
        "Deframer": Deframer(),
        "Framer": Framer(),
        "Inbox": Inbox(),
        "Outbox": Outbox(),
        "Answer": Answer(greeting=GREETING),
        "ImageWords": ImageWords(size=4),
    }


def measure_blocks(family: str, divisor: int) -> list[dict[str, Any]]:
    """What each block takes on the family; together they are more than the link, which is flattened."""
    return [
        {"family": family, "block": name, **asdict(component_resources(block, FAMILIES[family])[0])}
        for name, block in blocks(divisor).items()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", nargs="+", default=["ice40", "ecp5"], choices=list(FAMILIES))
    parser.add_argument("--divisor", type=int, default=30)
    parser.add_argument("--blocks", action="store_true", help="each block by itself, images alone")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [
        row
        for family in options.family
        for row in (
            measure_blocks(family, options.divisor)
            if options.blocks
            else [measure(family, registers, options.divisor) for registers in (False, True)]
        )
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        form = row.get("block") or ("with registers" if row["registers"] else "images alone")
        print(
            f"{row['family']:>9}, {form}: {row['luts']} LUTs, {row['flip_flops']} flip-flops, "
            f"{row['memories']} memories"
        )


if __name__ == "__main__":
    run_main(main)
