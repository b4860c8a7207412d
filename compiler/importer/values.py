"""What a tensor of the file is known to be while its graph is walked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["PROBES", "Activation", "Array", "Broken", "Codes", "Constant", "Scores", "Shape", "Value"]

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

# Batch sizes assumed side by side: what a graph computes from Shape is the batch size where it equals both.
PROBES = (11, 13)


@dataclass(frozen=True, slots=True)
class Constant:
    """Known values, floats widened to float64.

    arrays : one array, or two that differ: the values for batches of PROBES[0] and PROBES[1] images.
    kind : the ONNX element type's name in small letters, such as "int4", which arrays hold as int8.
    latent : floats stored in the file and at most moved or clipped since: what a Sign turns into one-bit weights.
    """

    arrays: tuple[Array, ...]
    kind: str
    latent: bool = False

    @classmethod
    def of(cls, *arrays: Array, kind: str | None = None, latent: bool = False) -> Constant:
        """A constant of one array for each probe, kept once where they agree."""
        if len(arrays) == 2 and np.array_equal(*arrays):
            arrays = arrays[:1]
        kind = kind or str(arrays[0].dtype)
        wide = (
            array.astype(np.float64, copy=False) if array.dtype.kind == "f" else array for array in arrays
        )
        return cls(tuple(wide), kind, latent and arrays[0].dtype.kind == "f")


@dataclass(frozen=True, slots=True)
class Activation:
    """A tensor that depends on the network's input.

    name : of the graph's tensor that holds its values.
    shape : without the batch axis; None behind a node that is not supported.
    """

    name: str
    shape: Shape | None


@dataclass(frozen=True, slots=True)
class Codes:
    """Integers between a QuantizeLinear and its DequantizeLinear, low..high before the zero point is added."""

    source: Activation
    scale: float
    zero_point: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What a Softmax, LogSoftmax or ArgMax made of the class scores, which end the network."""

    source: Activation
    by: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A constant that could not be computed."""


Value: TypeAlias = Constant | Activation | Codes | Scores | Broken
