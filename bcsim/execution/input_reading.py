"""What a network sees of its input: the float that a raw level means, one encoding for all channels or one for each.

Letters in shapes: n images, C channels, L levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.common.metadata import ROUNDING_KEY
from bcsim.compiler.program.layers import Encoding, Program
from bcsim.data.dataset import Dataset

__all__ = ["ROUNDED", "InputReading"]

BIPOLAR = Encoding(1, Fraction(2), Fraction(-1))
FIXED = Encoding(8, Fraction(1), Fraction(-128))
ROUNDED: Mapping[str, Encoding] = {"sign": BIPOLAR, "fixed": FIXED}
"""What a network sees by the name of the rounding: the level of this encoding nearest to a pixel's value."""

STREAM_BITS = 8
"""Of the one encoding that channels of several encodings are rounded to, the most that a machine streams in."""


@dataclass(frozen=True, slots=True)
class InputReading:
    """The float input of a raw level: pixel.decode(level), or what it is rounded to.

    pixel : encoding of the raw levels; of the first channel, where there are several.
    rounded : a name of ROUNDED, "" for none. "sign" is +1 where pixel.decode(level) >= 0 and else -1; "fixed" is the
        nearest integer from -128 to 127, the 8-bit fixed point of FINN's networks (whose 128 becomes 127).
    channels : an encoding for each channel where they differ. The machine streams integers of one encoding for all, so
        levels are then rounded to the nearest of 256 values between the least and the greatest of all channels.
    """

    pixel: Encoding
    rounded: str = ""
    channels: tuple[Encoding, ...] = ()

    @property
    def lowered(self) -> Encoding:
        """The input encoding to lower a network with."""
        return _common(self.channels) if self.channels else ROUNDED.get(self.rounded, self.pixel)

    def span(self, top: int) -> tuple[float, float]:
        """The least and the greatest float that levels from 0 to `top` mean, in any channel."""
        if self.rounded:
            values = self.lowered.decode(self._levels()[0, [0, top]])
            return float(values[0]), float(values[1])
        ends = self._values()[:, [0, top]]
        return float(ends.min()), float(ends.max())

    def _values(self) -> NDArray[np.float64]:
        """The float nearest to what each level means, (C, L); scale * level + offset in floats is rounded twice."""
        levels = range(self.pixel.levels)
        encodings = self.channels or (self.pixel,)
        return np.array([[float(e.scale * level + e.offset) for level in levels] for e in encodings])

    def _levels(self) -> NDArray[np.int64]:
        """The level of `lowered` nearest to each raw level, halves up, (C, L)."""
        encoding = self.lowered
        place = (self._values() - float(encoding.offset)) / float(encoding.scale)
        return np.asarray(np.clip(np.floor(place + 0.5), 0, encoding.levels - 1), dtype=np.int64)

    def floats(self, levels: NDArray[np.generic], shape: tuple[int, ...] = ()) -> NDArray[np.float64]:
        """The network's float input of raw levels, float64, the shape of levels.

        shape : of one image in the network, needed where the channels differ; levels are then (n, values).
        """
        if self.rounded:
            return self.lowered.decode(self._levels()[0, levels])
        if not self.channels:
            values: NDArray[np.float64] = self._values()[0, levels]
            return values
        return np.asarray(self._values()[channel_indices(shape, len(self.channels)), levels])

    def inputs(self, data: Dataset, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """The network's float input (n, values) of images of `shape`: of float data itself, of raw levels what they
        mean. Raises BcsimError for images of another size."""
        x = data.flat(int(np.prod(shape)))
        return x.astype(np.float64) if data.is_float else self.floats(x, shape)

    def nearest(self, x: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.int64]:
        """The raw levels nearest to the floats x (n, values) of images of `shape`, halves to even."""
        encodings = self.channels or (self.pixel,)
        index = channel_indices(shape, len(encodings)) if self.channels else 0
        scale, offset = (
            np.array([float(getattr(e, name)) for e in encodings]) for name in ("scale", "offset")
        )
        level = np.rint((x - offset[index]) / scale[index])
        return np.asarray(np.clip(level, 0, self.pixel.levels - 1), dtype=np.int64)

    def attach(self, program: Program) -> Program:
        """The program lowered with `lowered`, made to take raw levels."""
        if not self.rounded and not self.channels:
            return program
        inner, read = program.input, program.layers[0].geometry.channels[0]
        if self.channels and len(self.channels) != read:
            raise BcsimError(
                f"Input has {len(self.channels)} values of mean and std, one for each channel, and the first layer "
                f"reads {read} channels; give one value for all"
            )
        table = inner.encode_levels(self._levels().reshape(-1)).astype(np.int64)
        program = replace(program, input=replace(inner, pixel=self.pixel, table=table))
        if self.rounded:
            return replace(program, metadata={**program.metadata, ROUNDING_KEY: self.rounded})
        first = replace(program.layers[0], exact=False)
        step = float(self.lowered.scale)
        note = f"The input's channels are rounded to one scale of 256 values, {step:.3g} apart"
        return replace(program, layers=(first, *program.layers[1:]), notes=(*program.notes, note))


def _common(channels: tuple[Encoding, ...]) -> Encoding:
    """256 values that span all channels' with 0 among them, for layers that pad with it."""
    low = min(e.offset for e in channels)
    high = max(e.offset + e.scale * (e.levels - 1) for e in channels)
    if not low < 0 < high:
        return Encoding(STREAM_BITS, (high - low) / ((1 << STREAM_BITS) - 1), low)
    scale = (high - low) / ((1 << STREAM_BITS) - 2)
    return Encoding(STREAM_BITS, scale, (low / scale).__floor__() * scale)


def channel_indices(shape: tuple[int, ...], channels: int) -> NDArray[np.intp]:
    """The channel of each value of an image of `shape` (C, ...) or (..., C), flattened.

    Raises BcsimError where neither end of the shape is the number of channels.
    """
    if len(shape) > 1 and shape[0] == channels:
        return np.repeat(np.arange(channels), int(np.prod(shape[1:])))
    if len(shape) > 1 and shape[-1] == channels:
        return np.tile(np.arange(channels), int(np.prod(shape[:-1])))
    raise BcsimError(
        f"Input has {channels} values of mean and std, one for each channel, and the network's input of shape {shape} "
        f"has no axis of {channels} channels; give one value for all"
    )
