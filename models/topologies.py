"""Shapes of the networks that can be trained, as frozen configurations (no PyTorch here)."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

from bcsim.common.errors import BcsimError

KERNEL = 3
"""Convolutions are KERNEL x KERNEL, with one row and column of zeros around the image."""


@dataclass(frozen=True, slots=True)
class Convolution:
    """`outputs` kernels, and whether a 2x2 max pool follows."""

    outputs: int
    pool: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One binary layer of a network: linear (no bias) -> 2x2 max pool if `pool` -> BatchNorm -> activation.

    inputs, outputs : channels of a convolution, features of a dense layer.
    flattens : whether it is the dense layer that takes an image.
    """

    inputs: int
    outputs: int
    convolution: bool = False
    pool: bool = False
    flattens: bool = False

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """(outputs, inputs), or (outputs, inputs, rows, columns) of a convolution."""
        return (self.outputs, self.inputs, *((KERNEL, KERNEL) if self.convolution else ()))


@dataclass(frozen=True, slots=True)
class Topology:
    """A network and the real meaning of its input levels.

    input_shape : (features,), or (channels, rows, columns) where convolutions come first.
    hidden : units of the dense layers between the convolutions and the last layer, which has `classes` units.
    scale, offset : a stored level q, an integer, enters as `scale * q + offset`.
    flips : whether a mirrored image is an image of the same class.
    """

    name: str
    dataset: str
    input_shape: tuple[int, ...]
    hidden: tuple[int, ...]
    scale: Fraction
    offset: Fraction
    convolutions: tuple[Convolution, ...] = ()
    classes: int = 10
    flips: bool = False

    @property
    def inputs(self) -> int:
        """Values of one image."""
        return prod(self.input_shape)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Its binary layers, from input to output; the last has no activation."""
        stages, (channels, *size) = [], self.input_shape
        for layer in self.convolutions:
            stages.append(Stage(channels, layer.outputs, convolution=True, pool=layer.pool))
            channels = layer.outputs
            size = [length // 2 for length in size] if layer.pool else size
        features = channels * prod(size)
        for units in (*self.hidden, self.classes):
            stages.append(Stage(features, units, flattens=bool(size)))
            features, size = units, []
        return tuple(stages)

    @property
    def weights(self) -> int:
        """Number of binary weights."""
        return sum(prod(stage.weight_shape) for stage in self.stages)

    @property
    def width(self) -> int:
        """Outputs of the first layer, to which all hidden layers are in proportion."""
        return self.stages[0].outputs

    def with_width(self, width: int) -> "Topology":
        """The same network with `width` outputs in its first layer and the other hidden layers in proportion.

        Raises BcsimError where that leaves a layer without outputs.
        """
        if width == self.width:
            return self
        hidden = tuple(units * width // self.width for units in self.hidden)
        convolutions = tuple(
            replace(layer, outputs=layer.outputs * width // self.width) for layer in self.convolutions
        )
        if not all((*hidden, *(layer.outputs for layer in convolutions))):
            raise BcsimError(f"Width of {self.name} must leave every hidden layer an output, not {width}")
        return replace(self, name=f"{self.name}-{width}", hidden=hidden, convolutions=convolutions)


def _vgg(*widths: int) -> tuple[Convolution, ...]:
    """Pairs of convolutions, a max pool behind each pair: 2x128C3-MP2-... in the paper's notation."""
    return tuple(Convolution(width, pool) for width in widths for pool in (False, True))


def _plain(*widths: int, pooled: tuple[int, ...]) -> tuple[Convolution, ...]:
    """Convolutions of these `widths`, with a max pool behind those whose places, from 0, are in `pooled`."""
    return tuple(Convolution(width, place in pooled) for place, width in enumerate(widths))


# Inputs are centred, as in the paper: the stored range maps to -1..+1.
_PIXEL = (Fraction(2, 255), Fraction(-1))
# Level 128 is 0, as the padding is: a program that reads images from a memory can pad them exactly.
_PIXEL_WITH_ZERO = (Fraction(1, 128), Fraction(-1))
_LEVEL = (Fraction(1, 8), Fraction(-1))

digits = Topology("digits", "digits", (64,), (128, 128), *_LEVEL)
digits_cnn = Topology(
    "digits-cnn", "digits", (1, 8, 8), (64,), *_LEVEL, (Convolution(16, True), Convolution(32, True))
)
mnist_mlp = Topology("mnist-mlp", "mnist", (784,), (1024, 1024, 1024), *_PIXEL)
mnist_vat = replace(mnist_mlp, name="mnist-vat")
cifar10_cnn = Topology(
    "cifar10-cnn", "cifar10", (3, 32, 32), (1024, 1024), *_PIXEL, _vgg(128, 256, 512), flips=True
)
# As in the speed runs on CIFAR-10 (K. Jordan, airbench, 2024), the first convolution of a size has the pool, and the
# network widens late: a fifth of cifar10-cnn's accumulations, an eighth of its weights.
_FAST = _plain(32, 48, 64, 224, 224, 224, 256, pooled=(1, 3, 5, 6))
cifar10_fast = Topology("cifar10-fast", "cifar10", (3, 32, 32), (), *_PIXEL_WITH_ZERO, _FAST, flips=True)
# For the smallest FPGAs: 0.91 million weights, 73 million accumulations, at most 32,768 values between layers.
_SMALL = _plain(32, 48, 64, 128, 160, 160, 256, pooled=(1, 3, 5, 6))
cifar10_small = Topology("cifar10-small", "cifar10", (3, 32, 32), (), *_PIXEL_WITH_ZERO, _SMALL, flips=True)
svhn_cnn = Topology("svhn-cnn", "svhn", (3, 32, 32), (1024, 1024), *_PIXEL, _vgg(64, 128, 256))

_ALL = (digits, digits_cnn, mnist_mlp, mnist_vat, cifar10_cnn, cifar10_fast, cifar10_small, svhn_cnn)
TOPOLOGIES = {topology.name: topology for topology in _ALL}


def topology(name: str, width: int | None = None) -> Topology:
    """The configuration called `name`, `width` wide if given; raises BcsimError for any other name or width."""
    if name not in TOPOLOGIES:
        raise BcsimError(f"Network must be one of {', '.join(TOPOLOGIES)}, not {name!r}")
    found = TOPOLOGIES[name]
    return found if width is None else found.with_width(width)
