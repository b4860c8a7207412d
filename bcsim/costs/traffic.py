"""Memory traffic of one image: words and bits read and written, memory by memory, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, replace
from typing import TypeAlias

from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.compiler.program.layers import Search
from bcsim.machine.parameters import Machine

__all__ = ["MEMORIES", "MemoryTraffic", "Traffic", "add_traffic", "layer_traffic", "memory_traffic"]

MEMORIES = ("activation", "weight", "parameter", "output")
SCORE_BITS = 16


@dataclass(frozen=True, slots=True)
class MemoryTraffic:
    """One kind of memory: its size and what one image reads and writes. A partly written word counts as a word.

    words, word_bits : depth and width of each of its `memories`.
    """

    words: int
    word_bits: int
    words_read: int
    bits_read: int
    words_written: int
    bits_written: int
    memories: int = 1

    @property
    def size_bits(self) -> int:
        return self.memories * self.words * self.word_bits


Traffic: TypeAlias = MappingType[str, MemoryTraffic]


def memory_traffic(mapping: Mapping) -> dict[str, MemoryTraffic]:
    """Traffic of the activation, weight, parameter and output memories, per image.

    A weight word is read once for all digits of a chunk; a parameter word once a round, in a search once a bit.
    The parameter memories, one for each requantiser, are counted together.
    """
    return add_traffic(layer_traffic(layer, mapping.machine) for layer in mapping.layers)


def add_traffic(parts: Iterable[Traffic]) -> dict[str, MemoryTraffic]:
    """The traffic of several layers together."""
    total: dict[str, MemoryTraffic] = {}
    for part in parts:
        for name, more in part.items():
            total[name] = _add(total[name], more) if name in total else more
    return total


def _add(a: MemoryTraffic, b: MemoryTraffic) -> MemoryTraffic:
    return replace(
        a,
        words_read=a.words_read + b.words_read,
        bits_read=a.bits_read + b.bits_read,
        words_written=a.words_written + b.words_written,
        bits_written=a.bits_written + b.bits_written,
    )


def layer_traffic(layer: PlacedLayer, machine: Machine) -> dict[str, MemoryTraffic]:
    """Traffic that one layer causes; loading the image belongs to the first layer."""
    nest = layer.nest
    rounds = nest.positions * nest.window * nest.rounds
    parameter_reads = rounds * (nest.layer.target.bits if _searches(nest) else 1)
    return {
        "activation": _activation(layer, machine),
        "weight": _weight(nest, machine),
        "parameter": _read_only(
            machine.parameter_words,
            machine.remainder_bits + machine.divisor_bits,
            parameter_reads * machine.requantisers,
            machine.requantisers,
        ),
        "output": _output(nest, machine),
    }


def _searches(nest: LoopNest) -> bool:
    return isinstance(nest.layer.requantiser, Search)


def _read_only(words: int, word_bits: int, read: int, memories: int = 1) -> MemoryTraffic:
    return MemoryTraffic(words, word_bits, read, read * word_bits, 0, 0, memories)


def _weight(nest: LoopNest, machine: Machine) -> MemoryTraffic:
    """Streamed words are written once an image."""
    read = _read_only(machine.weight_words, machine.slots, nest.steps // nest.digits)
    written = nest.streamed_words
    return replace(read, words_written=written, bits_written=written * machine.slots)


def _activation(layer: PlacedLayer, machine: Machine) -> MemoryTraffic:
    nest, word_bits = layer.nest, machine.lanes * machine.digit
    read = nest.steps
    loaded = nest.source_words if layer.first else 0
    drained = nest.positions * nest.rounds * nest.target_digits if not nest.scores else 0
    return MemoryTraffic(
        words=machine.activation_words,
        word_bits=word_bits,
        words_read=read,
        bits_read=read * word_bits,
        words_written=loaded + drained,
        bits_written=loaded * word_bits + drained * machine.requantisers * machine.digit,
    )


def _output(nest: LoopNest, machine: Machine) -> MemoryTraffic:
    word_bits = machine.requantisers * SCORE_BITS
    words = -(-machine.outputs // machine.requantisers)
    read, written = (nest.layer.outputs, nest.rounds) if nest.scores else (0, 0)
    return MemoryTraffic(words, word_bits, read, read * word_bits, written, written * word_bits)
