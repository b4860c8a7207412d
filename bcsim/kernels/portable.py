"""The portable backend: NumPy matrix products in the narrowest type whose sums are exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.compiler.program import DenseLayer, Program, Requantiser, Search
from bcsim.errors import BcsimError
from bcsim.kernels.requantise import accumulator_bound, numerator_bound, reciprocal

__all__ = ["Portable"]

Levels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
Requantise: TypeAlias = Callable[[NDArray[Any]], NDArray[np.uint16]]

BLOCK = 512


def _sum_type(bound: int) -> type[np.float32] | type[np.float64] | type[np.int64]:
    """The fastest type in which every partial sum up to `bound` is an exact integer."""
    if bound <= 1 << 24:
        return np.float32
    return np.float64 if bound <= 1 << 53 else np.int64


def _integer_requantise(requantiser: Requantiser) -> Requantise:
    return lambda accumulator: requantiser.apply(accumulator.astype(np.int64))


def _float_requantise(m: NDArray[np.float64], c: NDArray[np.float64], top: int) -> Requantise:
    def requantise(accumulator: NDArray[Any]) -> NDArray[np.uint16]:
        quotient = accumulator * m
        quotient += c
        return np.clip(quotient, 0, top, out=quotient).astype(np.uint16)

    return requantise


def _requantise(layer: DenseLayer, bound: int) -> Requantise:
    divide = layer.requantiser
    if isinstance(divide, Search):
        return _integer_requantise(divide)
    if numerator_bound(divide, bound) >= 1 << 63:
        raise BcsimError(
            f"Layer {layer.name}: 2**{divide.fraction_bits} * accumulator - offset needs more than 64 bits; "
            "the program level takes accumulators, fraction bits and offsets that stay within 64"
        )
    constants = reciprocal(divide, bound)
    if constants is None:
        return _integer_requantise(divide)
    return _float_requantise(*constants, (1 << divide.bits) - 1)


@dataclass(frozen=True, slots=True)
class _Dense:
    """weights : (I, O), float32, float64 or int64."""

    weights: NDArray[Any]
    requantise: Requantise

    @classmethod
    def prepare(cls, layer: DenseLayer) -> _Dense:
        bound = accumulator_bound(layer)
        weights = np.ascontiguousarray(layer.weights().T).astype(_sum_type(bound))
        return cls(weights, _requantise(layer, bound))

    def __call__(self, q: Levels) -> NDArray[np.uint16]:
        return self.requantise(q.astype(self.weights.dtype) @ self.weights)


class Portable:
    """A program's layers as NumPy arrays, for any host.

    Raises BcsimError for a layer whose accumulators or numerators do not fit 64 bits.
    """

    def __init__(self, program: Program) -> None:
        self._layers = tuple(_Dense.prepare(layer) for layer in program.layers)

    def run(self, q: Levels, outputs: tuple[NDArray[np.uint16] | None, ...], threads: int) -> None:
        """Write every layer's q into its array of `outputs`, (n, O) each, or None where nobody asked.

        q : (n, inputs). NumPy's own BLAS chooses its threads; `threads` changes nothing here.
        """
        for start in range(0, len(q), BLOCK):
            rows = slice(start, start + BLOCK)
            values: Levels = q[rows]
            for layer, output in zip(self._layers, outputs, strict=True):
                values = layer(values)
                if output is not None:
                    output[rows] = values
