"""The Python interface: load a network, compile it, simulate the program.

model = bcsim.load("network.onnx")
program = bcsim.compile(model, bits=[8, 4, 4, 4], calibration="mnist")
result = bcsim.simulate(program, "mnist", machine="medium", reference=model)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from bcsim.common.arguments import require_number, require_path, require_switch, require_text
from bcsim.common.console import working
from bcsim.common.errors import BcsimError
from bcsim.common.metadata import DATASET_KEY
from bcsim.compiler.graph.nodes import Graph
from bcsim.compiler.lowering.calibrate import RangeMethod
from bcsim.compiler.lowering.lower import MissingCalibrationError, lower
from bcsim.compiler.lowering.own_grid import own_grid
from bcsim.compiler.program import layers
from bcsim.compiler.program.onnx_format import save_program
from bcsim.compiler.standard.model import save_standard
from bcsim.data import NAMES, Dataset, load_dataset
from bcsim.data.named import RAW
from bcsim.execution.input_origin import InputOrigin
from bcsim.execution.input_reading import InputReading
from bcsim.execution.input_text import metadata_text, reading_from_metadata, reading_from_text
from bcsim.execution.raw_levels import check_preprocessing
from bcsim.interface.arguments import Data, model_of, named_or_dataset, require_program
from bcsim.interface.hardware import verify, verilog
from bcsim.interface.program import Program, with_methods
from bcsim.interface.simulate import simulate
from bcsim.results.calibration import calibration_images
from bcsim.results.model import Model
from bcsim.results.model import load as load_model

__all__ = ["compile", "load", "save", "simulate", "verify", "verilog"]


def load(path: str | Path, *, weight_bits: int | None = None) -> Model:
    """The network in an ONNX file, or a bundled one by name: those of `bcsim.models.SHIPPED`.

    weight_bits : 2 to 8, that real weights are rounded to after training, for each output; by default they are refused.
    Raises BcsimError, one sentence, for whatever cannot be read or is not supported.
    """
    if not isinstance(path, str | Path):
        raise BcsimError(f"Network must be a path or a bundled network's name, not {type(path).__name__}")
    if weight_bits is not None and (isinstance(weight_bits, bool) or not isinstance(weight_bits, int)):
        raise BcsimError(f"Weight bits must be an integer from 2 to 8, not {weight_bits!r}")
    model = load_model(path, weight_bits=weight_bits)
    return replace(model, program=with_methods(model.program)) if model.program else model


def save(program: layers.Program, path: str | Path, *, standard: bool = False) -> Path:
    """Store a program as ONNX in bcsim's own domain, which `load` and `bcsim run` take; the file.

    standard : in ONNX's own operators instead, which onnxruntime runs with the same integers (docs/programs.md).

    Raises BcsimError where it cannot be written.
    """
    require_path("File", path)
    require_switch("Option standard", standard)
    (save_standard if standard else save_program)(require_program(program), path)
    return Path(path)


def compile(
    model: Model | str | Path,
    *,
    bits: int | Sequence[int] | None = None,
    calibration: Data | None = None,
    data: Data | None = None,
    input: str | None = None,
    range_method: RangeMethod = "mse",
    percentile: float = 99.9,
) -> Program:
    """The integer program of a float network: a model, a path, or a bundled network's name.

    bits : of every hidden activation, 1 to 8; or of each linear layer's input, the network's own first. By
        default 8, and what the network's own quantisers say.
    calibration : images that give float activations their ranges: a data set, or what `load_dataset` takes (its
        training split, the first 1,000, of large convolutional networks fewer, but at least 20). By default the
        training split of `data`, else of the data set the file names, else the images of `data` themselves.
    data : the images that the program is for; whether they are raw levels or floats decides how the input is read.
    input : how raw levels become the float input: unit, centred, sign, fixed, raw, SCALE,OFFSET or mean=...,std=...
        (one or for each channel); by default what the file's metadata say, else for floats the grid of the
        quantiser that the network begins with, else unit.
    range_method, percentile : see bcsim.compiler.lowering.calibrate.Ranging.

    Raises BcsimError where the network cannot be lowered, `bits` do not fit, or calibration images are missing.
    """
    model = model_of(model)
    calibration, data = (None if each is None else named_or_dataset(each) for each in (calibration, data))
    require_text("Range method", range_method, get_args(RangeMethod))
    require_number("Percentile", percentile)
    if input is not None:
        require_text("Input", input)
    if bits is not None and not isinstance(bits, int | list | tuple):
        raise BcsimError(f"Bits must be an integer or a list of them, not {type(bits).__name__}")
    if model.graph is None:
        raise BcsimError(f"File {model.path} is a compiled program already; only float networks are compiled")
    options = _Options([bits] if isinstance(bits, int) else bits, range_method, percentile)
    known = data if isinstance(data, Dataset) else load_dataset(data, "test", 1) if data else None
    for named in (known, calibration):
        if isinstance(named, Dataset):
            check_preprocessing(model.metadata, named)
    if calibration is None:
        program = _exact(model, options, known, input)
        if program is not None:
            return program
    return _calibrated(model, options, calibration, data, known, input)


@dataclass(frozen=True, slots=True)
class _Options:
    """How `compile` rounds."""

    bits: Sequence[int] | None
    range_method: RangeMethod
    percentile: float

    def lower(
        self, graph: Graph, reading: InputReading, inputs: NDArray[np.float64] | None
    ) -> layers.Program:
        with working("Compiling"):
            return lower(
                graph,
                pixel=reading.lowered,
                bits=self.bits,
                calibration=inputs,
                range_method=self.range_method,
                percentile=self.percentile,
            )


def _exact(model: Model, options: _Options, known: Dataset | None, text: str | None) -> Program | None:
    """The program of a network that needs no calibration, None where one would make it another program."""
    assert model.graph is not None
    reading, origin = _reading(model, known, text)
    try:
        program = options.lower(model.graph, reading, None)
    except MissingCalibrationError:
        return None
    return _finished(model, program, reading, origin, known) if program.exact else None


def _calibrated(
    model: Model,
    options: _Options,
    calibration: str | Dataset | None,
    data: str | Dataset | None,
    known: Dataset | None,
    text: str | None,
) -> Program:
    """The program with ranges from calibration images, where there are any."""
    assert model.graph is not None
    images, missing, note = calibration_images(model, calibration, data)
    if images is not None:
        check_preprocessing(model.metadata, images)
    reading, origin = _reading(model, known or images, text)
    inputs = None if images is None else _calibration_inputs(model, reading, origin, images)
    try:
        program = options.lower(model.graph, reading, inputs)
    except MissingCalibrationError as error:
        raise BcsimError(f"{error}; {missing}" if missing else str(error)) from error
    if note and not program.exact:
        program = replace(program, notes=(*program.notes, note))
    return _finished(model, program, reading, origin, images)


def _finished(
    model: Model, program: layers.Program, reading: InputReading, origin: InputOrigin, images: Dataset | None
) -> Program:
    """The program made to take raw levels, with what it was read and calibrated by."""
    named = {DATASET_KEY: images.name} if images is not None and images.name in NAMES else {}
    metadata = origin.attach({**program.metadata, **named})
    return with_methods(reading.attach(replace(program, name=model.name, metadata=metadata)))


def _reading(model: Model, known: Dataset | None, text: str | None) -> tuple[InputReading, InputOrigin]:
    """The meaning of the input and whose word it is: the user's, the file's, the network's own, else assumed."""
    assert model.graph is not None
    bits, full = RAW.get(model.dataset or "", RAW["mnist"])
    if known is not None and not known.is_float:
        bits, full = known.bits, known.full
    grid = own_grid(model.graph)
    own = (grid.op, float(grid.low), float(grid.high)) if grid else ("", 0.0, 0.0)
    if text is not None:
        return reading_from_text(text, bits, full), InputOrigin("given", text, *own)
    found = reading_from_metadata(model.metadata, bits)
    if found is not None:
        return found, InputOrigin("file", metadata_text(model.metadata) or "", *own)
    if grid and (known.is_float if known is not None else model.dataset is None):
        return InputReading(grid.pixel), InputOrigin("network", "unit", *own)
    return reading_from_text("unit", bits, full), InputOrigin("assumed", "unit", *own)


def _calibration_inputs(
    model: Model, reading: InputReading, origin: InputOrigin, images: Dataset
) -> NDArray[np.float64]:
    """The network's float input of calibration images, whose levels may have another width than the reading's."""
    assert model.graph is not None
    if not images.is_float and origin.text:
        reading = reading_from_text(origin.text, images.bits, images.full)
    return reading.inputs(images, model.graph.input_shape)
