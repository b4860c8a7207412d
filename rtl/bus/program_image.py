"""A mapping's image as the words of the accelerator's memories, and as writes on its bus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bcsim.compiler.mapping.image import Image
from bcsim.machine.parameters import Machine
from bcsim.machine.records import (
    drain_fields,
    issue_fields,
    record_bits,
    stream_fields,
    weight_stream_fields,
)
from bcsim.rtl.bus.program_checksum import checksum
from bcsim.rtl.common.layouts import ParameterLayout, weight_unit
from bcsim.rtl.common.loaded_memory import SLICE_BITS, slices
from bcsim.rtl.common.register_map import Register
from bcsim.rtl.common.require import require_machine

__all__ = ["MemoryWords", "load_writes", "program_checksum", "program_memories"]


@dataclass(frozen=True, slots=True)
class MemoryWords:
    """A memory's shape and its first words; the others are 0. unit : as in LoadSignature."""

    width: int
    depth: int
    words: tuple[int, ...] = ()
    unit: int = SLICE_BITS


def program_memories(machine: Machine, image: Image | None = None) -> tuple[MemoryWords, ...]:
    """The program memories in the order of ProgramMemory; without an image they are empty.

    Where weights can stream, the weight loader's records come last.
    """
    require_machine(machine)
    streamed = MemoryWords(
        record_bits(weight_stream_fields(machine)), machine.layers, image.weight_stream if image else ()
    )
    return (
        MemoryWords(record_bits(stream_fields(machine)), 1, (image.stream,) if image else ()),
        MemoryWords(record_bits(issue_fields(machine)), machine.layers, image.issue if image else ()),
        MemoryWords(record_bits(drain_fields(machine)), machine.layers, image.drain if image else ()),
        MemoryWords(machine.slots, machine.weight_words, _weights(image), weight_unit(machine)),
        *(
            MemoryWords(
                ParameterLayout(machine).size,
                2 * machine.parameter_words,
                _parameters(machine, image, r),
            )
            for r in range(machine.requantisers)
        ),
        *((streamed,) if machine.weight_stream_bytes else ()),
    )


def _weights(image: Image | None) -> tuple[int, ...]:
    return tuple(int.from_bytes(row.tobytes(), "little") for row in image.weights) if image else ()


def _parameters(machine: Machine, image: Image | None, requantiser: int) -> tuple[int, ...]:
    """Of every parameter word the sum of offset and divisor, then the divisor."""
    if image is None:
        return ()
    divisors, bits = image.divisors[requantiser], machine.parameter_bits
    pairs = np.stack((image.offsets[requantiser] + divisors, divisors), axis=1)
    words = pairs & ((1 << bits) - 1)
    if machine.spatial:
        words |= image.minimum[requantiser].astype(np.int64)[:, None] << bits
    return tuple(words.ravel().tolist())


def load_writes(machine: Machine, image: Image) -> Iterator[tuple[int, int]]:
    """The (address, data) writes that load a program over the bus, behind the one that stops the accelerator."""
    yield from _word_writes(machine, image)
    yield Register.CHECKSUM, program_checksum(machine, image)


def program_checksum(machine: Machine, image: Image) -> int:
    """CRC-32 of all that `load_writes` writes before it."""
    return checksum(data for _, data in _word_writes(machine, image))


def _word_writes(machine: Machine, image: Image) -> Iterator[tuple[int, int]]:
    for number, memory in enumerate(program_memories(machine, image)):
        yield Register.MEMORY, number
        yield Register.ADDRESS, 0
        for word in memory.words:
            for index in range(slices(memory.width)):
                yield Register.DATA, word >> index * SLICE_BITS & ((1 << SLICE_BITS) - 1)
