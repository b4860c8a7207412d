"""Which layer reads what, and until when a tensor is needed."""

from __future__ import annotations

from typing import TypeAlias

from bcsim.compiler.program.layers import ConvLayer, Program

__all__ = ["INPUT", "Reads", "last_reader", "layer_reads"]

Reads: TypeAlias = tuple[tuple[int, ...], ...]

INPUT = -1


def layer_reads(program: Program) -> Reads:
    """For every layer the indices of the layers whose outputs it reads; INPUT is the program's input."""
    index = {"": INPUT} | {layer.name: position for position, layer in enumerate(program.layers)}
    return tuple(
        tuple(index[name] for name in layer.sources) if isinstance(layer, ConvLayer) else (position - 1,)
        for position, layer in enumerate(program.layers)
    )


def last_reader(reads: Reads) -> dict[int, int]:
    """For every tensor that is read (indices as in `layer_reads`) the last layer that reads it."""
    return {tensor: reader for reader, tensors in enumerate(reads) for tensor in tensors}
