"""What a tensor of the file is known to be while its graph is walked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NARROW",
    "PROBES",
    "Activation",
    "Array",
    "Broken",
    "Codes",
    "Compared",
    "Constant",
    "Layout",
    "Patches",
    "Scores",
    "Shape",
    "Truth",
    "Value",
    "squeezed",
]

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

NARROW = {"float": np.float32, "float32": np.float32, "float16": np.float16}
"""Types of floats that hold less than float64, by ONNX's name and numpy's."""

# Batch sizes assumed side by side: what a graph computes from Shape is the batch size where it equals both.
PROBES = (11, 13)


@dataclass(frozen=True, slots=True)
class Constant:
    """Known values; floats are widened to float64 where they are used.

    arrays : one array, or two that differ: the values for batches of PROBES[0] and PROBES[1] images.
    kind : the ONNX element type's name in small letters, such as "int4", which arrays hold as int8. What is
        computed of floats is held in float64, whatever its type.
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
        return cls(arrays, kind or str(arrays[0].dtype), latent and arrays[0].dtype.kind == "f")

    def stored(self, probe: int = 0) -> Array:
        """The values in the type that the file gives them, which decides where they round."""
        array = self.arrays[min(probe, len(self.arrays) - 1)]
        return array.astype(NARROW[self.kind], copy=False) if self.kind in NARROW else array


def squeezed(shape: Shape) -> Shape:
    """The shape without axes of size 1."""
    return tuple(size for size in shape if size != 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a tensor of the file lies in a tensor t of the graph: as t.reshape(read).transpose(axes).reshape(shape).

    No shape here has the batch axis. stored : the shape of t. read : without axes of size 1.
    """

    stored: Shape
    read: Shape
    axes: tuple[int, ...]

    @classmethod
    def plain(cls, shape: Shape, stored: Shape) -> Layout:
        """The layout of a tensor of `shape` whose values are in order."""
        read = squeezed(shape)
        return cls(stored, read, tuple(range(len(read))))

    @property
    def in_order(self) -> bool:
        """Whether the values are in the same order on both sides."""
        return self.axes == tuple(range(len(self.axes)))

    @property
    def moved(self) -> Shape:
        """The shape behind the transpose."""
        return tuple(self.read[axis] for axis in self.axes)

    def sources(self) -> NDArray[np.intp]:
        """For every value of the file's tensor, its place in the graph's, both flat."""
        return np.arange(math.prod(self.read)).reshape(self.read).transpose(self.axes).ravel()


@dataclass(frozen=True, slots=True)
class Activation:
    """A tensor that depends on the network's input.

    name : of the graph's tensor that holds its values.
    shape : in the file, without the batch axis; None behind a node that is not supported.
    view : how it lies in the graph's tensor, where that has another shape or order.
    raw : only views and elementwise operators lie between it and the network's input.
    pads : (top, left, bottom, right) rows and columns of `outside` that `shape` counts and the graph's tensor lacks,
        made by the Pad node `padded_by`.
    gate : a curve and the tensor of which it is the product with this one, where it is such a tensor's function.
    line : the tensor of which it is scale * x + shift, scale and shift, where it is that of one.
    """

    name: str
    shape: Shape | None
    view: Layout | None = None
    raw: bool = False
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    padded_by: str = ""
    outside: float = 0.0
    gate: tuple[str, str] | None = None
    line: tuple[str, float, float] | None = None

    @property
    def layout(self) -> Layout:
        """How it lies in the graph's tensor; its shape must be known."""
        return self.view or Layout.plain(self.shape or (), self.shape or ())

    def at(self, name: str) -> Activation:
        """What an elementwise node makes of it, in the graph's tensor `name`."""
        return replace(self, name=name, gate=None, line=None)


@dataclass(frozen=True, slots=True)
class Codes:
    """Integers between a QuantizeLinear and its DequantizeLinear, low..high before the zero point is added.

    source : what is rounded to them.
    made : what they mean, once a node of the graph has rounded to it; all that read the integers read that.
    """

    source: Activation
    scale: float
    zero_point: int
    low: int
    high: int
    made: list[Activation] = field(default_factory=list, compare=False)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a Softmax, LogSoftmax or ArgMax made of the class scores, which end the network.

    tensor : the file's, that holds the scores.
    """

    source: Activation
    by: str
    tensor: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Whether a tensor has reached a bound.

    x : the tensor.
    closed : whether it reaches the bound where it equals it.
    above : whether the comparison holds from there on; else up to there.
    """

    x: Activation
    bound: float
    closed: bool
    above: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """What a comparison gives, 1 where it holds and else 0 in the graph's tensor.

    compared : with what; None where that differs between channels.
    """

    source: Activation
    compared: Compared | None = None


@dataclass(frozen=True, slots=True)
class Patches:
    """The windows of an image as rows of values, which an Im2Col node makes.

    source : the image, channels first. attributes : of the Conv with these windows.
    depthwise : whether each output behind them is said to read one channel. by : the node.
    """

    source: Activation
    attributes: dict[str, list[int]]
    depthwise: bool
    by: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A constant that could not be computed."""


Value: TypeAlias = Constant | Activation | Codes | Scores | Truth | Patches | Broken
