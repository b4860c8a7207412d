"""Known values: the tensors whose possible values follow from the network and the pixels alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import reduce
from typing import TypeAlias

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.nodes import AveragePool, Channels, Concat, Positions, Values
from bcsim.compiler.lowering.fusion import FusedLayer
from bcsim.compiler.lowering.node_functions import to_functions
from bcsim.compiler.lowering.piecewise import PiecewiseFunction, Steps, distinct_channels, forward
from bcsim.compiler.lowering.quantiser_grids import ascending, common_step, grid_encoding, quantiser_values

__all__ = ["MOST_BITS", "known_values", "layer_values"]

Fractions: TypeAlias = tuple[Fraction, ...]

MOST_BITS = 8
# Sums of more levels than this do not become 8 bits by clipping, short of a clip to a sixteenth.
MOST_SUMS = 1 << 12


def known_values(
    layers: Sequence[FusedLayer], stream: Fractions, tensor: str, bits: Mapping[str, int]
) -> dict[str, Fractions | None]:
    """The values that each layer's output can take, ascending, by its name; None where they are not known.

    stream : the values of the tensor `tensor`, which the host streams.
    bits : of some tensors, given by the user. Tensors that the network leaves wider without quantising them are
        not known, since they are rounded.
    Known are tensors on a grid of at most 8 bits: behind quantisers, and sums, means and copies of known tensors.
    Raises BcsimError where the network quantises a tensor to other bits than the user says.
    """
    known: dict[str, Fractions | None] = {tensor: stream}
    for layer in layers:
        values = layer_values(layer, known)
        known[layer.output] = values if values is None else _with_bits(layer, values, bits.get(layer.output))
    return known


def _with_bits(layer: FusedLayer, values: Fractions, bits: int | None) -> Fractions | None:
    encoding = grid_encoding(values, MOST_BITS)
    assert encoding is not None
    if bits is None or bits == encoding.bits:
        return values
    if any(isinstance(function, Steps) for function in to_functions(layer.elementwise)):
        raise BcsimError(
            f"Tensor {layer.output!r} is quantised to {encoding.bits} bits by the network; "
            f"--bits must give {encoding.bits} for it, not {bits}"
        )
    return values if encoding.bits < bits else None


def layer_values(
    layer: FusedLayer, known: Mapping[str, Fractions | None], most_bits: int = MOST_BITS
) -> Fractions | None:
    """The values of one layer's output from those of its sources."""
    functions = to_functions(layer.elementwise)
    values = quantiser_values(functions)
    if values is None and not layer.is_weighted:
        values = _summed(layer, [known[name] for name in layer.sources], functions)
    return values if values and grid_encoding(values, most_bits) else None


def _summed(
    layer: FusedLayer, sources: Sequence[Fractions | None], functions: Sequence[PiecewiseFunction]
) -> Fractions | None:
    known = [values for values in sources if values is not None]
    channels = distinct_channels(functions)
    if len(known) < len(sources) or not channels:
        return None
    sums = _sums(layer, known)
    if sums is None:
        return None
    return ascending(
        {
            reduce(lambda x, function: forward(function, x, channel), functions, value)
            for channel in channels
            for value in sums
        }
    )


def _sums(layer: FusedLayer, sources: Sequence[Fractions]) -> Sequence[Fraction] | None:
    """What the linear node makes of its sources."""
    if layer.linear is None or isinstance(layer.linear, Channels | Concat | Positions | Values):
        return ascending({value for values in sources for value in values})
    if not isinstance(layer.linear, AveragePool):
        return _lattice(sources)
    rows, columns = layer.linear.kernel
    values = {Fraction(0), *sources[0]} if layer.pads else set(sources[0])
    total = _lattice([ascending(values)] * (rows * columns))
    return total and [value / (rows * columns) for value in total]


def _lattice(terms: Sequence[Fractions]) -> Sequence[Fraction] | None:
    """The sums of one value of each term, and what lies between them on their grid."""
    step = common_step(value - values[0] for values in terms for value in values)
    least, most = sum(values[0] for values in terms), sum(values[-1] for values in terms)
    if not step:
        return [Fraction(least)]
    count = int((most - least) / step) + 1
    return [least + step * index for index in range(count)] if count <= MOST_SUMS else None
