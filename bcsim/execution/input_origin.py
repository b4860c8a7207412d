"""Where a program's reading of its input comes from: kept with the program, so that every run can say it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, get_args

from bcsim.common.metadata import ORIGIN_KEY, ROUNDING_KEY
from bcsim.compiler.program.layers import Program
from bcsim.data.dataset import Dataset
from bcsim.execution.input_reading import ROUNDED, InputReading
from bcsim.execution.input_text import reading_from_text

__all__ = ["InputOrigin", "Source", "program_origin", "program_reading"]

Source: TypeAlias = Literal["given", "file", "network", "assumed"]


@dataclass(frozen=True, slots=True)
class InputOrigin:
    """Whose word a reading is.

    source : "given" by the user, by the model's "file", by the "network"'s own first quantiser, or "assumed".
    text : the reading of raw levels, as `reading_from_text` takes it; "" for the program's own pixel encoding.
    quantiser : ONNX operator of the network's own first quantiser, "" for none; low, high : what it gives.
    """

    source: Source
    text: str = ""
    quantiser: str = ""
    low: float = 0.0
    high: float = 0.0

    def attach(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """The metadata with the origin in them."""
        return {**metadata, ORIGIN_KEY: json.dumps(asdict(self))}


def program_origin(program: Program) -> InputOrigin:
    """The origin kept with a program; of one without, the file."""
    try:
        found = InputOrigin(**json.loads(program.metadata.get(ORIGIN_KEY, "")))
        numbers = float(found.low), float(found.high)
        known = found.source in get_args(Source) and isinstance(found.text, str)
        return InputOrigin(found.source, found.text, str(found.quantiser), *numbers) if known else _FILE
    except (ValueError, TypeError, RecursionError):
        return _FILE


_FILE = InputOrigin("file")


def program_reading(program: Program, data: Dataset | None = None) -> InputReading:
    """The reading that a program was compiled with, of the raw levels of `data` where it has such.

    Levels of another width than the program's mean what the same words say of them: 16 of 16 and 255 of 255 are 1.
    """
    origin, pixel = program_origin(program), program.input.pixel
    kind = program.metadata.get(ROUNDING_KEY, "")
    own = InputReading(pixel, kind if kind in ROUNDED else "")
    if not origin.text:
        return own
    bits, full = (
        (pixel.bits, (1 << pixel.bits) - 1) if data is None or data.is_float else (data.bits, data.full)
    )
    said = reading_from_text(origin.text, bits, full)
    if data is None or data.is_float:
        return said if said.channels else own
    return said
