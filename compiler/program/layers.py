"""The integer program: what every level below the float network computes, and nothing but integers.

Letters in shapes: I inputs, O outputs, B weight planes, K thresholds (2**bits - 1).

A layer computes, for every output o,

    accumulator[o] = sum_b 2**shift[b] * sum_i w[b, o, i] * q[i]          w in {-1, +1}, q unsigned
    target q[o]    = requantiser(accumulator[o])

which is all that the float layer, its batch normalisation, activation and rounding do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.geometry import Geometry, dense_geometry
from bcsim.machine.widths import QUOTIENT_BITS

__all__ = [
    "ConvLayer",
    "DenseLayer",
    "Divide",
    "Encoding",
    "InputCoding",
    "Layer",
    "Program",
    "Requantiser",
    "Search",
    "WeightPlane",
    "over_windows",
]

IntArray: TypeAlias = NDArray[np.int64]


GREATEST = Fraction(2) ** 900


def _magnitude(value: Fraction) -> str:
    """About how large a number is that floats may not hold."""
    if not value:
        return "0"
    return (
        f"{'-' if value < 0 else ''}2**{abs(value.numerator).bit_length() - value.denominator.bit_length()}"
    )


@dataclass(frozen=True, slots=True)
class Encoding:
    """Unsigned integers q of `bits` bits that mean x = scale * q + offset.

    bits : 1 to QUOTIENT_BITS.
    scale : positive.
    Both are far within what floats hold, since values are shown and compared as such.
    """

    bits: int
    scale: Fraction
    offset: Fraction

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= QUOTIENT_BITS:
            raise ValueError(f"Bits must be from 1 to {QUOTIENT_BITS}, not {self.bits!r}")
        if self.scale <= 0:
            raise ValueError(f"Scale must be positive, not {self.scale!r}")
        if not 1 / GREATEST <= self.scale <= GREATEST or abs(self.offset) > GREATEST:
            raise BcsimError(
                f"Values in steps of {_magnitude(self.scale)} from {_magnitude(self.offset)} on are out of range; "
                "accepted are steps from 2**-900 to 2**900 and values up to 2**900"
            )

    @property
    def levels(self) -> int:
        return 1 << self.bits

    def decode(self, q: NDArray[np.generic]) -> NDArray[np.float64]:
        """x of q, float64, any shape."""
        return np.asarray(q, dtype=np.float64) * float(self.scale) + float(self.offset)


@dataclass(frozen=True, slots=True)
class InputCoding:
    """How the host turns the network's float input into the integers it streams to the machine.

    x -> level = nearest integer to (x - pixel.offset) / pixel.scale, clipped to pixel.bits -> q = table[level].

    pixel : the raw data's encoding (an 8-bit pixel, mostly).
    stream : the encoding of q, the first layer's source.
    table : int64 (pixel.levels,), or None for q = level. Elementwise operations before the first layer (the
        input quantisers of QONNX files) live here, evaluated for every level. Where channels are read differently,
        int64 (channels * pixel.levels,), one channel after the other.
    order : int64 (inputs,), which value of the flattened float image each value of the stream is. None where the
        image is flat or (channel, row, column), and the stream is (row, column, channel) as every tensor.
    """

    pixel: Encoding
    stream: Encoding
    table: IntArray | None = None
    order: IntArray | None = None

    def encode(self, x: NDArray[np.generic]) -> NDArray[np.uint16]:
        """q, uint16, the shape of x: (..., inputs) in the order of the stream."""
        level = np.rint(
            (np.asarray(x, dtype=np.float64) - float(self.pixel.offset)) / float(self.pixel.scale)
        )
        return self.encode_levels(np.clip(level, 0, self.pixel.levels - 1).astype(np.int64))

    def encode_levels(self, level: NDArray[np.integer]) -> NDArray[np.uint16]:
        """q of raw levels (pixels as the data set stores them), uint16, the shape of level, as in `encode`."""
        if self.table is None:
            return level.astype(np.uint16)
        channels = len(self.table) // self.pixel.levels
        if channels > 1:
            level = level + np.arange(level.shape[-1]) % channels * self.pixel.levels
        return np.asarray(self.table[level], dtype=np.uint16)


@dataclass(frozen=True, slots=True)
class WeightPlane:
    """Weights of -1 and +1, times 2**shift.

    packed : uint8 (O, ceil(I / 8)), bit i % 8 (least significant first) of byte i // 8 is 1 where the weight
        is +1; bits beyond I are 0.
    """

    shift: int
    packed: NDArray[np.uint8]

    def signs(self, inputs: int) -> NDArray[np.int8]:
        """The weights as -1 and +1, int8 (O, I)."""
        bits = np.unpackbits(self.packed, axis=1, count=inputs, bitorder="little")
        return (bits.astype(np.int8) << 1) - np.int8(1)

    @classmethod
    def pack(cls, signs: NDArray[np.integer], shift: int = 0) -> WeightPlane:
        """A plane from an array (O, I) of -1 and +1."""
        return cls(shift, np.packbits(signs > 0, axis=1, bitorder="little"))


@dataclass(frozen=True, slots=True)
class Divide:
    """q = clip(floor((2**fraction_bits * accumulator - offset) / divisor), 0, 2**bits - 1), per output.

    A restoring division by compare-and-subtract yields the bits of q from the most significant down.

    offset : int64 (O,), T in docs/arithmetic.md.
    divisor : int64 (O,), D, positive.
    """

    bits: int
    fraction_bits: int
    offset: IntArray
    divisor: IntArray

    def apply(self, accumulator: IntArray) -> NDArray[np.uint16]:
        """q, uint16, for accumulators int64 (..., O)."""
        quotient = ((accumulator << self.fraction_bits) - self.offset) // self.divisor
        return np.asarray(np.clip(quotient, 0, (1 << self.bits) - 1), dtype=np.uint16)


@dataclass(frozen=True, slots=True)
class Search:
    """q = how many of the output's thresholds are <= accumulator, found by binary search.

    thresholds : int64 (O, 2**bits - 1), ascending along the last axis.
    """

    bits: int
    thresholds: IntArray

    def apply(self, accumulator: IntArray) -> NDArray[np.uint16]:
        """q, uint16, for accumulators int64 (..., O)."""
        q = np.zeros(accumulator.shape, dtype=np.int64)
        columns = np.arange(len(self.thresholds))
        for bit in reversed(range(self.bits)):
            candidate = q | (1 << bit)
            q = np.where(accumulator >= self.thresholds[columns, candidate - 1], candidate, q)
        return q.astype(np.uint16)


Requantiser: TypeAlias = Divide | Search


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """A fully connected layer with everything up to the next one folded into its requantiser.

    planes : weight planes, the highest shift first; one plane of shift 0 for weights of -1 and +1.
    low, high : the least and the greatest value an accumulator can take, from the weights and the source's range.
    exact : the requantiser equals the float layer's own quantiser for every accumulator in low..high. False
        where the float network has no quantiser here and rounding was added after training.
    float_output : the float graph's tensor whose values `target` encodes.
    """

    name: str
    inputs: int
    outputs: int
    source: Encoding
    target: Encoding
    planes: tuple[WeightPlane, ...]
    requantiser: Requantiser
    low: int
    high: int
    exact: bool
    float_output: str

    def weights(self) -> NDArray[np.int32]:
        """sum_b 2**shift[b] * signs[b], int32 (O, I)."""
        total = np.zeros((self.outputs, self.inputs), dtype=np.int32)
        for plane in self.planes:
            total += plane.signs(self.inputs).astype(np.int32) << plane.shift
        return total

    @property
    def geometry(self) -> Geometry:
        return dense_geometry(self.inputs)


@dataclass(frozen=True, slots=True)
class ConvLayer(DenseLayer):
    """A layer whose matrix is applied at every window of its sources, and whose outputs may be pooled.

    `inputs` is the geometry's window_inputs, `outputs` the output channels. A dense layer behind a convolution
    is one with a kernel as large as its source; an average pooling one with weights of +1 and as many groups as
    channels; a residual addition one with several sources, weights of +1 and as many groups as channels.

    windows : the geometry of sources, kernel, padding and pooling.
    sources : the names of the layers it reads, or "" for the program's input.
    minimum : bool (O,), outputs whose pooling takes the minimum of q: those whose weights were flipped behind a
        pooling that stood before a negative gain. None for none.
    """

    windows: Geometry
    sources: tuple[str, ...]
    minimum: NDArray[np.bool_] | None = None

    @property
    def geometry(self) -> Geometry:
        return self.windows


def over_windows(
    layer: DenseLayer, windows: Geometry, sources: tuple[str, ...], minimum: NDArray[np.bool_] | None
) -> ConvLayer:
    """The layer at every window of named sources."""
    values = {field.name: getattr(layer, field.name) for field in fields(DenseLayer)}
    return ConvLayer(**values, windows=windows, sources=sources, minimum=minimum)


Layer: TypeAlias = DenseLayer
"""A DenseLayer, which reads the layer before it, or a ConvLayer, which names what it reads."""


@dataclass(frozen=True, slots=True)
class Program:
    """A whole network in integers, for any machine.

    The last layer's target values are the class scores on one common scale; the class is their first greatest. One
    score alone is of a binary classifier: class 1 where it is positive.

    input : how floats become the first layer's source.
    input_shape : of one image in the float network, without the batch axis.
    notes : what a user should know of how the network was read.
    metadata : free strings kept with the stored program (the model's name, its data set, its hash).
    """

    name: str
    input: InputCoding
    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        weights = sum(layer.inputs * layer.outputs for layer in self.layers)
        exact = "exact" if self.exact else "rounded after training"
        shape = " x ".join(map(str, self.input_shape))
        return (
            f"<Program {self.name}: {shape} to {self.classes} classes, {len(self.layers)} layers, "
            f"{weights:,} weights, {exact}>"
        )

    @property
    def inputs(self) -> int:
        """Values in one image, whatever their shape."""
        geometry = self.layers[0].geometry
        return geometry.height * geometry.width * geometry.channels[0]

    @property
    def classes(self) -> int:
        return self.layers[-1].outputs

    @property
    def exact(self) -> bool:
        """Whether every layer but the scores' rounding equals the float network for every input on the grid."""
        return all(layer.exact for layer in self.layers)
