"""The Python interface: load a network, compile it, simulate the program.

model = bcsim.load("network.onnx")
program = bcsim.compile(model, bits=[8, 4, 4, 4], calibration="mnist")
result = bcsim.simulate(program, "mnist", machine="medium", reference=model)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from bcsim.common.console import working
from bcsim.common.errors import BcsimError
from bcsim.compiler.graph.shapes import count_accumulations
from bcsim.compiler.lowering.calibrate import RangeMethod
from bcsim.compiler.lowering.lower import lower
from bcsim.compiler.program.layers import Program
from bcsim.data import NAMES, Dataset, load_dataset
from bcsim.data.named import RAW
from bcsim.execution.raw_levels import (
    PREPROCESSING_KEY,
    InputReading,
    check_preprocessing,
    reading_from_metadata,
    reading_from_text,
)
from bcsim.results.model import DATASET_KEY, Model, load
from bcsim.results.simulation import simulate

__all__ = ["compile", "load", "simulate"]

CALIBRATION_IMAGES = 1000
CALIBRATION_LEAST = 20
CALIBRATION_WORK = 10**11
"""Multiply-accumulates in float64 that calibration may take by default, about ten seconds on two cores."""


def compile(
    model: Model,
    *,
    bits: int | Sequence[int] | None = None,
    calibration: str | Dataset | None = None,
    input: str | None = None,
    range_method: RangeMethod = "mse",
    percentile: float = 99.9,
) -> Program:
    """The integer program of a float network.

    bits : of every hidden activation, 1 to 8; or of each linear layer's input, the network's own first. By
        default 8, and what the network's own quantisers say.
    calibration : images that give float activations their ranges: a data set, or what `load_dataset` takes (its
        training split, the first 1,000, of large convolutional networks fewer, but at least 20). By default the
        training split of the data set the file names.
    input : how raw levels become the float input: unit, centred, sign, fixed, raw or SCALE,OFFSET; by default what the
        file's metadata say, else unit.
    range_method, percentile : see bcsim.compiler.lowering.calibrate.Ranging.

    Raises BcsimError where the network cannot be lowered, `bits` do not fit, or calibration images are missing.
    """
    if model.graph is None:
        raise BcsimError(f"File {model.path} is a compiled program already; only float networks are compiled")
    images, missing = _calibration_images(model, calibration)
    if images is not None:
        check_preprocessing(model.metadata, images)
    reading = _reading(model, images, input)
    inputs = None if images is None else reading.inputs(images, prod(model.graph.input_shape))
    try:
        with working("Compiling"):
            program = lower(
                model.graph,
                pixel=reading.lowered,
                bits=[bits] if isinstance(bits, int) else bits,
                calibration=inputs,
                range_method=range_method,
                percentile=percentile,
            )
    except BcsimError as error:
        raise (BcsimError(f"{error}; {missing}") if missing else error) from error
    metadata = {**program.metadata, **({DATASET_KEY: images.name} if images and images.name in NAMES else {})}
    return reading.attach(replace(program, name=model.name, metadata=metadata))


def _calibration_images(model: Model, calibration: str | Dataset | None) -> tuple[Dataset | None, str]:
    """The images to calibrate on, else None and why there are none."""
    if isinstance(calibration, Dataset):
        return calibration, ""
    name = calibration or model.dataset
    if name is None:
        kind = model.metadata.get(PREPROCESSING_KEY)
        if kind:
            return None, f"give an .npz file of images preprocessed by {kind} (--calibrate FILE)"
        return None, "give calibration images (--calibrate NAME or FILE), since the file names no data set"
    try:
        return load_dataset(name, "train", calibration_count(model)), ""
    except BcsimError as error:
        if calibration is not None:
            raise
        return None, str(error)


def calibration_count(model: Model) -> int:
    """How many training images `compile` calibrates a network on by default."""
    work = count_accumulations(model.graph) if model.graph else 0
    return min(CALIBRATION_IMAGES, max(CALIBRATION_LEAST, CALIBRATION_WORK // max(1, work)))


def _reading(model: Model, images: Dataset | None, text: str | None) -> InputReading:
    """The meaning of raw levels: the user's, else the file's, else unit."""
    known = RAW.get(model.dataset or "", RAW["mnist"])
    bits, full = known if images is None or images.is_float else (images.bits, images.full)
    if text is not None:
        return reading_from_text(text, bits, full)
    return reading_from_metadata(model.metadata, bits) or reading_from_text("unit", bits, full)
