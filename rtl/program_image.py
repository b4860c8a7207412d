"""A mapping's image as the words of the accelerator's memories, and as writes on its bus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bcsim.compiler.mapping import Image
from bcsim.machine import Machine
from bcsim.records import DRAIN_FIELDS, ISSUE_FIELDS, STREAM_FIELDS, record_bits
from bcsim.rtl.checks import require_machine
from bcsim.rtl.memory import SLICE_BITS, slices
from bcsim.rtl.register_map import Register

__all__ = ["MemoryWords", "load_writes", "program_memories"]


@dataclass(frozen=True, slots=True)
class MemoryWords:
    """A memory's shape and its first words; the others are 0."""

    width: int
    depth: int
    words: tuple[int, ...] = ()


def program_memories(machine: Machine, image: Image | None = None) -> tuple[MemoryWords, ...]:
    """The program memories in the order of ProgramMemory; without an image they are empty."""
    require_machine(machine)
    return (
        MemoryWords(record_bits(STREAM_FIELDS), 1, (image.stream,) if image else ()),
        MemoryWords(record_bits(ISSUE_FIELDS), machine.layers, image.issue if image else ()),
        MemoryWords(record_bits(DRAIN_FIELDS), machine.layers, image.drain if image else ()),
        MemoryWords(machine.lanes * machine.pes, machine.weight_words, _weights(image)),
        *(
            MemoryWords(
                machine.remainder_bits + machine.divisor_bits,
                machine.parameter_words,
                _parameters(machine, image, r),
            )
            for r in range(machine.requantisers)
        ),
    )


def _weights(image: Image | None) -> tuple[int, ...]:
    return tuple(int.from_bytes(row.tobytes(), "little") for row in image.weights) if image else ()


def _parameters(machine: Machine, image: Image | None, requantiser: int) -> tuple[int, ...]:
    if image is None:
        return ()
    pairs = zip(image.offsets[requantiser].tolist(), image.divisors[requantiser].tolist(), strict=True)
    mask = (1 << machine.remainder_bits) - 1
    return tuple(offset & mask | divisor << machine.remainder_bits for offset, divisor in pairs)


def load_writes(machine: Machine, image: Image) -> Iterator[tuple[int, int]]:
    """The (address, data) writes that load a program over the bus, while the accelerator is stopped."""
    for number, memory in enumerate(program_memories(machine, image)):
        yield Register.MEMORY, number
        yield Register.ADDRESS, 0
        for word in memory.words:
            for index in range(slices(memory.width)):
                yield Register.DATA, word >> index * SLICE_BITS & ((1 << SLICE_BITS) - 1)
