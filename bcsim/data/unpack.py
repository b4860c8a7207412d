"""The bytes of a data file, decompressed as its ending says, and never more of them than memory has room for."""

from __future__ import annotations

import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from bcsim.common.errors import BcsimError
from bcsim.common.files import read_file

__all__ = ["ENDINGS", "MOST_BYTES", "inflate", "unpacked"]

MOST_BYTES = 1 << 30
"""Of one file, unpacked: four times the largest of the data sets known by name."""

XZ_MEMORY = 1 << 28
"""What a file may have its decompressor allocate."""

DAMAGE = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)


def _gunzip(raw: bytes, most: int) -> bytes:
    return gzip.GzipFile(fileobj=io.BytesIO(raw)).read(most)


def _unxz(raw: bytes, most: int) -> bytes:
    stream = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
    data = stream.decompress(raw, most)
    if len(data) < most and not stream.eof:
        raise EOFError("Compressed file ended before the end-of-stream marker was reached")
    return data


_UNPACK: Mapping[str, Callable[[bytes, int], bytes]] = {".gz": _gunzip, ".xz": _unxz}
ENDINGS = tuple(_UNPACK)


def unpacked(path: Path) -> bytes:
    """The bytes of the file at `path`. Raises BcsimError for one that is damaged or too large, packed or unpacked."""
    raw = read_file(path, MOST_BYTES, "Data file")
    if path.suffix not in _UNPACK:
        return raw
    try:
        data = _UNPACK[path.suffix](raw, MOST_BYTES + 1)
    except DAMAGE as error:
        raise BcsimError(f"Data file {path} is damaged or cut short: {error}") from error
    if len(data) > MOST_BYTES:
        raise BcsimError(f"Data file {path} unpacks to more than {MOST_BYTES} bytes, which is the limit")
    return data


def inflate(packed: bytes, most: int) -> bytes:
    """A zlib stream's bytes. Raises ValueError for one that is damaged or has more than `most`."""
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(packed, most + 1)
    except zlib.error as error:
        raise ValueError(f"it is damaged ({error})") from None
    if len(data) > most:
        raise ValueError(f"it unpacks to more than {most} bytes")
    if not stream.eof:
        raise ValueError("it is cut short")
    return data
