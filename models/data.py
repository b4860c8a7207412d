"""What the trainer reads: every data set cut into training, validation and test images."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.data import load_dataset
from bcsim.models import preprocess
from bcsim.models.recipes import Recipe
from bcsim.models.topologies import Topology

_LEVELS = 256


@dataclass(frozen=True, slots=True)
class Samples:
    """Images as stored integers, and what they mean.

    levels : uint8 (n, *input_shape). y : int64 (n,) classes.
    values : float32 (256,), the network's input for each level, rounded once.
    """

    levels: NDArray[np.uint8]
    y: NDArray[np.int64]
    values: NDArray[np.float32]

    @property
    def x(self) -> NDArray[np.float32]:
        """The network's input, (n, *input_shape)."""
        return self.values[self.levels]


@dataclass(frozen=True, slots=True)
class Splits:
    """Disjoint training, validation and test images."""

    train: Samples
    validation: Samples
    test: Samples


def load_splits(recipe: Recipe) -> Splits:
    """All images of the recipe's data set, preprocessed; raises BcsimError where they are not at hand."""
    topology = recipe.topology
    train = load_samples(topology, "train")
    rest = load_samples(topology, "validation"), load_samples(topology, "test")
    preparation = preprocess.fit(recipe.preprocess, _flat(train))
    if preparation is None:
        return Splits(train, *rest)
    return Splits(*(_prepared(samples, preparation) for samples in (train, *rest)))


def load_samples(topology: Topology, split: Literal["train", "validation", "test"]) -> Samples:
    """One split of the topology's data set, as it is stored."""
    images = load_dataset(topology.dataset, split)
    if images.y is None:
        raise BcsimError(f"Data set {images.name} has no classes to train on")
    levels = images.flat(topology.inputs).astype(np.uint8).reshape(-1, *topology.input_shape)
    return Samples(levels, images.y, _values(topology.scale, topology.offset))


def _values(scale: Fraction, offset: Fraction) -> NDArray[np.float32]:
    return (np.arange(_LEVELS) * float(scale) + float(offset)).astype(np.float32)


def _flat(samples: Samples) -> NDArray[np.uint8]:
    return samples.levels.reshape(len(samples.y), -1)


def _prepared(samples: Samples, preparation: preprocess.Preprocessor) -> Samples:
    levels = preparation.levels(_flat(samples)).reshape(samples.levels.shape)
    return Samples(levels, samples.y, _values(preprocess.SCALE, preprocess.OFFSET))
