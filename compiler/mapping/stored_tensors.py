"""How tensors are stored: chunks of a position, and what the lanes beyond the channels hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bcsim.compiler.program.dependencies import INPUT, Reads
from bcsim.compiler.program.layers import DenseLayer

__all__ = ["StoredTensor", "ceil_div", "stored_tensors"]


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in the activation memory, wherever it lies.

    chunks : of one position.
    fill : what the lanes beyond its channels hold at every position.
    """

    chunks: int
    fill: int


def stored_tensors(layers: Sequence[DenseLayer], reads: Reads, lanes: int) -> dict[int, StoredTensor]:
    """Every tensor, by the index of the layer that gives it; INPUT is the program's input."""
    chunks = _chunks(layers, reads, lanes)
    return {tensor: StoredTensor(count, _fill(tensor, layers, reads)) for tensor, count in chunks.items()}


def _chunks(layers: Sequence[DenseLayer], reads: Reads, lanes: int) -> dict[int, int]:
    """As many for all tensors that some layer reads together: narrower ones end in chunks without channels."""
    chunks = {INPUT: ceil_div(layers[0].geometry.channels[0], lanes)}
    chunks |= {index: ceil_div(layer.outputs, lanes) for index, layer in enumerate(layers)}
    # From a layer's source to its other sources, and on to those of their readers: at most once for each layer.
    for _ in reads:
        for tensors in reads:
            chunks |= dict.fromkeys(tensors, max(chunks[tensor] for tensor in tensors))
    return chunks


def _fill(tensor: int, layers: Sequence[DenseLayer], reads: Reads) -> int:
    """The level with which its readers pad, if any pads. The loader fills the input's lanes with 0."""
    if tensor == INPUT:
        return 0
    readers = [layer.geometry for layer, tensors in zip(layers, reads, strict=True) if tensor in tensors]
    return max((geometry.pad_level for geometry in readers if any(geometry.pads)), default=0)
