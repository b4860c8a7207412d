"""Readers of the files that image data sets are published in: IDX, CIFAR binary records, MATLAB."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.data.matlab import read_arrays
from bcsim.data.unpack import ENDINGS, unpacked

__all__ = ["find_packed", "read_cifar", "read_idx", "read_mat"]

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]

CIFAR_SHAPE = (3, 32, 32)
MOST_AXES = 8


def find_packed(folder: Path, *names: str) -> Path | None:
    """The first of `names` in `folder`, plain or with the ending .gz or .xz."""
    candidates = (folder / (name + ending) for name in names for ending in ("", *ENDINGS))
    return next((path for path in candidates if path.is_file()), None)


def read_idx(path: Path) -> Bytes:
    """The array of an IDX file of bytes, uint8, of the shape its header gives.

    The format: two zero bytes, a type (8: unsigned bytes), the rank, a big-endian 32-bit size per axis, data.
    Raises BcsimError for any other file and for one that is cut short.
    """
    raw = unpacked(path)
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08" or len(raw) < 4 + 4 * raw[3]:
        raise BcsimError(f"Data file {path} is not an IDX file of bytes (it must begin with 00 00 08)")
    start = 4 + 4 * raw[3]
    if raw[3] > MOST_AXES:
        raise BcsimError(f"Data file {path} has {raw[3]} axes; accepted are up to {MOST_AXES}")
    shape = tuple(int.from_bytes(raw[i : i + 4], "big") for i in range(4, start, 4))
    if len(raw) - start != prod(shape):
        raise BcsimError(
            f"Data file {path} is damaged or cut short: its header promises {prod(shape)} bytes "
            f"and {len(raw) - start} follow"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def read_cifar(path: Path) -> tuple[Bytes, Labels]:
    """Images uint8 (n, 3, 32, 32) and classes int64 (n,) of a CIFAR-10 binary file.

    A record is one label byte and 3,072 bytes, the red, green and blue plane.
    Raises BcsimError for other lengths.
    """
    raw = unpacked(path)
    record = 1 + prod(CIFAR_SHAPE)
    if not raw or len(raw) % record:
        raise BcsimError(
            f"Data file {path} is damaged or cut short: it has {len(raw)} bytes, not a multiple of {record}"
        )
    records = np.frombuffer(raw, np.uint8).reshape(-1, record)
    return records[:, 1:].reshape(-1, *CIFAR_SHAPE), records[:, 0].astype(np.int64)


def read_mat(path: Path) -> tuple[Bytes, Labels]:
    """Images uint8 (n, 3, 32, 32) and classes int64 (n,) of an SVHN file in MATLAB's format.

    The file holds X (32, 32, 3, n) and y (n, 1), where class 10 is the digit 0. Raises BcsimError for others.
    """
    try:
        content = read_arrays(unpacked(path))
        x, y = content["X"], content["y"]
    except KeyError as error:
        raise BcsimError(
            f"Data file {path} is not an SVHN file with arrays X and y: it has no {error}"
        ) from None
    except ValueError as error:
        raise BcsimError(f"Data file {path} is not an SVHN file with arrays X and y: {error}") from None
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[:3] != (32, 32, 3) or y.size != x.shape[3]:
        raise BcsimError(
            f"Data file {path} must hold X (32, 32, 3, n) of bytes and y (n, 1), not {x.shape} and {y.shape}"
        )
    if not ((y >= 0) & (y <= 10)).all():
        raise BcsimError(
            f"Data file {path} must hold classes from 1 to 10 in y, not {y.min():g} to {y.max():g}"
        )
    return np.ascontiguousarray(x.transpose(3, 2, 0, 1)), y.ravel().astype(np.int64) % 10
