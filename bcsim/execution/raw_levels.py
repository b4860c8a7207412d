"""How raw levels (pixels as a data set stores them) become the float input that a network was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.program.layers import Encoding, Program
from bcsim.data.dataset import Dataset
from bcsim.data.named import NAMES

__all__ = [
    "PREPROCESSING_KEY",
    "InputReading",
    "arranged",
    "check_preprocessing",
    "program_input",
    "program_reading",
    "reading_from_metadata",
    "reading_from_text",
]

KIND_KEY = "bcsim.input"
"""Metadata of a program whose network sees rounded pixels: the name of the rounding."""

PREPROCESSING_KEY = "bcsim.preprocessing"
"""Metadata of a network that sees images which the host has preprocessed."""

BIPOLAR = Encoding(1, Fraction(2), Fraction(-1))
FIXED = Encoding(8, Fraction(1), Fraction(-128))
ROUNDED: Mapping[str, Encoding] = {"sign": BIPOLAR, "fixed": FIXED}
"""What a network sees by the name of the rounding: the level of this encoding nearest to a pixel's value."""


@dataclass(frozen=True, slots=True)
class InputReading:
    """The float input of a raw level: pixel.decode(level), or what it is rounded to.

    pixel : encoding of the raw levels.
    rounded : a name of ROUNDED, "" for none. "sign" is +1 where pixel.decode(level) >= 0 and else -1; "fixed" is the
        nearest integer from -128 to 127, the 8-bit fixed point of FINN's networks (whose 128 becomes 127).
    """

    pixel: Encoding
    rounded: str = ""

    @property
    def lowered(self) -> Encoding:
        """The input encoding to lower a network with."""
        return ROUNDED.get(self.rounded, self.pixel)

    def _values(self) -> NDArray[np.float64]:
        """The float nearest to what each level means; scale * level + offset in floats is rounded twice."""
        scale, offset = self.pixel.scale, self.pixel.offset
        return np.array([float(scale * level + offset) for level in range(self.pixel.levels)])

    def _levels(self) -> NDArray[np.int64]:
        """The level of `lowered` nearest to each raw level, halves up."""
        encoding = self.lowered
        place = (self._values() - float(encoding.offset)) / float(encoding.scale)
        return np.clip(np.floor(place + 0.5), 0, encoding.levels - 1).astype(np.int64)

    def floats(self, levels: NDArray[np.generic]) -> NDArray[np.float64]:
        """The network's float input of raw levels, float64, the shape of levels."""
        if self.rounded:
            return self.lowered.decode(self._levels()[levels])
        values: NDArray[np.float64] = self._values()[levels]
        return values

    def inputs(self, data: Dataset, features: int) -> NDArray[np.float64]:
        """The network's float input (n, features): of float data itself, of raw levels what they mean."""
        x = data.flat(features)
        return x.astype(np.float64) if data.is_float else self.floats(x)

    def attach(self, program: Program) -> Program:
        """The program lowered with `lowered`, made to take raw levels."""
        if not self.rounded:
            return program
        inner = program.input
        table = inner.encode_levels(self._levels()).astype(np.int64)
        metadata = {**program.metadata, KIND_KEY: self.rounded}
        return replace(program, input=replace(inner, pixel=self.pixel, table=table), metadata=metadata)


def _unit(bits: int, full: int) -> InputReading:
    return InputReading(Encoding(bits, Fraction(1, full), Fraction(0)))


def _centred(bits: int, full: int) -> InputReading:
    return InputReading(Encoding(bits, Fraction(2, full), Fraction(-1)))


def _sign(bits: int, full: int) -> InputReading:
    return replace(_centred(bits, full), rounded="sign")


def _fixed(bits: int, full: int) -> InputReading:
    return InputReading(Encoding(bits, Fraction(256, full), Fraction(-128)), "fixed")


def _raw(bits: int, full: int) -> InputReading:
    return InputReading(Encoding(bits, Fraction(1), Fraction(0)))


NAMED: Mapping[str, Callable[[int, int], InputReading]] = {
    "unit": _unit,
    "centred": _centred,
    "sign": _sign,
    "fixed": _fixed,
    "raw": _raw,
}


def _number(what: str, text: str) -> Fraction:
    try:
        return Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        raise BcsimError(
            f"{what} must be a decimal number or a fraction such as 1/255, not {text!r}"
        ) from None


def _affine(what: str, scale: str, offset: str, bits: int) -> InputReading:
    step = _number(f"{what} scale", scale)
    if step <= 0:
        raise BcsimError(f"{what} scale must be positive, not {scale!r}")
    return InputReading(Encoding(bits, step, _number(f"{what} offset", offset)))


def reading_from_text(text: str, bits: int, full: int) -> InputReading:
    """The reading that `--input` names: unit, centred, sign, fixed, raw or SCALE,OFFSET.

    bits, full : width and greatest value of the raw levels (8 and 255 for pixels; 5 and 16 for digits).
    unit is level / full, centred 2 * level / full - 1, sign is +1 where centred >= 0 and else -1,
    fixed the nearest integer to 128 * centred from -128 to 127.
    Raises BcsimError for anything else.
    """
    if text in NAMED:
        return NAMED[text](bits, full)
    scale, comma, offset = text.partition(",")
    if not comma:
        raise BcsimError(f"Input must be one of {', '.join(NAMED)} or SCALE,OFFSET, not {text!r}")
    return _affine("Input", scale, offset, bits)


def reading_from_metadata(metadata: Mapping[str, str], bits: int) -> InputReading | None:
    """The reading that a model's bcsim.input_scale and bcsim.input_offset give, None where it has neither."""
    scale, offset = metadata.get("bcsim.input_scale"), metadata.get("bcsim.input_offset", "0")
    return None if scale is None else _affine("Metadata bcsim.input", scale, offset, bits)


def check_preprocessing(metadata: Mapping[str, str], data: Dataset) -> None:
    """Raise BcsimError where a network trained on preprocessed images is given a data set as it is published."""
    kind = metadata.get(PREPROCESSING_KEY)
    if kind and data.name in NAMES:
        raise BcsimError(
            f"The network takes images preprocessed by {kind}, and data set {data.name} holds plain pixels: give an "
            ".npz file of preprocessed images (bcsim train --preprocessed writes them)"
        )


def program_reading(program: Program) -> InputReading:
    """The reading that a program was compiled with."""
    rounded = program.metadata.get(KIND_KEY, "")
    return InputReading(program.input.pixel, rounded if rounded in ROUNDED else "")


def arranged(program: Program, x: NDArray[np.generic]) -> NDArray[np.generic]:
    """Images (n, inputs) from the float network's order, mostly (channel, row, column), into the program's."""
    if program.input.order is not None:
        return x[:, program.input.order]
    channels = program.layers[0].geometry.channels[0]
    return x.reshape(len(x), channels, -1).swapaxes(1, 2).reshape(len(x), -1)


def program_input(program: Program, data: Dataset) -> NDArray[np.uint16]:
    """The program's input q (n, inputs) for a data set, as `execute` takes it.

    Raises BcsimError for images of another size, for levels that the program has no encoding for, and for plain
    images where the network needs preprocessed ones.
    """
    check_preprocessing(program.metadata, data)
    x = arranged(program, data.flat(program.inputs))
    if data.is_float:
        return program.input.encode(x)
    top = program.input.pixel.levels - 1
    if x.max() > top:
        raise BcsimError(f"Data set {data.name} has levels up to {x.max()}, and the program takes 0 to {top}")
    return program.input.encode_levels(x.astype(np.int64))
