"""Memory traffic: words and bits read and written, memory by memory, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, replace
from typing import TypeAlias

from bcsim.common.shares import per_image
from bcsim.compiler.mapping.loop_nest import LoopNest
from bcsim.compiler.mapping.mapping import Placement
from bcsim.compiler.mapping.placed_layer import PlacedLayer
from bcsim.costs.at_work import times_at_work
from bcsim.costs.structure import machine_memories
from bcsim.costs.units import MemoryShape, When
from bcsim.machine.parameters import Machine

__all__ = [
    "MEMORIES",
    "MemoryTraffic",
    "Traffic",
    "add_traffic",
    "layer_traffic",
    "memory_traffic",
    "moved",
    "share_traffic",
]

MEMORIES = ("activation", "weight", "parameter", "output", "accumulator")
"""The last one only where weights are used again; accumulators are registers else."""


@dataclass(frozen=True, slots=True)
class MemoryTraffic:
    """One kind of memory: its size and what one image reads and writes. A partly written word counts as a word.

    words, word_bits : depth and width of each of its `memories`.
    What several images have together, each has an equal share of, which may be no integer.
    """

    words: int
    word_bits: int
    words_read: float
    bits_read: float
    words_written: float
    bits_written: float
    memories: int = 1

    @property
    def size_bits(self) -> int:
        return self.memories * self.words * self.word_bits


Traffic: TypeAlias = MappingType[str, MemoryTraffic]


def memory_traffic(mapping: Placement) -> dict[str, MemoryTraffic]:
    """Traffic of the activation, weight, parameter and output memories, per image.

    Activations are read once a step, but for steps outside of their tensor; a weight word once for all digits of a
    chunk and all positions of a strip; a parameter word once a round, and once more for each bit of a search or for all
    further bits of a quotient. A streamed weight word is written once an image. The parameter memories, one for each
    requantiser, are counted together.

    Where accumulators are memories, one in each element, a chunk reads and writes its position's, but for a pass'
    first chunk, which reads none; draining reads each sum once.
    """
    together = add_traffic(layer_traffic(layer, mapping.machine) for layer in mapping.layers)
    return share_traffic(together, mapping.images)


def add_traffic(parts: Iterable[Traffic]) -> dict[str, MemoryTraffic]:
    """The traffic of several layers together."""
    total: dict[str, MemoryTraffic] = {}
    for part in parts:
        for name, more in part.items():
            total[name] = _add(total[name], more) if name in total else more
    return total


def share_traffic(traffic: Traffic, images: int) -> dict[str, MemoryTraffic]:
    """One image's share of the traffic of several that are taken at once."""
    return {name: _share(found, images) for name, found in traffic.items()}


def _share(found: MemoryTraffic, images: int) -> MemoryTraffic:
    return replace(
        found,
        words_read=per_image(found.words_read, images),
        bits_read=per_image(found.bits_read, images),
        words_written=per_image(found.words_written, images),
        bits_written=per_image(found.bits_written, images),
    )


def _add(a: MemoryTraffic, b: MemoryTraffic) -> MemoryTraffic:
    return replace(
        a,
        words_read=a.words_read + b.words_read,
        bits_read=a.bits_read + b.bits_read,
        words_written=a.words_written + b.words_written,
        bits_written=a.bits_written + b.bits_written,
    )


def layer_traffic(layer: PlacedLayer, machine: Machine) -> dict[str, MemoryTraffic]:
    """Traffic that one layer causes, of all images that are taken at once; loading belongs to the first layer."""
    nest = layer.nest
    shapes = machine_memories(machine)
    times = times_at_work(nest)
    sums = {"accumulator": _accumulators(nest, shapes["accumulator"])} if machine.reuse > 1 else {}
    return {
        "activation": _activation(layer, machine, shapes["activation"], times[When.READ]),
        "weight": moved(shapes["weight"], read=times[When.WEIGHT], written=nest.streamed_words),
        "parameter": moved(shapes["parameter"], read=times[When.PARAMETER] * machine.requantisers),
        "output": _output(nest, shapes["output"]),
        **sums,
    }


def moved(shape: MemoryShape, *, read: int, written: int = 0) -> MemoryTraffic:
    """Whole words read and written."""
    return MemoryTraffic(
        words=shape.words,
        word_bits=shape.word_bits,
        words_read=read,
        bits_read=read * shape.word_bits,
        words_written=written,
        bits_written=written * shape.word_bits,
        memories=shape.memories,
    )


def _activation(layer: PlacedLayer, machine: Machine, shape: MemoryShape, read: int) -> MemoryTraffic:
    """The loader writes whole words, a round the lanes of its requantisers, once a digit of the output."""
    nest = layer.nest
    loaded = nest.source_words if layer.first else 0
    drained = 0 if nest.scores else nest.positions * nest.rounds * nest.target_digits
    round_bits = machine.requantisers * machine.digit
    return replace(
        moved(shape, read=read, written=loaded + drained),
        bits_written=loaded * shape.word_bits + drained * round_bits,
    )


def _accumulators(nest: LoopNest, shape: MemoryShape) -> MemoryTraffic:
    times = times_at_work(nest)
    chunks, sums = times[When.CHUNK], times[When.SUM]
    accumulated, drained = chunks - sums, sums
    return moved(shape, read=(accumulated + drained) * shape.memories, written=chunks * shape.memories)


def _output(nest: LoopNest, shape: MemoryShape) -> MemoryTraffic:
    """A round writes a word of scores; the stream reads one for every score."""
    images = nest.positions if nest.scores else 0
    return moved(shape, read=images * nest.layer.outputs, written=images * nest.rounds)
