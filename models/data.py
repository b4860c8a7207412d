"""Images and labels for training: every data set cut into training, validation and test."""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bcsim.errors import BcsimError
from bcsim.models.splits import digits_split, mnist_split
from bcsim.models.topologies import Topology


@dataclass(frozen=True, slots=True)
class Images:
    """`x` (n, features) uint8 as stored in the data set, `y` (n,) int64 classes."""

    x: NDArray[np.uint8]
    y: NDArray[np.int64]

    def take(self, indices: NDArray[np.int64]) -> "Images":
        return Images(self.x[indices], self.y[indices])

    def inputs(self, topology: Topology) -> NDArray[np.float32]:
        """What the network sees, (n, features): scale * pixel + offset, rounded once to float32."""
        return (self.x * float(topology.scale) + float(topology.offset)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Splits:
    """Disjoint training, validation and test images."""

    train: Images
    validation: Images
    test: Images


def load_splits(dataset: str) -> Splits:
    """The splits of `digits` or `mnist`; raises BcsimError where the data are not at hand."""
    return {"digits": _digits, "mnist": _mnist}[dataset]()


def _digits() -> Splits:
    from sklearn.datasets import load_digits  # takes a second to import

    bunch = load_digits()
    images = Images(bunch.data.astype(np.uint8), bunch.target.astype(np.int64))
    train, validation, test = (images.take(part) for part in digits_split(len(images.y)))
    return Splits(train, validation, test)


def _mnist() -> Splits:
    folder = Path(os.environ.get("BCSIM_DATA", Path.home() / ".cache" / "bcsim")) / "mnist"
    known, test = _read_pair(folder, "train"), _read_pair(folder, "t10k")
    train, validation = (known.take(part) for part in mnist_split(len(known.y)))
    return Splits(train, validation, test)


def _read_pair(folder: Path, stem: str) -> Images:
    x = _read_idx(folder / f"{stem}-images-idx3-ubyte.gz")
    y = _read_idx(folder / f"{stem}-labels-idx1-ubyte.gz")
    return Images(x.reshape(len(x), -1), y.astype(np.int64))


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Array of a gzipped IDX file: 2 zero bytes, type 8 (uint8), rank, big-endian sizes, data."""
    try:
        raw = gzip.decompress(path.read_bytes())
    except OSError as error:
        raise BcsimError(f"Data set mnist needs {path}: {error.strerror or error}.") from error
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", rank, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)
