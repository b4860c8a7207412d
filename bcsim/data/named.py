"""The data sets known by name: digits, mnist, cifar10, svhn."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from platformdirs import user_cache_path

from bcsim.common.errors import BcsimError
from bcsim.common.files import read_file
from bcsim.data.dataset import Dataset, Split
from bcsim.data.download import SOURCES, fetch
from bcsim.data.formats import Bytes, Labels, find_packed, read_cifar, read_idx, read_mat
from bcsim.data.splits import digits_split

__all__ = ["NAMES", "RAW", "load_folder", "load_named"]

Images: TypeAlias = tuple[Bytes, Labels]
Reader: TypeAlias = Callable[[Path, Split, int | None], Images | None]

RAW: Mapping[str, tuple[int, int]] = {
    "digits": (5, 16),
    "mnist": (8, 255),
    "cifar10": (8, 255),
    "svhn": (8, 255),
}
"""Bits and greatest value of the raw levels."""


def _digits(split: Split) -> Dataset:
    """The UCI hand-written digits of scikit-learn: 1,797 images of 8 x 8 levels from 0 to 16."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise BcsimError("Data set digits needs scikit-learn: pip install scikit-learn") from error
    bunch = load_digits()
    parts = dict(zip(("train", "validation", "test"), digits_split(len(bunch.target)), strict=True))
    x, y = bunch.images.astype(np.uint8)[parts[split]], bunch.target.astype(np.int64)[parts[split]]
    return Dataset("digits", x, y, *RAW["digits"], note="UCI hand-written digits, CC BY 4.0")


def _cut(images: Images, split: Split, validation: int) -> Images:
    """All of a test set; of a training set all but the last `validation` images, or those."""
    if split == "test":
        return images
    kept = slice(-validation, None) if split == "validation" else slice(None, -validation)
    return images[0][kept], images[1][kept]


def _mnist(folder: Path, split: Split, limit: int | None) -> Images | None:
    """The IDX pair of the split, or None where the folder has no such files."""
    stem = "t10k" if split == "test" else "train"
    x = find_packed(folder, f"{stem}-images-idx3-ubyte", f"{stem}-images.idx3-ubyte")
    y = find_packed(folder, f"{stem}-labels-idx1-ubyte", f"{stem}-labels.idx1-ubyte")
    if x is None or y is None:
        return None
    return _cut((read_idx(x), read_idx(y).astype(np.int64)), split, validation=10_000)


def _cifar10(folder: Path, split: Split, limit: int | None) -> Images | None:
    """The records of the split's binary files, or None where the folder has none or not all of them.

    Files behind the first `limit` training images are not read: unpacking all of them takes half a minute.
    """
    names = ["test_batch"] if split == "test" else [f"data_batch_{i}" for i in range(1, 6)]
    paths = [find_packed(folder, f"{name}.bin") for name in names]
    if None in paths:
        return None
    if split == "train" and limit is not None and paths[0] is not None:
        first = read_cifar(paths[0])
        if CIFAR_BATCH == len(first[0]) >= limit:
            return first
    x, y = zip(*(read_cifar(path) for path in paths if path is not None), strict=True)
    return _cut((np.concatenate(x), np.concatenate(y)), split, validation=5_000)


def _svhn(folder: Path, split: Split, limit: int | None) -> Images | None:
    path = folder / ("test_32x32.mat" if split == "test" else "train_32x32.mat")
    return _cut(read_mat(path), split, validation=5_000) if path.is_file() else None


MOST_LISTED = 1 << 20
"""Bytes of a list of images."""

CIFAR_BATCH = 10_000
"""Images in each training file."""

READERS: Mapping[str, Reader] = {"mnist": _mnist, "cifar10": _cifar10, "svhn": _svhn}
NAMES = ("digits", *READERS)


def _note(folder: Path, split: Split) -> str:
    listed = folder / "test_inexact_indices.txt"
    if split != "test" or not listed.is_file():
        return ""
    count = len(read_file(listed, MOST_LISTED, "Data file").split())
    return f"{count} test images are not the published pixels ({listed.name})"


def load_folder(
    folder: Path, split: Split, name: str | None = None, limit: int | None = None
) -> Dataset | None:
    """The first data set whose files of `split` lie in `folder`, or None; `name` accepts that one alone."""
    for known in READERS if name is None else (name,):
        if (images := READERS[known](folder, split, limit)) is not None:
            return Dataset(name or str(folder), *images, *RAW[known], note=_note(folder, split))
    return None


def _folders(name: str) -> tuple[Path, ...]:
    """Where data set `name` may lie: under BCSIM_DATA, then in the user's cache folder."""
    root = os.environ.get("BCSIM_DATA")
    named = (Path(root) / name, Path(root)) if root else ()
    return (*named, user_cache_path("bcsim") / name)


def load_named(name: str, split: Split, limit: int | None = None) -> Dataset:
    """Data set `name`, downloaded into the cache folder where it is not at hand; raises BcsimError."""
    if name == "digits":
        return _digits(split)
    folders = _folders(name)
    for folder in folders:
        if (found := load_folder(folder, split, name, limit)) is not None:
            return found
    fetch(name, folders[-1])
    found = load_folder(folders[-1], split, name, limit)
    if found is None:
        raise BcsimError(
            f"Data set {name} has no {split} files in {folders[-1]}; its files are "
            f"{', '.join(source.name for source in SOURCES[name])}"
        )
    return found
