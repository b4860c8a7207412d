"""What a machine's memories take of an FPGA family, each mapped as Yosys maps it (memory_mapping.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from bcsim.costs.control_widths import used_bits
from bcsim.costs.memory_mapping import BLOCK, LUTS, Mapped, Memory, map_memory
from bcsim.costs.single_ports import single_port_memories
from bcsim.costs.structure import machine_memories
from bcsim.machine.parameters import Machine
from bcsim.machine.record_parts import Fields
from bcsim.machine.records import (
    drain_fields,
    issue_fields,
    record_bits,
    stream_fields,
    weight_stream_fields,
)
from bcsim.machine.widths import SLICE_BITS

__all__ = ["MemoryUse", "distinct_bits", "machine_block_memories", "memory_use"]


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """What memories alike take.

    name : which ones, as bcsim.costs.structure.machine_memories has it, `record`, `counters` or `stream`.
    sites : LUT sites that are memory. selected : bits that are selected among rows, once for every row but the first.
    luts : about, of what is logic.
    flip_flops : of words that flip-flops hold, and of a read that blocks keep and others do not.
    constant : whether nothing writes them.
    """

    name: str
    sites: int = 0
    selected: int = 0
    luts: int = 0
    flip_flops: int = 0
    blocks: int = 0
    constant: bool = False


SHALLOW = 32
"""Words up to which the generator leaves a memory that nothing writes to logic (rtl/tools/memory_images.py)."""
CONSTANT = ((2, 0.0), (4, 0.1), (8, 0.7), (16, 1.0))
"""Words of a memory that is logic, at most, and LUTs of 4 inputs for a bit of them: Yosys 0.70 on random words."""
DEEP_CONSTANT = {"ice40": 3.7}
DEEP = 2.0
"""The same beyond 16 words, which differ by family: on iCE40 no cell chooses between two LUTs."""
WRITTEN_LOGIC = 0.7
"""LUTs for a bit of every word but the first, where flip-flops hold what is written."""
SITES = 4
"""LUT sites of a cell that is memory: TRELLIS_DPR16X4, RAM16SDP4, RAM32M, RAM64M."""
COUNTERS = Memory(32, 64, 32, block=True)
"""The counters and other words of the registers (rtl/bus/counters.py)."""


@lru_cache(maxsize=64)
def memory_use(machine: Machine, family: str, single_ports: int = 0) -> tuple[MemoryUse, ...]:
    """Of every memory, the stream record's register included.

    single_ports : memories of one port that the part has, which the activation memories are where they can be.

    An estimate asks several times for the same machine, a search for thousands of machines.
    """
    apart = 0 < single_port_memories(machine) <= single_ports
    uses = [
        MemoryUse(name) if apart and name == "activation" else _use(name, memory, family, number)
        for name, memory, number in machine_block_memories(machine)
        if name != "record"
    ]
    uses += [_use_of_record(machine, memory, fields, family) for memory, fields in _records(machine)]
    stream = record_bits(stream_fields(machine)) if machine.loading else 0
    return (*uses, MemoryUse("stream", flip_flops=stream))


def machine_block_memories(machine: Machine) -> Iterator[tuple[str, Memory, int]]:
    """Every memory of the design, and how many there are of it."""
    shapes = machine_memories(machine)
    for name, at_once in (("pool", 1), ("accumulator", 1 + machine.drains)):
        if shape := shapes.get(name):
            memory = Memory(shape.word_bits, shape.words, shape.word_bits, at_once=at_once)
            yield name, memory, shape.memories
    for name in ("activation", "weight", "parameter", "output"):
        shape = shapes[name]
        part = _part(name, machine, shape.word_bits)
        yield name, _memory(shape.word_bits, shape.words, part), shape.memories
    yield from (("record", memory, 1) for memory, _ in _records(machine))
    if machine.counters:
        yield "counters", COUNTERS, 1


def _part(name: str, machine: Machine, width: int) -> int:
    """Bits that are written at once; 0 where nothing writes."""
    if name == "activation":
        return machine.digit * machine.requantisers
    if name == "output":
        return width
    loads = machine.loading or (name == "weight" and machine.weight_stream_bytes > 0)
    return min(width, SLICE_BITS + machine.parity) if loads else 0


def _records(machine: Machine) -> Iterator[tuple[Memory, Fields]]:
    """The memories of records, and what these have."""
    for fields in (issue_fields(machine), drain_fields(machine)):
        yield _record(machine, record_bits(fields), not machine.spatial), fields
    if machine.weight_stream_bytes:
        fields = weight_stream_fields(machine)
        yield _record(machine, record_bits(fields), False), fields


def _record(machine: Machine, bits: int, block: bool) -> Memory:
    width = bits + (-(-bits // SLICE_BITS) if machine.parity else 0)
    part = min(width, SLICE_BITS + machine.parity) if machine.loading else 0
    return _memory(width, max(2, machine.layers), part, block)


def _memory(width: int, words: int, part: int, block: bool = False) -> Memory:
    """What nothing writes is a block memory unless it is shallow, and what something writes if it is told so.

    A last part is as wide as the others while memories are mapped; what is not used of it goes later.
    """
    whole = -(-width // part) * part if part else width
    return Memory(whole, words, part, used=width, block=block if part else words > SHALLOW)


def distinct_bits(bits: int, words: int) -> int:
    """Of so many bits of words that nothing writes those that differ from others and in themselves.

    Synthesis keeps one of those that are alike in all words. As many as are expected of random words; those of a
    network's records are more often alike.
    """
    patterns = 2.0 ** min(words, 64)
    return round((patterns - 2) * (1 - (1 - 1 / patterns) ** bits))


def _use(name: str, memory: Memory, family: str, number: int) -> MemoryUse:
    mapped = map_memory(memory, family)
    bits = memory.used or memory.width
    luts, flip_flops = _beside(memory, bits, mapped, family)
    return MemoryUse(
        name,
        sites=number * mapped.size if mapped.holds == LUTS else 0,
        selected=number * bits * (mapped.rows - 1) * max(1, memory.at_once),
        luts=round(number * luts),
        flip_flops=number * flip_flops,
        blocks=number * mapped.size if mapped.holds == BLOCK else 0,
        constant=not memory.part,
    )


def _use_of_record(machine: Machine, memory: Memory, fields: Fields, family: str) -> MemoryUse:
    """Of a record's memory and the register behind it, as far as a walker takes its bits; parity takes all."""
    taken = [bits for _, bits in fields] if machine.parity else [*used_bits(machine, fields).values()]
    bits, mapped = sum(taken), map_memory(replace(memory, used=0), family)
    luts, flip_flops = _beside(memory, bits, mapped, family)
    alike = memory.part or mapped.holds == BLOCK
    size = mapped.size * _share(fields, taken, memory.width, mapped) if mapped.size else 0
    return MemoryUse(
        "record",
        sites=round(size) if mapped.holds == LUTS else 0,
        selected=bits * (mapped.rows - 1),
        luts=round(luts),
        flip_flops=flip_flops + (bits if alike else distinct_bits(bits, memory.words)),
        blocks=round(size) if mapped.holds == BLOCK else 0,
        constant=not memory.part,
    )


def _share(fields: Fields, taken: Sequence[int], width: int, mapped: Mapped) -> float:
    """Of the cells side by side that hold a record those of which a bit is taken."""
    cells = mapped.size // mapped.rows // (SITES if mapped.holds == LUTS else 1)
    wide = -(-width // max(1, cells))
    found: set[int] = set()
    begin = 0
    for (_, bits), used in zip(fields, taken, strict=True):
        found.update(bit // wide for bit in range(begin, begin + used))
        begin += bits
    return len(found) / max(1, cells)


def _beside(memory: Memory, width: int, mapped: Mapped, family: str) -> tuple[float, int]:
    """LUTs that hold a memory's words, and flip-flops beside it; so many of a word's bits are read."""
    late = 0 if memory.at_once else width
    if mapped.holds == BLOCK:
        return 0.0, (mapped.rows - 1).bit_length()
    if mapped.holds == LUTS:
        return 0.0, late
    if memory.part:
        selected = WRITTEN_LOGIC * width * (memory.words - 1) * max(1, memory.at_once)
        return selected, width * memory.words + late
    deep = DEEP_CONSTANT.get(family, DEEP)
    late = distinct_bits(width, memory.words)
    return width * next((luts for most, luts in CONSTANT if memory.words <= most), deep), late
