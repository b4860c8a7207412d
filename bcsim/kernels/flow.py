"""Which layer reads what, and until when a tensor is needed."""

from __future__ import annotations

from typing import TypeAlias

from bcsim.compiler.program import ConvLayer, Program

__all__ = ["INPUT", "Reads", "last_reads", "layer_reads"]

Reads: TypeAlias = tuple[tuple[int, ...], ...]

INPUT = -1


def layer_reads(program: Program) -> Reads:
    """For every layer the indices of the layers whose outputs it reads; INPUT is the program's input."""
    index = {"": INPUT} | {layer.name: position for position, layer in enumerate(program.layers)}
    return tuple(
        tuple(index[name] for name in layer.sources) if isinstance(layer, ConvLayer) else (position - 1,)
        for position, layer in enumerate(program.layers)
    )


def last_reads(reads: Reads) -> tuple[tuple[int, ...], ...]:
    """For every layer the tensors (indices as in `layer_reads`) that nothing behind it reads."""
    last = {tensor: reader for reader, tensors in enumerate(reads) for tensor in tensors}
    return tuple(
        tuple(sorted(tensor for tensor, reader in last.items() if reader == position))
        for position in range(len(reads))
    )
