"""Random convolutional programs from a seed, for tests that hold one level to another.

Convolutions of any stride, padding and groups, with and without pooling; averages; padded maxima; residual additions;
concatenations of two to four tensors of different channels.
"""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction

import numpy as np

from bcsim.compiler.program.geometry import Geometry, Pool
from bcsim.compiler.program.layers import ConvLayer, Encoding, InputCoding, Program, WeightPlane
from tests.programs import random_layer

__all__ = ["FEATURES", "conv_layer", "features", "random_conv_program"]


def conv_layer(
    rng: np.random.Generator,
    geometry: Geometry,
    outputs: int,
    source: Encoding,
    bits: int,
    name: str,
    reads: tuple[str, ...],
) -> ConvLayer:
    """A layer of the geometry with random weights."""
    matrix = random_layer(rng, geometry.window_inputs, outputs, source, bits, name)
    minimum = rng.random(outputs) < 0.3 if geometry.pool else None
    values = {field.name: getattr(matrix, field.name) for field in fields(matrix)}
    return ConvLayer(**values, windows=geometry, sources=reads, minimum=minimum)


def summing_layer(
    rng: np.random.Generator,
    geometry: Geometry,
    source: Encoding,
    bits: int,
    name: str,
    reads: tuple[str, ...],
) -> ConvLayer:
    """A layer that adds up the window of every channel: an addition, an average, or a copy."""
    channels = geometry.channels[0]
    layer = conv_layer(rng, geometry, channels, source, bits, name, reads)
    ones = (WeightPlane.pack(np.ones((channels, geometry.window_inputs), np.int8)),)
    high = geometry.window_inputs * (source.levels - 1)
    return replace(layer, planes=ones, low=0, high=high)


def random_conv_program(rng: np.random.Generator, *, layers: int = 5, largest: int = 9) -> Program:
    """Up to `layers` blocks of at most `largest` channels on an image, and a dense end."""
    shape = (int(rng.integers(1, 8)), int(rng.integers(1, 8)), int(rng.integers(1, largest)))
    net = _Net(rng, shape, largest)
    for index in range(int(rng.integers(1, layers + 1))):
        # A machine keeps its input for the first layer alone, and fills lanes beyond its channels with 0.
        blocks = [net.convolution, net.average, net.padded_maximum, net.addition, net.concatenation]
        chances = [0.35, 0.1, 0.15, 0.2, 0.2] if index else [0.8, 0.1, 0.1, 0, 0]
        blocks[rng.choice(len(blocks), p=chances)]()
    return net.program()


FEATURES = (
    "convolutional",
    "packed",
    "stride",
    "padding",
    "groups",
    "average",
    "pooling",
    "padded pooling",
    "minimum",
    "addition",
    "concatenation",
    "unequal sources",
    "many sources",
)


def features(program: Program, *, packed: bool) -> set[str]:
    """Which of FEATURES a program has.

    packed : whether the host sends the first convolution's windows.
    """
    layers = [layer for layer in program.layers if isinstance(layer, ConvLayer)]
    here = [packed and bool(layers), *[any(kinds) for kinds in zip(*map(_kinds, layers), strict=True)]]
    return {name for name, is_there in zip(FEATURES, [bool(layers), *here], strict=False) if is_there}


def _kinds(layer: ConvLayer) -> tuple[bool, ...]:
    """Whether the layer is of each kind in FEATURES, behind the first two."""
    geometry = layer.windows
    sources, pointwise = len(geometry.channels), geometry.kernel == (1, 1)
    depthwise = 1 < geometry.groups == geometry.channels[0] == layer.outputs
    around = pointwise and any(geometry.pads)
    return (
        max(geometry.stride) > 1,
        any(geometry.pads) and not around,
        geometry.groups > 1 and not depthwise,
        depthwise and not pointwise and bool((layer.weights() == 1).all()),
        geometry.pool is not None and not around,
        geometry.pool is not None and around,
        layer.minimum is not None and bool(layer.minimum.any()),
        sources > 1 and depthwise,
        sources > 1 and geometry.groups == 1,
        len(set(geometry.channels)) > 1,
        sources > 2,
    )


class _Net:
    """A program in the making. The last tensor is `name`, of `shape` (rows, columns, channels), encoded as `source`."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int, int], largest: int) -> None:
        self.rng, self.shape, self.largest = rng, shape, largest
        self.source, self.name = Encoding(int(rng.integers(1, 9)), Fraction(1), Fraction(0)), ""
        self.layers: list[ConvLayer] = []
        self.zero = [int(rng.integers(1 << bits)) for bits in range(9)]
        """The level of 0 in tensors of so many bits: all that read a tensor pad it with the same."""

    def program(self) -> Program:
        end = Geometry(*self.shape[:2], (self.shape[2],), kernel=self.shape[:2])
        scores = conv_layer(
            self.rng, end, int(self.rng.integers(1, 11)), self.source, 16, "scores", (self.name,)
        )
        layers = (*self.layers, scores)
        first = layers[0].windows
        coding = InputCoding(layers[0].source, layers[0].source)
        return Program("random", coding, (first.channels[0], first.height, first.width), layers)

    def convolution(self) -> None:
        geometry = self._geometry()
        outputs = geometry.groups * int(self.rng.integers(1, 4))
        self._append(self._layer("conv", geometry, outputs, self._bits(), (self.name,)))

    def average(self) -> None:
        geometry = replace(self._geometry(), groups=self.shape[2], pool=None)
        self._append(summing_layer(self.rng, geometry, self.source, self._bits(), *self._reading("average")))

    def padded_maximum(self) -> None:
        """A copy of every channel, padded with the level that changes no maximum, and pooled."""
        height, width, channels = self.shape
        kernel = (int(self.rng.integers(2, 4)), int(self.rng.integers(2, 4)))
        stride = (int(self.rng.integers(1, 3)), int(self.rng.integers(1, 3)))
        pads = tuple(int(pad) for pad in self.rng.integers(0, (*kernel, *kernel)))
        geometry = Geometry(height, width, (channels,), pads=pads, groups=channels, pool=Pool(kernel, stride))
        if min(geometry.output) < 1:
            return self.convolution()
        layer = summing_layer(self.rng, geometry, self.source, self._bits(), *self._reading("maximum"))
        return self._append(layer)

    def addition(self) -> None:
        """A residual block: a convolution beside the tensor itself, or beside a 1 x 1 convolution of larger stride."""
        height, width, channels = self.shape
        stride = int(self.rng.integers(1, 3))
        around = self._same(stride)
        branch = self._layer("branch", around, channels, self.source.bits, (self.name,))
        names, more = [branch.name, self.name], [branch]
        if stride > 1:
            short = Geometry(height, width, (channels,), stride=around.stride)
            more.append(self._layer("short", short, channels, self.source.bits, (self.name,)))
            names[1] = more[-1].name
        self.layers += more
        both = Geometry(*around.output, (channels, channels), groups=channels)
        added = summing_layer(
            self.rng, both, branch.target, self._bits(), f"add{len(self.layers)}", tuple(names)
        )
        self._append(added)

    def concatenation(self) -> None:
        """Convolutions of one or several tensors, of any channels, read together with what they read."""
        names, channels = [self.name], [self.shape[2]]
        for _ in range(int(self.rng.integers(1, 4))):
            dense = self.rng.random() < 0.5
            read = tuple(names) if dense else (self.name,)
            geometry = replace(self._same(1), channels=tuple(channels) if dense else (self.shape[2],))
            outputs = int(self.rng.integers(1, self.largest + 1))
            branch = self._layer("branch", geometry, outputs, self.source.bits, read)
            self.layers.append(branch)
            names.append(branch.name)
            channels.append(outputs)
        joint = replace(self._geometry(), channels=tuple(channels), groups=1)
        self._append(
            self._layer("joint", joint, int(self.rng.integers(1, self.largest)), self._bits(), tuple(names))
        )

    def _geometry(self) -> Geometry:
        """Windows over the last tensor."""
        rng, (height, width, channels) = self.rng, self.shape
        kernel = (int(rng.integers(1, min(height, 3) + 1)), int(rng.integers(1, min(width, 3) + 1)))
        stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        pads = tuple(int(p) for p in rng.integers(0, 2, 4) * (max(kernel) > 1))
        groups = int(rng.choice([g for g in (1, 1, 2, channels) if channels % g == 0]))
        geometry = Geometry(height, width, (channels,), kernel, stride, pads, groups, self._zero())
        rows, columns = geometry.windows
        if rng.random() < 0.4 and rows > 1 and columns > 1:
            side = int(rng.integers(2, min(rows, columns, 3) + 1))
            geometry = replace(geometry, pool=Pool((side, side), (int(rng.integers(1, side + 1)),) * 2))
        return geometry

    def _same(self, stride: int) -> Geometry:
        """Windows whose number is that of the last tensor's positions, or every other one of them."""
        height, width, channels = self.shape
        side = int(self.rng.choice([1, 3]))
        pads = (side // 2,) * 4
        return Geometry(
            height, width, (channels,), (side, side), (stride, stride), pads, pad_level=self._zero()
        )

    def _zero(self) -> int:
        return self.zero[self.source.bits] if self.layers else 0

    def _bits(self) -> int:
        return int(self.rng.integers(1, 9))

    def _reading(self, kind: str) -> tuple[str, tuple[str, ...]]:
        return f"{kind}{len(self.layers)}", (self.name,)

    def _layer(
        self, kind: str, geometry: Geometry, outputs: int, bits: int, reads: tuple[str, ...]
    ) -> ConvLayer:
        return conv_layer(self.rng, geometry, outputs, self.source, bits, f"{kind}{len(self.layers)}", reads)

    def _append(self, layer: ConvLayer) -> None:
        self.layers.append(layer)
        self.shape, self.source, self.name = (*layer.windows.output, layer.outputs), layer.target, layer.name
