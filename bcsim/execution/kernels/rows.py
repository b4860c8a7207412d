"""Where a program's tensors lie among the rows of a block of images: a place is reused once nothing reads it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from bcsim.compiler.mapping.memory_plan import Tensor, place_tensors
from bcsim.compiler.program.dependencies import INPUT, Reads, last_reader
from bcsim.compiler.program.layers import Layer, Program
from bcsim.execution.kernels.packing import overlaps

__all__ = ["Rows", "place_rows"]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a block.

    fixed : constants, 0 and the levels that layers pad with, and the row of each; they come first.
    bases : the first row of each layer's output; behind them the input's, so that INPUT finds it.
    unpooled : of layers whose pooling windows overlap, the first row of what they pool.
    count : rows altogether.
    """

    fixed: dict[int, int]
    bases: tuple[int, ...]
    unpooled: dict[int, int]
    count: int


def place_rows(program: Program, reads: Reads) -> Rows:
    """A place for every tensor, from the layer that writes it to the last that reads it."""
    levels = sorted({0} | {layer.geometry.pad_level for layer in program.layers})
    last = last_reader(reads)
    layers = list(enumerate(program.layers))
    overlapping = [(index, layer) for index, layer in layers if overlaps(layer.geometry)]
    # The input is there at time 0, layer i runs at time i + 1.
    tensors = [
        Tensor(program.inputs, 0, last[INPUT] + 1),
        *(Tensor(_values(layer), index + 1, last.get(index, index) + 1) for index, layer in layers),
        *(Tensor(_unpooled(layer), index + 1, index + 1) for index, layer in overlapping),
    ]
    bases, used = place_tensors(tensors)
    image, *others = (len(levels) + base for base in bases)
    return Rows(
        {level: row for row, level in enumerate(levels)},
        (*others[: len(layers)], image),
        dict(zip((index for index, _ in overlapping), others[len(layers) :], strict=True)),
        len(levels) + used,
    )


def _values(layer: Layer) -> int:
    return prod(layer.geometry.output) * layer.outputs


def _unpooled(layer: Layer) -> int:
    return prod(layer.geometry.windows) * layer.outputs
