"""One set of labelled images, as every level of the simulator takes it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError

__all__ = ["SPLITS", "Dataset", "Split"]

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images and their classes.

    name : the data set's name, or the path it was read from.
    x : (n, *shape); uint8 or uint16 raw levels as stored, or float64 where the user's file holds the
        network's float input itself.
    y : int64 (n,) classes, or None where the file holds none.
    bits : the raw levels are below 2**bits; 0 for float input.
    full : the greatest level that the raw data can take (255; 16 for digits), which encodings call 1.
    note : what a figure measured on these images should mention, or "".
    """

    name: str
    x: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float64]
    y: NDArray[np.int64] | None
    bits: int
    full: int
    note: str = ""

    def __post_init__(self) -> None:
        if self.y is not None and self.y.shape != (len(self.x),):
            raise BcsimError(
                f"Data set {self.name} has {len(self.x)} images and labels of shape {self.y.shape}; "
                f"labels must have shape ({len(self.x)},)"
            )
        if not len(self.x):
            raise BcsimError(f"Data set {self.name} has no images")

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.x.shape[1:]))
        what = "floats" if self.is_float else f"levels 0 to {self.full}"
        labels = "no labels" if self.y is None else "labelled"
        return f"<Dataset {self.name}: {len(self):,} images of {shape}, {what}, {labels}>"

    def __len__(self) -> int:
        return len(self.x)

    @property
    def is_float(self) -> bool:
        """Whether x is the network's float input rather than raw levels."""
        return self.bits == 0

    def flat(self, inputs: int) -> NDArray[np.generic]:
        """x as (n, inputs), one row an image; raises BcsimError where an image has another size."""
        size = prod(self.x.shape[1:])
        if size != inputs:
            raise BcsimError(
                f"Data set {self.name} has images of shape {self.x.shape[1:]}, {size} values each, "
                f"and the network takes {inputs}"
            )
        return self.x.reshape(len(self.x), inputs)

    def head(self, limit: int | None) -> Dataset:
        """The first `limit` images (all for None); raises BcsimError for a limit below 1."""
        if limit is None:
            return self
        if limit < 1:
            raise BcsimError(f"Number of images must be at least 1, not {limit}")
        y = None if self.y is None else self.y[:limit]
        return Dataset(self.name, self.x[:limit], y, self.bits, self.full, self.note)
