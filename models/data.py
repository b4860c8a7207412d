"""What the trainer reads: every data set cut into training, validation and test images."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bcsim.data import load_dataset
from bcsim.errors import BcsimError
from bcsim.models.topologies import Topology


@dataclass(frozen=True, slots=True)
class Samples:
    """`x` (n, inputs) float32 as the network sees the images, `y` (n,) int64 classes."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Splits:
    """Disjoint training, validation and test images."""

    train: Samples
    validation: Samples
    test: Samples


def load_splits(topology: Topology) -> Splits:
    """All images of the topology's data set; raises BcsimError where they are not at hand."""
    return Splits(
        load_samples(topology, "train"),
        load_samples(topology, "validation"),
        load_samples(topology, "test"),
    )


def load_samples(topology: Topology, split: Literal["train", "validation", "test"]) -> Samples:
    """One split of the topology's data set, encoded as scale * pixel + offset and rounded once."""
    images = load_dataset(topology.dataset, split)
    if images.y is None:
        raise BcsimError(f"Data set {images.name} has no classes to train on")
    pixels = images.flat(topology.widths[0]).astype(np.float64)
    x = pixels * float(topology.scale) + float(topology.offset)
    return Samples(x.astype(np.float32), images.y)
