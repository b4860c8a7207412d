"""How close a program is to its float network: agreement, noise and ranges, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.graph.evaluate import evaluate_graph
from bcsim.compiler.graph.nodes import Graph
from bcsim.compiler.lowering.prepare import prepare_graph
from bcsim.compiler.program.layers import Encoding, Program
from bcsim.execution.execute import execute
from bcsim.results.result import Histogram

__all__ = [
    "LayerFidelity",
    "channels_first",
    "compare_layers",
    "fidelity_images",
    "fraction_equal",
    "histogram",
    "sqnr_db",
]

BINS = 60
IMAGES = 256
VALUES = 1 << 24
"""Layer outputs before pooling that a comparison may hold: the float graph keeps a few float64 of each, 0.5 GiB."""

NOISELESS_DB = 250.0
"""Above this, noise is the rounding of float64 itself (53 bits, about 320 dB)."""


@dataclass(frozen=True, slots=True)
class LayerFidelity:
    """One layer's noise (None where it has none) and the spread of its float values."""

    sqnr_db: float | None
    histogram: Histogram


def fraction_equal(a: NDArray[np.int64] | None, b: NDArray[np.int64] | None) -> float | None:
    """The fraction of equal entries of two arrays of the same shape, None where one is missing."""
    return None if a is None or b is None else float(np.mean(a == b))


def sqnr_db(signal: NDArray[np.float64], decoded: NDArray[np.float64]) -> float | None:
    """10 * log10(sum(signal**2) / sum((decoded - signal)**2)); None without signal or without noise."""
    power, noise = float(np.sum(signal**2)), float(np.sum((decoded - signal) ** 2))
    if power == 0 or noise == 0:
        return None
    found = float(10 * np.log10(power / noise))
    return found if found < NOISELESS_DB else None


def histogram(values: NDArray[np.float64], target: Encoding) -> Histogram:
    """Counts of `values` in equal bins over all of them and all that `target` can mean."""
    low, high = (float(bound) for bound in target.decode(np.array([0, target.levels - 1])))
    left, right = min(low, float(values.min())), max(high, float(values.max()))
    counts, _ = np.histogram(values, bins=BINS, range=(left, right))
    clipped = float(np.mean((values < low) | (values > high)))
    return Histogram(tuple(counts.tolist()), left, right, low, high, clipped)


def fidelity_images(program: Program) -> int:
    """Images that a comparison of every layer should take: 256, or as many as memory has room for."""
    values = sum(prod(layer.geometry.windows) * layer.outputs for layer in program.layers)
    return max(1, min(IMAGES, VALUES // values))


def channels_first(levels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """A layer's q as the float network orders it: (n, outputs * rows * columns) of (n, rows, columns, outputs)."""
    return np.moveaxis(levels, -1, 1).reshape(len(levels), -1)


def compare_layers(
    program: Program, graph: Graph, x: NDArray[np.float64], q: NDArray[np.uint16]
) -> tuple[LayerFidelity, ...]:
    """Every layer's output in the program against the float graph's, for images x (n, inputs) and the same as q.

    The float side is the graph in float64 from the input on, so noise of earlier layers is in later ones.
    """
    # The program names the tensors of the graph that lowering made of this one.
    values = evaluate_graph(prepare_graph(graph), x, keep={layer.float_output for layer in program.layers})
    hidden = execute(program, q, keep=True).hidden
    found = []
    for layer, levels in zip(program.layers, hidden, strict=True):
        signal = values[layer.float_output].reshape(len(x), -1)
        decoded = layer.target.decode(channels_first(levels))
        found.append(LayerFidelity(sqnr_db(signal, decoded), histogram(signal, layer.target)))
    return tuple(found)
