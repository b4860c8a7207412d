"""Memory traffic of one image: words and bits read and written, memory by memory."""

from __future__ import annotations

from dataclasses import dataclass

from bcsim.compiler.mapping import LayerMapping, Mapping
from bcsim.compiler.program import Search
from bcsim.machine import Machine

__all__ = ["MemoryTraffic", "memory_traffic"]

SCORE_BITS = 16


@dataclass(frozen=True, slots=True)
class MemoryTraffic:
    """One memory: its size and what one image reads and writes. A partly written word counts as a word."""

    words: int
    word_bits: int
    words_read: int
    bits_read: int
    words_written: int
    bits_written: int

    @property
    def size_bits(self) -> int:
        return self.words * self.word_bits


def memory_traffic(mapping: Mapping) -> dict[str, MemoryTraffic]:
    """Traffic of the activation, weight, parameter and output memories, per image.

    A weight word is read once for all digits of a chunk; a parameter word once a round, in a search once a bit.
    The parameter memories, one for each requantiser, count as one.
    """
    machine, layers = mapping.machine, mapping.layers
    return {
        "activation": _activation(mapping),
        "weight": _read_only(machine.weight_words, machine.slots, sum(nest.weight_words for nest in layers)),
        "parameter": _read_only(
            machine.parameter_words * machine.requantisers,
            machine.remainder_bits + machine.divisor_bits,
            sum(_parameter_reads(nest) for nest in layers) * machine.requantisers,
        ),
        "output": _output(layers[-1], machine),
    }


def _read_only(words: int, word_bits: int, read: int) -> MemoryTraffic:
    return MemoryTraffic(words, word_bits, read, read * word_bits, 0, 0)


def _parameter_reads(nest: LayerMapping) -> int:
    search = isinstance(nest.layer.requantiser, Search)
    return nest.rounds * (nest.layer.target.bits if search else 1)


def _activation(mapping: Mapping) -> MemoryTraffic:
    machine, first = mapping.machine, mapping.layers[0]
    word_bits = machine.lanes * machine.digit
    read = sum(nest.tiles * nest.steps_per_tile for nest in mapping.layers)
    loaded = first.chunks * first.digits
    drained = sum(nest.rounds * nest.target_digits for nest in mapping.layers if not nest.scores)
    return MemoryTraffic(
        words=machine.activation_words,
        word_bits=word_bits,
        words_read=read,
        bits_read=read * word_bits,
        words_written=loaded + drained,
        bits_written=loaded * word_bits + drained * machine.requantisers * machine.digit,
    )


def _output(scores: LayerMapping, machine: Machine) -> MemoryTraffic:
    word_bits = machine.requantisers * SCORE_BITS
    words = -(-machine.outputs // machine.requantisers)
    read = scores.layer.outputs
    return MemoryTraffic(words, word_bits, read, read * word_bits, scores.rounds, scores.rounds * word_bits)
