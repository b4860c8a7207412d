"""The images that a network is calibrated on."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from bcsim.common.errors import BcsimError
from bcsim.common.metadata import PREPROCESSING_KEY
from bcsim.compiler.graph.shapes import count_accumulations
from bcsim.data import NAMES, Dataset, load_dataset
from bcsim.results.model import Model

__all__ = ["Calibration", "calibration_images"]

IMAGES = 1000
LEAST = 20
WORK = 10**11
"""Multiply-accumulates in float64 that calibration may take by default, about ten seconds on two cores."""


class Calibration(NamedTuple):
    """The images, else None and in `missing` why there are none; `note` says where they are not training images."""

    images: Dataset | None
    missing: str = ""
    note: str = ""


def calibration_images(
    model: Model, calibration: str | Dataset | None, data: str | Dataset | None
) -> Calibration:
    """What `calibration` names; else the training part of `data` or of the set that the file names; else `data`.

    Raises BcsimError where `calibration` cannot be read.
    """
    count = calibration_count(model)
    if isinstance(calibration, Dataset):
        return Calibration(calibration)
    if calibration is not None:
        return Calibration(load_dataset(calibration, "train", count))
    missing = ""
    for name in (_parted(data), model.dataset):
        if name is not None:
            try:
                return Calibration(load_dataset(name, "train", count))
            except BcsimError as error:
                missing = str(error)
    if data is None:
        return Calibration(None, missing or _missing(model))
    own = data.head(count) if isinstance(data, Dataset) else load_dataset(data, "test", count)
    return Calibration(
        own, note=f"Ranges are calibrated on the images of {own.name} itself: no training images are known"
    )


def calibration_count(model: Model) -> int:
    """How many training images `compile` calibrates a network on by default."""
    work = count_accumulations(model.graph) if model.graph else 0
    return min(IMAGES, max(LEAST, WORK // max(1, work)))


def _parted(data: str | Dataset | None) -> str | None:
    """The name of a data set that has a training part, None for others."""
    name = data.name if isinstance(data, Dataset) else data
    return name if name is not None and (name in NAMES or Path(name).is_dir()) else None


def _missing(model: Model) -> str:
    kind = model.metadata.get(PREPROCESSING_KEY)
    if kind:
        return f"give an .npz file of images preprocessed by {kind} (--calibrate FILE)"
    return "give calibration images (--calibrate NAME or FILE), since the file names no data set"
