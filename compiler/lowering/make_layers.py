"""Layers: a linear layer and a target become integers, exact where the network rounds and measured elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.lowering.fit_requantiser import count_wrong, fit_divide, largest_shift, of_rows
from bcsim.compiler.lowering.linear import Linear
from bcsim.compiler.lowering.shared_thresholds import SharedThresholds
from bcsim.compiler.program.layers import DenseLayer, Encoding, Requantiser, Search
from bcsim.compiler.program.weight_planes import split_planes
from bcsim.machine.widths import SCORE_BITS

__all__ = ["Target", "make_layer", "reached_levels"]

# Tables of up to 15 thresholds are about as small as a divisor and an offset; larger ones are worth a note.
TABLE_BITS = 4
# Accumulator steps by which rounding that is not the network's own may be off nearest: a table costs more.
LEAST_SHIFT = 1 / 16


@dataclass(frozen=True, slots=True)
class Target:
    """The encoding of a layer's output and what crosses its levels.

    exact : whether the levels hold the float network's own values.
    rounded : whether the rounding to them is the compiler's, so that it need not be met to the last accumulator.
    """

    encoding: Encoding
    exact: bool
    rounded: bool
    thresholds: SharedThresholds


def make_layer(
    name: str, linear: Linear, target: Target, float_output: str
) -> tuple[DenseLayer, tuple[str, ...]]:
    """The layer of a matrix, as one that reads the layer before it, and notes on its rounding."""
    requantiser, notes = _requantiser(name, target)
    outputs, inputs = linear.weights.shape
    layer = DenseLayer(
        name=name,
        inputs=inputs,
        outputs=outputs,
        source=linear.source,
        target=target.encoding,
        planes=split_planes(linear.weights),
        requantiser=requantiser,
        low=target.thresholds.low,
        high=target.thresholds.high,
        exact=target.exact,
        float_output=float_output,
    )
    return layer, notes


def reached_levels(linear: Linear, target: Target) -> NDArray[np.bool_]:
    """Whether some output has an accumulator, a multiple of its common divisor, at each level of the target."""
    divisors = np.maximum(np.gcd.reduce(linear.weights, axis=1), 1).astype(np.int64)
    columns = np.stack([target.thresholds.row, divisors, *linear.bounds()], axis=1)
    row, stride, lowest, highest = np.unique(columns, axis=0).T[:, :, None]
    thresholds = target.thresholds.rows[row[:, 0]]
    ends = np.concatenate([lowest, np.clip(thresholds, lowest, highest + 1), highest + 1], axis=1)
    return np.asarray((-(-ends[:, :-1] // stride) * stride < ends[:, 1:]).any(axis=0))


def _requantiser(name: str, target: Target) -> tuple[Requantiser, tuple[str, ...]]:
    """A division where it is right, or as good as right where the network has no rounding of its own; else a table."""
    thresholds, bits = target.thresholds, target.encoding.bits
    shared = thresholds.rows, thresholds.low, thresholds.high
    fitted = fit_divide(thresholds.rows, bits, thresholds.low, thresholds.high)
    wrong = count_wrong(fitted, *shared, thresholds.outputs)
    divide = of_rows(fitted, thresholds.row)
    if wrong == 0:
        return divide, ()
    shift = largest_shift(fitted, *shared)
    if target.rounded and (shift <= LEAST_SHIFT or bits == SCORE_BITS):
        return divide, (
            f"Layer {name!r}: {wrong} of {thresholds.size} levels of its float values begin up to {shift:.2g} "
            f"accumulator steps beside nearest-level rounding, as {divide.fraction_bits} fraction bits allow",
        )
    table = Search(bits, thresholds.each())
    if bits <= TABLE_BITS:
        return table, ()
    return table, (
        f"Layer {name!r}: its {bits}-bit steps are uneven, so each output keeps a table of "
        f"{thresholds.rows.shape[1]} thresholds",
    )
