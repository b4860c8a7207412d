"""One entry to every source of images: a name, an .npz file, a folder."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcsim.common.arguments import require_path, require_text, require_whole
from bcsim.common.errors import BcsimError
from bcsim.data.dataset import SPLITS, Dataset, Split
from bcsim.data.image_folder import load_images
from bcsim.data.named import NAMES, load_folder, load_named

__all__ = ["dataset_of", "load_dataset"]

GREATEST = 1e30
"""The magnitude that an image's floats may have."""
UNPACKED_BYTES = 1 << 28
MOST_TIMES = 100
"""An array of an .npz file may unpack to UNPACKED_BYTES, or to so many times what it takes packed."""


def load_dataset(name_or_path: str, split: Split = "test", limit: int | None = None) -> Dataset:
    """A data set by name (digits, mnist, cifar10, svhn), from an .npz (x, and y if known) or from a folder.

    A folder holds the files of mnist, cifar10 or svhn under their published names, or images (`load_images`). Train
    and validation are disjoint: validation is the last 10,000 training images of mnist, the last 5,000 of cifar10 and
    svhn. An .npz has no splits. `limit` keeps the first images. Raises BcsimError for whatever cannot be read.
    """
    require_path("Data", name_or_path)
    require_text("Split", split, SPLITS)
    if limit is not None:
        require_whole("Number of images", limit, 1)
    if name_or_path in NAMES:
        return load_named(name_or_path, split, limit).head(limit)
    path = Path(name_or_path)
    try:
        folder, file = path.is_dir(), path.is_file()
    except OSError as error:
        raise BcsimError(f"Data {name_or_path!r} cannot be read: {error.strerror or error}") from error
    if folder:
        return _load_folder(path, split, limit).head(limit)
    if file:
        return _load_npz(path).head(limit)
    raise BcsimError(
        f"Data {name_or_path!r} is neither one of {', '.join(NAMES)} nor an existing .npz file or folder"
    )


def _load_folder(path: Path, split: Split, limit: int | None) -> Dataset:
    found = load_folder(path, split, limit=limit) or load_images(
        path, split, None if limit is None else max(limit, 1)
    )
    if found is None:
        raise BcsimError(
            f"Folder {path} has no {split} images under the published names of mnist (IDX), "
            "cifar10 (binary version) or svhn (.mat), and no PNG, JPEG or other image files"
        )
    return found


def _load_npz(path: Path) -> Dataset:
    try:
        with path.open("rb") as file:
            _check_members(file)
            with np.load(file, allow_pickle=False) as arrays:
                names = list(arrays.files)
                x = arrays["x"] if "x" in names else None
                y = arrays["y"] if "y" in names else None
                if not all(array is None or isinstance(array, np.ndarray) for array in (x, y)):
                    raise ValueError("x or y is no array")
    except (
        Exception
    ) as error:  # Damaged archives are met with many types, zlib.error and RuntimeError among them.
        raise BcsimError(f"Data file {path} is not a whole .npz file of plain arrays: {error}") from error
    if x is None:
        raise BcsimError(f"Data file {path} must hold an array x, and has {', '.join(names) or 'none'}")
    return _from_arrays(str(path), f" of {path}", x, y)


def _check_members(file: BinaryIO) -> None:
    """Raise ValueError where an array would unpack to far more than the file could mean."""
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            most = max(UNPACKED_BYTES, MOST_TIMES * member.compress_size)
            if member.file_size > most:
                raise ValueError(
                    f"{member.filename} unpacks to {member.file_size} bytes; accepted are {most}"
                )
    file.seek(0)


def dataset_of(x: ArrayLike, y: ArrayLike | None = None) -> Dataset:
    """The data set of arrays: x (n, ...) of levels from 0 to 255 or of floats, y integers (n,) or None.

    Raises BcsimError for whatever else.
    """
    try:
        images, labels = np.asarray(x), None if y is None else np.asarray(y)
    except (ValueError, TypeError, RuntimeError) as error:
        raise BcsimError(f"Images must be an array, a data set, a name or a path: {error}") from error
    return _from_arrays("arrays", "", images, labels)


def _from_arrays(name: str, where: str, x: NDArray[np.generic], y: NDArray[np.generic] | None) -> Dataset:
    if x.ndim < 2:
        raise BcsimError(f"Array x{where} must have one row an image, not shape {x.shape}")
    if len(x) and not x.size:
        raise BcsimError(f"Array x{where} has images without values, shape {x.shape}")
    if y is not None and y.dtype.kind not in "iu":
        raise BcsimError(f"Array y{where} must hold integer classes, not {y.dtype}")
    labels = None if y is None else y.astype(np.int64)
    if x.dtype.kind == "f":
        if not np.isfinite(x).all():
            raise BcsimError(f"Array x{where} must be finite, and has NaN or infinite values")
        if x.size and (most := float(np.abs(x).max())) > GREATEST:
            raise BcsimError(
                f"Array x{where} must hold floats of a magnitude up to {GREATEST:g}, not {most:g}"
            )
        return Dataset(name, x.astype(np.float64), labels, bits=0, full=1)
    if x.dtype.kind not in "iub":
        raise BcsimError(f"Array x{where} must hold integers or floats, not {x.dtype}")
    return Dataset(name, _levels(where, x), labels, bits=8, full=255)


def _levels(where: str, x: NDArray[np.generic]) -> NDArray[np.uint8]:
    low, high = (int(x.min()), int(x.max())) if x.size else (0, 0)
    if low < 0 or high > 255:
        raise BcsimError(f"Integer array x{where} must have levels from 0 to 255, not {low} to {high}")
    return x.astype(np.uint8)
