"""Which block memories a machine's memories become on an FPGA family, as Yosys maps them (docs/fit.md).

Where the bus loads a memory of more than 32 bits, each 32 bits are written alone and take blocks of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bcsim.costs.memory_blocks import BLOCKS, SLICE_BITS, fewest_blocks, written_parts
from bcsim.costs.single_ports import single_port_memories
from bcsim.costs.structure import machine_memories
from bcsim.machine.parameters import Machine
from bcsim.machine.records import (
    drain_fields,
    issue_fields,
    record_bits,
    stream_fields,
    weight_stream_fields,
)

__all__ = ["MemoryUse", "memory_use"]


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """What memories take. name : which ones, as bcsim.costs.structure.machine_memories has it, `record` or
    `stream`."""

    luts: int
    flip_flops: int
    blocks: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a family holds memories.

    shallow : words up to which LUTs or flip-flops hold them.
    luts : for a word's bit in a shallow memory. by_depth : whether flip-flops hold its words, as there are no memories
        of LUTs.
    logic : LUTs for a bit of 17 to SHALLOW words that nothing writes; 0 where that was not measured.
    byte_bits : that a block writes alone. few : LUT memories of 16 x 4 bits up to which they are taken for one whose
        parts are written alone.
    """

    shallow: int
    luts: float
    logic: float = 0.0
    by_depth: bool = False
    byte_bits: int = 0
    few: int = 0


RULES: Mapping[str, Rules] = {
    "ecp5": Rules(32, 1.0, logic=2.0, byte_bits=9, few=10),
    "gowin": Rules(32, 1.0, logic=2.0, byte_bits=9, few=10),
    "7-series": Rules(64, 0.75),
    "ice40": Rules(4, 2.1, logic=3.7, by_depth=True),
}

SHALLOW = 32
"""Words up to which the generator leaves a memory that nothing writes to logic (rtl/tools/memory_images.py)."""
LOGIC = ((2, 0.0), (4, 0.1), (8, 0.7), (16, 1.0))
"""Words of a memory that is logic, at most, and LUTs of 4 inputs for a bit of them: Yosys 0.70 on random words. Beyond
16 they differ by family."""


def memory_use(machine: Machine, family: str, single_ports: int = 0) -> list[MemoryUse]:
    """Of every memory, the stream record's register included.

    single_ports : memories of one port that the part has, which the activation memories are where they can be.
    """
    apart = 0 < single_port_memories(machine) <= single_ports
    uses = [
        replace(
            MemoryUse(0, width, 0)
            if apart and name == "activation"
            else _constant(width, words, family, number)
            if RULES[family].logic and words <= SHALLOW and not _is_written(name, machine)
            else _use(width, words, part, family, number),
            name=name,
        )
        for name, width, words, part, number in _memories(machine)
    ]
    stream = record_bits(stream_fields(machine)) if machine.loading else 0
    return [*uses, MemoryUse(0, stream, 0, "stream")]


def _memories(machine: Machine) -> Iterator[tuple[str, int, int, int, int]]:
    """Its name, bits of a word, words, bits that are written at once, and how many there are."""
    shapes = machine_memories(machine)
    for name, shape in shapes.items():
        if name in ("output", "pool"):  # measured within their blocks
            continue
        loaded = name in ("weight", "parameter")
        written = SLICE_BITS if loaded and machine.loading else shape.word_bits
        if name == "activation":
            written = machine.digit * machine.requantisers
        yield name, shape.word_bits, shape.words, written, shape.memories
    records = [record_bits(issue_fields(machine)), record_bits(drain_fields(machine))]
    if machine.weight_stream_bytes:
        records.append(record_bits(weight_stream_fields(machine)))
    for bits in records:
        yield "record", bits, max(2, machine.layers), SLICE_BITS if machine.loading else bits, 1


def _is_written(name: str, machine: Machine) -> bool:
    """Whether anything writes the memory once the part is configured."""
    streamed = name == "weight" and machine.weight_stream_bytes > 0
    return machine.loading or streamed or name not in ("weight", "parameter", "record")


def _constant(width: int, words: int, family: str, number: int) -> MemoryUse:
    """Of memories that are logic, and a register behind each."""
    luts = next((luts for most, luts in LOGIC if words <= most), RULES[family].logic)
    return MemoryUse(round(number * width * luts), number * width, 0)


def _use(width: int, words: int, part: int, family: str, number: int) -> MemoryUse:
    """Of `number` memories: a register behind each, and what holds the words."""
    rules = RULES[family]
    if words <= rules.shallow or _in_luts(width, words, part, rules):
        held = width * (words if rules.by_depth else 1)
        deeper = width if words > 16 and not rules.by_depth else 0
        return MemoryUse(round(number * (width * rules.luts + 2 * deeper)), number * (held + width), 0)
    blocks = _blocks(width, words, part, family)
    return MemoryUse(number * _selection(width, part, words, family), number * width, number * blocks)


def _in_luts(width: int, words: int, part: int, rules: Rules) -> bool:
    """Whether Yosys takes LUTs for what would fill little of its blocks: where parts are written alone."""
    return 0 < -(-words // 16) * -(-width // 4) <= rules.few and part < width


def _blocks(width: int, words: int, part: int, family: str) -> int:
    """The fewest blocks. Those of 36 and 18 bits write every 9 alone, so that narrow parts share one."""
    parts = written_parts(width, part)
    fewest = sum(fewest_blocks(bits, words, family) for bits in parts)
    if not RULES[family].byte_bits:
        return fewest
    lanes = sum(-(-bits // RULES[family].byte_bits) for bits in parts)
    sharing = [
        -(-words // depth) * -(-lanes // (wide // RULES[family].byte_bits))
        for depth, wide in BLOCKS[family]
        if wide > RULES[family].byte_bits
    ]
    return min(fewest, *sharing)


def _selection(width: int, part: int, words: int, family: str) -> int:
    """LUTs behind a memory that is deeper than a block: one for a bit and every row of blocks but the first."""
    bits = min(part, width)
    _, rows = min(
        (-(-words // depth) * -(-bits // wide), -(-words // depth)) for depth, wide in BLOCKS[family]
    )
    return width * (rows - 1)
