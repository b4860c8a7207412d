"""Grids: integer encodings of tensors whose possible values are known, by their quantiser or by the pixels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from fractions import Fraction
from functools import reduce
from math import gcd, lcm

import numpy as np

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import Node
from bcsim.compiler.lowering.node_functions import to_functions
from bcsim.compiler.lowering.piecewise import PiecewiseFunction, Steps, distinct_channels, forward, is_shared
from bcsim.compiler.program.layers import Encoding, InputCoding

__all__ = ["ascending", "common_step", "grid_encoding", "input_coding", "input_values", "quantiser_values"]

Fractions = tuple[Fraction, ...]


def quantiser_values(functions: Sequence[PiecewiseFunction]) -> Fractions | None:
    """The distinct values, ascending, that the last quantiser leaves to the last function's output.

    None without a quantiser, or where later functions are of more than two kinds in different channels.
    """
    quantisers = [index for index, function in enumerate(functions) if isinstance(function, Steps)]
    if not quantisers:
        return None
    last = functions[quantisers[-1]]
    after = functions[quantisers[-1] + 1 :]
    channels = distinct_channels(after)
    if not isinstance(last, Steps) or not channels:
        return None
    return ascending({_through(after, value, channel) for channel in channels for value in last.values})


def grid_encoding(values: Fractions, most_bits: int) -> Encoding | None:
    """The encoding of the coarsest uniform grid that holds all `values`; None above `most_bits` bits."""
    step = common_step(value - values[0] for value in values) or Fraction(1)
    bits = max(1, int((values[-1] - values[0]) / step).bit_length())
    return Encoding(bits, step, values[0]) if bits <= most_bits else None


def input_coding(
    nodes: Sequence[Node], pixel: Encoding, bits: int | None, padded: Collection[Fraction] = ()
) -> InputCoding:
    """How pixels become the first layer's source, through the elementwise nodes before it.

    bits : of the source, fewer than the pixel's where the user wants fewer levels; None for its own.
    padded : what layers pad the source with, for which it has levels where 8 bits allow them.
    Raises BcsimError where the nodes differ between pixels or leave values that are on no uniform grid, and
    where they already quantise the pixels to another number of bits.
    """
    functions = to_functions(nodes)
    if not all(is_shared(function) for function in functions):
        raise BcsimError(
            f"Node {nodes[-1].name!r} ({nodes[-1].op}) ends a chain that scales or shifts the input's pixels "
            "differently; accepted before the first linear layer are operations that are the same for all pixels"
        )
    levels = [_through(functions, pixel.scale * level + pixel.offset) for level in range(pixel.levels)]
    most_bits = max(pixel.bits, 8)
    stream = grid_encoding(ascending(set(levels)), most_bits)
    if stream is None:
        raise BcsimError(
            f"Tensor {nodes[-1].output!r} takes values on no uniform grid of up to 8 bits; accepted before the first "
            "linear layer are scaling, shifting and quantisers with equal steps"
        )
    if bits is not None and bits != stream.bits:
        stream = _fewer_levels(stream, bits, nodes)
    elif padded:
        stream = grid_encoding(ascending({*padded, *levels}), most_bits) or stream
    return InputCoding(pixel, stream, _table(levels, stream))


def input_values(coding: InputCoding) -> Fractions:
    """The values that the stream can take, ascending."""
    levels = range(coding.pixel.levels) if coding.table is None else sorted(set(coding.table.tolist()))
    return tuple(coding.stream.scale * level + coding.stream.offset for level in levels)


def _fewer_levels(stream: Encoding, bits: int, nodes: Sequence[Node]) -> Encoding:
    if any(isinstance(function, Steps) for function in to_functions(nodes)):
        raise BcsimError(
            f"Tensor {nodes[-1].output!r} is quantised to {stream.bits} bits by the network; "
            f"--bits must give {stream.bits} for it, not {bits}"
        )
    if bits > stream.bits:
        raise BcsimError(
            f"The input has {stream.bits} bits; --bits must give at most {stream.bits} for it, not {bits}"
        )
    steps = Fraction(stream.levels - 1, (1 << bits) - 1)
    return Encoding(bits, stream.scale * steps, stream.offset)


def _table(levels: Sequence[Fraction], stream: Encoding) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    """The nearest level of `stream` for every pixel level, halves up; None where that is the pixel itself."""
    start = stream.offset - stream.scale / 2
    nearest = [(value - start) // stream.scale for value in levels]
    return None if nearest == list(range(len(levels))) else np.array(nearest, dtype=np.int64)


def _through(functions: Iterable[PiecewiseFunction], value: Fraction, channel: int = 0) -> Fraction:
    return reduce(lambda x, function: forward(function, x, channel), functions, value)


def ascending(values: Collection[Fraction]) -> Fractions:
    """The values sorted, as integers over one denominator: fractions compare slowly."""
    whole = lcm(*(value.denominator for value in values))
    return tuple(sorted(values, key=lambda value: value.numerator * (whole // value.denominator)))


def common_step(differences: Iterable[Fraction]) -> Fraction:
    """The greatest number of which every difference is a multiple; 0 where all are 0."""
    parts = [value for value in differences if value]
    numerator = gcd(*(value.numerator for value in parts))
    return Fraction(numerator, lcm(*(value.denominator for value in parts)))
