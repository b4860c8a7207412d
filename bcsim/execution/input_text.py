"""The readings of raw levels by name and by numbers, as `--input` and a model's metadata give them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

from bcsim.common.errors import BcsimError
from bcsim.common.metadata import INPUT_OFFSET_KEY, INPUT_SCALE_KEY
from bcsim.compiler.program.layers import Encoding
from bcsim.execution.input_reading import InputReading

__all__ = ["ACCEPTED", "metadata_text", "reading_from_metadata", "reading_from_text"]


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

ACCEPTED = f"one of {', '.join(NAMED)}, mean=...,std=..., scale=...,offset=... or SCALE,OFFSET"
PAIRS = (("mean", "std"), ("scale", "offset"))


def reading_from_text(text: str, bits: int, full: int) -> InputReading:
    """The reading that `--input` names: unit, centred, sign, fixed, raw, SCALE,OFFSET or scale=...,offset=..., or
    mean=...,std=... with one value or one for each channel (mean=0.49,0.48,0.45,std=0.25,0.24,0.26).

    bits, full : width and greatest value of the raw levels (8 and 255 for pixels; 5 and 16 for digits).
    unit is level / full, centred 2 * level / full - 1, sign is +1 where centred >= 0 and else -1,
    fixed the nearest integer to 128 * centred from -128 to 127; mean and std give (unit - mean) / std.
    Raises BcsimError for anything else.
    """
    if text in NAMED:
        return NAMED[text](bits, full)
    if "=" in text:
        return _from_pairs(text, bits, full)
    scale, comma, offset = text.partition(",")
    if not comma:
        raise BcsimError(f"Input must be {ACCEPTED}, not {text!r}")
    return InputReading(_affine("Input", scale, offset, bits))


def reading_from_metadata(metadata: Mapping[str, str], bits: int) -> InputReading | None:
    """The reading that a model's bcsim.input_scale and bcsim.input_offset give, None where it has neither."""
    text = metadata_text(metadata)
    if text is None:
        return None
    scale, _, offset = text.partition(",")
    return InputReading(_affine("Metadata bcsim.input", scale, offset, bits))


def metadata_text(metadata: Mapping[str, str]) -> str | None:
    """SCALE,OFFSET of a model's bcsim.input_scale and bcsim.input_offset, None where it has neither."""
    scale, offset = metadata.get(INPUT_SCALE_KEY), metadata.get(INPUT_OFFSET_KEY, "0")
    return None if scale is None else f"{scale},{offset}"


NUMBER = re.compile(
    r"[+-]?(\d{1,60}(\.\d{0,60})?|\.\d{1,60})([eE][+-]?\d{1,3})?|[+-]?\d{1,60}/\d{1,60}", re.ASCII
)
GREATEST = Fraction(10) ** 30


def _number(what: str, text: str) -> Fraction:
    try:
        # An exponent of nine digits would take longer than anybody waits.
        found = Fraction(text.strip()) if NUMBER.fullmatch(text.strip()) else None
    except ZeroDivisionError:
        found = None
    if found is None:
        raise BcsimError(f"{what} must be a decimal number or a fraction such as 1/255, not {text!r}")
    if found and not 1 / GREATEST <= abs(found) <= GREATEST:
        raise BcsimError(f"{what} must be 0 or of a magnitude from 1e-30 to 1e30, not {text!r}")
    return found


def _positive(what: str, text: str) -> Fraction:
    found = _number(what, text)
    if found <= 0:
        raise BcsimError(f"{what} must be positive, not {text!r}")
    return found


def _affine(what: str, scale: str, offset: str, bits: int) -> Encoding:
    return Encoding(bits, _positive(f"{what} scale", scale), _number(f"{what} offset", offset))


def _from_pairs(text: str, bits: int, full: int) -> InputReading:
    """The reading of key=value,... where a value without a key is one more of the key before it."""
    given: dict[str, list[str]] = {}
    name = ""
    for part in text.split(","):
        key, equals, value = part.rpartition("=")
        name = key.strip() if equals else name
        given.setdefault(name, []).append(value)
    for pair in PAIRS:
        if set(given) == set(pair):
            first, second = (given[key] for key in pair)
            return (
                _normalised(first, second, bits, full) if pair[0] == "mean" else _scaled(first, second, bits)
            )
    raise BcsimError(f"Input must be {ACCEPTED}, not {text!r}")


def _scaled(scale: list[str], offset: list[str], bits: int) -> InputReading:
    if len(scale) > 1 or len(offset) > 1:
        raise BcsimError(
            "Input scale and offset must be one number each; one for each channel has mean=...,std=..."
        )
    return InputReading(_affine("Input", scale[0], offset[0], bits))


def _normalised(mean: list[str], std: list[str], bits: int, full: int) -> InputReading:
    """(level / full - mean) / std, of one mean and std or of one for each channel."""
    channels = max(len(mean), len(std))
    if not {len(mean), len(std)} <= {1, channels}:
        raise BcsimError(
            f"Input mean has {len(mean)} values and std {len(std)}; give one, or one for each channel"
        )
    means = [_number("Input mean", value) for value in mean] * (channels // len(mean))
    deviations = [_positive("Input std", value) for value in std] * (channels // len(std))
    for value in means:
        if abs(value) > 1:
            raise BcsimError(
                f"Input mean must be of pixels from 0 to 1, not {float(value):g}: "
                f"divide mean and std by {full} where they are of pixels from 0 to {full}"
            )
    encodings = [Encoding(bits, 1 / (full * s), -m / s) for m, s in zip(means, deviations, strict=True)]
    alike = len(set(encodings)) == 1
    return InputReading(encodings[0]) if alike else InputReading(encodings[0], channels=tuple(encodings))
