"""The windows of a convolution or pooling, from the attributes that both kinds of operator share."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.shapes import MAX_VALUES
from bcsim.compiler.importer.node_context import NodeContext
from bcsim.compiler.importer.values import Activation, Shape

__all__ = ["Pads", "Windows", "read_dilations", "read_windows"]

Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over an image of `size` rows and columns, with `pads` (top, left, bottom, right) around it."""

    size: Pair
    kernel: Pair
    stride: Pair
    pads: Pads

    @property
    def padded(self) -> Pair:
        top, left, bottom, right = self.pads
        return self.size[0] + top + bottom, self.size[1] + left + right

    @property
    def counts(self) -> Pair:
        """Rows and columns of whole windows."""
        rows, columns = (
            (whole - kernel) // stride + 1
            for whole, kernel, stride in zip(self.padded, self.kernel, self.stride, strict=True)
        )
        return rows, columns

    @property
    def whole(self) -> bool:
        """Whether the windows reach the image's last row and column, so that ceil_mode adds none."""
        return all(
            (size - kernel) % stride == 0
            for size, kernel, stride in zip(self.padded, self.kernel, self.stride, strict=True)
        )

    def ceiled(self) -> Windows:
        """With as many more rows and columns behind the image as its last windows need to be whole."""
        more = [
            (kernel - size) % stride
            for size, kernel, stride in zip(self.padded, self.kernel, self.stride, strict=True)
        ]
        top, left, bottom, right = self.pads
        return replace(self, pads=(top, left, bottom + more[0], right + more[1]))

    def unpadded(self) -> Windows:
        """The same windows without pads that none of them reaches; itself where one does."""
        bare = Windows(self.size, self.kernel, self.stride, (0, 0, 0, 0))
        return bare if self.pads[:2] == (0, 0) and bare.counts == self.counts else self


def read_windows(context: NodeContext, x: Activation, kernel: Shape | None = None) -> Windows:
    """The windows of the node over x, an image or a sequence; zeros that a Pad put around x count among the pads.

    kernel : the weights' last axes, with the zeros of their dilation; None to read it from kernel_shape.
    """
    shape = sizes(x)
    axes = len(shape)
    found = _kernel(context, axes) if kernel is None else kernel
    stride = _numbers(context, "strides", (1,) * axes, axes, 1)
    whole = tuple(
        size + before + after for size, before, after in zip(shape, *_halves(x.pads, axes), strict=True)
    )
    before, after = _pads(context, whole, found, stride)
    return _checked(_windows(x, found, stride, before, after))


def _kernel(context: NodeContext, axes: int) -> Shape:
    """The windows of a pooling."""
    if any(step != 1 for step in read_dilations(context, axes)):
        raise BcsimError(f"its dilations are {context.attribute('dilations')}; accepted is 1")
    return _numbers(context, "kernel_shape", (), axes, 1)


def read_dilations(context: NodeContext, axes: int) -> Shape:
    """The distance of neighbouring weights along every axis."""
    return _numbers(context, "dilations", (1,) * axes, axes, 1)


def sizes(x: Activation) -> Shape:
    """The axes behind the channels: (H, W) of an image, (W,) of a sequence."""
    if x.shape is None or len(x.shape) not in (2, 3):
        raise BcsimError(
            f"its input has the shape {x.shape} behind the batch axis; accepted are images (channels, rows, columns) "
            "and sequences (channels, values)"
        )
    return x.shape[1:]


def _halves(pads: Pads, axes: int) -> tuple[Shape, Shape]:
    return pads[2 - axes : 2], pads[4 - axes :]


def _windows(x: Activation, kernel: Shape, stride: Shape, before: Shape, after: Shape) -> Windows:
    rows, columns = _pair(sizes(x), 1)
    (top, left), (bottom, right) = _pair(before, 0), _pair(after, 0)
    own = (top, left, bottom, right)
    pads = tuple(mine + around for mine, around in zip(own, x.pads, strict=True))
    return Windows((rows, columns), _pair(kernel, 1), _pair(stride, 1), (pads[0], pads[1], pads[2], pads[3]))


def _pair(numbers: Shape, one: int) -> Pair:
    """Numbers for rows and columns; a sequence has one row."""
    rows, columns = numbers if len(numbers) == 2 else (one, numbers[0])
    return rows, columns


def _checked(windows: Windows) -> Windows:
    if min(windows.counts) < 1:
        rows, columns = windows.kernel
        raise BcsimError(f"its windows of {rows}x{columns} do not fit into its input of {_text(windows)}")
    if math.prod(windows.padded) > MAX_VALUES:
        raise BcsimError(f"its input is {_text(windows)}; accepted are up to {MAX_VALUES} pixels")
    return windows


def _text(windows: Windows) -> str:
    rows, columns = windows.padded
    return f"{rows}x{columns}" + ", padding included" * any(windows.pads)


def _numbers(context: NodeContext, name: str, default: Shape, count: int, least: int) -> Shape:
    numbers = tuple(int(number) for number in context.attribute(name, list(default)))
    if len(numbers) != count or min(numbers) < least:
        raise BcsimError(f"its {name} is {list(numbers)}; expected {count} numbers from {least} up")
    return numbers


def _pads(context: NodeContext, whole: Shape, kernel: Shape, stride: Shape) -> tuple[Shape, Shape]:
    """Zeros before and behind each axis."""
    axes, mode = len(whole), context.attribute("auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = _numbers(context, "pads", (0,) * (2 * axes), 2 * axes, 0)
        return pads[:axes], pads[axes:]
    if mode not in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        raise BcsimError(f"its auto_pad is {mode!r}; accepted are NOTSET, SAME_UPPER, SAME_LOWER and VALID")
    totals = [
        0 if mode == "VALID" else max(0, (-(-size // step) - 1) * step + width - size)
        for size, width, step in zip(whole, kernel, stride, strict=True)
    ]
    less, more = tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
    return (less, more) if mode == "SAME_UPPER" else (more, less)
