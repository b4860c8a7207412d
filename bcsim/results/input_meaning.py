"""What the numbers of a data set mean to a program, said in every run, and float data held to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.common.formatting import span
from bcsim.compiler.program.layers import Program
from bcsim.data.dataset import Dataset
from bcsim.execution.input_origin import InputOrigin, program_origin, program_reading
from bcsim.execution.input_reading import InputReading, channel_indices
from bcsim.execution.input_text import reading_from_text

__all__ = ["InputMeaning", "compiled_meaning", "input_meaning", "label_note"]

HIT = 0.02
"""Parts of a level by which floats made of pixels may miss it, as float32 and four digits of a mean do."""
HIT_IMAGES = 16

UNLIKE = 0.05
"""Part of a range by which the network's own quantiser must differ before a note tells so."""


@dataclass(frozen=True, slots=True)
class InputMeaning:
    """The reading of a data set.

    low, high : the least and the greatest float that the network can be given.
    levels : how many values lie between, ends included, in one channel.
    source : "given" (--input), "file" (the model's metadata), "network" (its own first quantiser) or "assumed".
    text : all this in words: "0..1: assumed".
    notes : what else a reader should know.
    """

    low: float
    high: float
    levels: int
    source: str
    text: str
    notes: tuple[str, ...] = ()


def input_meaning(program: Program, data: Dataset) -> InputMeaning:
    """What the values of a data set mean to a program.

    Raises BcsimError for float data outside the range that is read, naming both ranges and the `--input` that fits;
    what the network's own quantiser clips is no error but a note.
    """
    origin, reading = program_origin(program), program_reading(program, data)
    if origin.source == "network" and data.is_float:
        return _own(program, origin, data)
    full = program.input.pixel.levels - 1 if data.is_float else data.full
    full = min(full, reading.pixel.levels - 1)
    low, high = reading.span(full)
    source = "assumed" if origin.source == "network" else origin.source
    if data.is_float:
        _check(data, program, reading, (low, high), source)
    text = f"{span(low, high)}{_whose(source, origin)}"
    notes = (_assumed_note(data, origin, (low, high)),) if source == "assumed" else ()
    return InputMeaning(low, high, full + 1, source, text, notes)


def compiled_meaning(program: Program) -> str:
    """What a program takes floats for, in words, whatever data it will be given."""
    origin, reading = program_origin(program), program_reading(program)
    if origin.source == "network":
        return f"the network's own {origin.quantiser}: {span(origin.low, origin.high)}"
    return f"{span(*reading.span(reading.pixel.levels - 1))}{_whose(origin.source, origin)}"


def label_note(program: Program, data: Dataset) -> str:
    """How many labels are no classes of the network, "" for none: they count as wrong."""
    classes = max(program.classes, 2)
    wrong = 0 if data.y is None else int(((data.y < 0) | (data.y >= classes)).sum())
    if not wrong:
        return ""
    said = "0 and 1, by the sign of its one score" if program.classes == 1 else f"0 to {classes - 1}"
    return (
        f"{wrong} of {len(data)} labels are no classes of the network, which are {said}: they count as wrong"
    )


def _own(program: Program, origin: InputOrigin, data: Dataset) -> InputMeaning:
    """The network's own quantiser reads the floats, and clips as it would."""
    text = f"the network's own {origin.quantiser}: {span(origin.low, origin.high)}"
    encoding = program.input.pixel
    edge = float(encoding.scale)
    outside = float(np.mean((data.x < origin.low - edge) | (data.x > origin.high + edge)))
    notes = (f"The network's own {origin.quantiser} clips {100 * outside:.2g} % of the input's values",)
    return InputMeaning(
        origin.low, origin.high, program.input.stream.levels, "network", text, notes if outside else ()
    )


def _whose(source: str, origin: InputOrigin) -> str:
    if source == "given":
        return f", given by --input {origin.text}"
    return ": assumed" if source == "assumed" else ", from the file"


def _assumed_note(data: Dataset, origin: InputOrigin, ends: tuple[float, float]) -> str:
    what = (
        "Floats are read as 0..1, in 256 steps"
        if data.is_float
        else f"Levels 0 to {data.full} are read as 0..1"
    )
    note = f"{what}, which is assumed: a network trained on normalised images needs --input mean=...,std=..."
    width = ends[1] - ends[0]
    unlike = max(abs(origin.low - ends[0]), abs(origin.high - ends[1])) > UNLIKE * width
    if origin.quantiser and unlike:
        note += f"; its own {origin.quantiser} takes {span(origin.low, origin.high)}"
    return note


def _check(
    data: Dataset, program: Program, reading: InputReading, ends: tuple[float, float], source: str
) -> None:
    low, high = float(data.x.min()), float(data.x.max())
    edge = max(float(encoding.scale) for encoding in (reading.channels or (reading.lowered,))) / 2
    if low >= ends[0] - edge and high <= ends[1] + edge:
        return
    raise BcsimError(
        f"Data {data.name} has floats from {low:.4g} to {high:.4g}, and the input is read as {span(*ends)} ({source}): "
        f"--input {_fitting(data, program.input_shape)} fits them"
    )


def _fitting(data: Dataset, shape: tuple[int, ...]) -> str:
    """The `--input` that covers float data: in so many digits that they are its levels, or in the fewest that do."""
    x = data.x.reshape(len(data), -1)
    if np.array_equal(x, np.rint(x)) and x.min() >= 0 and x.max() <= 255:
        return "raw"
    if x.min() >= -1 and x.max() <= 1:
        return "centred"
    ranges = _channel_ranges(x, shape)
    found = [_normalisation(ranges, digits) for digits in range(3, 17)]
    covering = [text for text in found if _covers(text, ranges)]
    return next((text for text in covering if _hits(text, x, shape)), covering[0])


def _normalisation(ranges: list[tuple[float, float]], digits: int) -> str:
    """mean=...,std=... of pixels that become the ranges; scale and offset where no mean of pixels does."""
    if any(abs(low) > high - low for low, high in ranges):
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        return f"{(high - low) / 255:.{digits}g},{low:.{digits}g}"
    mean = ",".join(f"{-low / (high - low):.{digits}g}" for low, high in ranges)
    return f"mean={mean},std=" + ",".join(f"{1 / (high - low):.{digits}g}" for low, high in ranges)


def _channel_ranges(x: NDArray[np.generic], shape: tuple[int, ...]) -> list[tuple[float, float]]:
    """Least and greatest of all values, or of each channel of a colour image whose channels differ."""
    whole = [(float(x.min()), float(max(x.max(), x.min() + 1e-6)))]
    if len(shape) != 3 or 3 not in (shape[0], shape[-1]):
        return whole
    index = channel_indices(shape, 3)
    parts = [x[:, index == channel] for channel in range(3)]
    each = [(float(part.min()), float(max(part.max(), part.min() + 1e-6))) for part in parts]
    alike = np.ptp(np.array(each), axis=0).max() < (whole[0][1] - whole[0][0]) / 255
    return whole if alike else each


def _hits(text: str, x: NDArray[np.generic], shape: tuple[int, ...]) -> bool:
    """Whether the first values are the floats of whole levels, so that the text is how they were made of pixels."""
    reading, some = reading_from_text(text, 8, 255), x[:HIT_IMAGES].astype(np.float64)
    encodings = reading.channels or (reading.pixel,)
    index = channel_indices(shape, 3) if len(encodings) > 1 else np.zeros(some.shape[1], dtype=np.intp)
    scales, offsets = (
        np.array([float(getattr(encoding, name)) for encoding in encodings])[index]
        for name in ("scale", "offset")
    )
    levels = (some - offsets) / scales
    return bool(np.abs(levels - np.rint(levels)).max() <= HIT)


def _covers(text: str, ranges: list[tuple[float, float]]) -> bool:
    reading = reading_from_text(text, 8, 255)
    encodings = reading.channels or (reading.pixel,)
    pairs = zip(encodings * (len(ranges) // len(encodings)), ranges, strict=True)
    return all(
        float(e.offset - e.scale / 2) <= low and high <= float(e.offset + e.scale * 511 / 2)
        for e, (low, high) in pairs
    )
