"""MATLAB's level 5 files as far as SVHN uses them: numeric arrays by name, plain or compressed.

Written after the published layout: a header of 128 bytes, then data elements, each a type, a size and as many bytes.
Everything else is refused, and every size is checked against the bytes that are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bcsim.data.unpack import MOST_BYTES, inflate

__all__ = ["read_arrays"]

Element: TypeAlias = tuple[int, memoryview]

HEADER = 128
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15
TYPES: Mapping[int, str] = {
    **{INT8: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", INT32: "<i4", UINT32: "<u4"},
    **{7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"},
}
"""Types of elements, by their number."""

CLASSES: Mapping[int, str] = {
    **{6: "<f8", 7: "<f4", 8: "<i1", 9: "<u1", 10: "<i2", 11: "<u2"},
    **{12: "<i4", 13: "<u4", 14: "<i8", 15: "<u8"},
}
"""Classes of numeric arrays, by their number; an array may be stored in a narrower type than its class."""

COMPLEX = 0x0800
MOST_AXES = 32


def read_arrays(raw: bytes) -> dict[str, NDArray[Any]]:
    """The numeric arrays of a file by name, in the element types of their classes.

    Raises ValueError, the reason in words, for whatever else the bytes are.
    """
    if len(raw) < HEADER or raw[126:128] != b"IM" or raw[124:126] != b"\x00\x01":
        raise ValueError("it has no header of MATLAB's level 5, least significant byte first")
    arrays = {}
    for kind, content in _elements(memoryview(raw)[HEADER:]):
        if kind == COMPRESSED:
            ((kind, content),) = _elements(memoryview(inflate(bytes(content), MOST_BYTES)))
        if kind != MATRIX:
            raise ValueError(f"it has an element of type {kind} where arrays are")
        name, array = _array(content)
        arrays[name] = array
    return arrays


def _elements(data: memoryview) -> Iterator[Element]:
    """The elements that follow each other in `data`, each padded to 8 bytes but for compressed ones."""
    start = 0
    while start < len(data):
        if len(data) - start < 8:
            raise ValueError("it is cut short")
        kind, size = (int.from_bytes(data[start + at : start + at + 4], "little") for at in (0, 4))
        first = start + 8
        if kind >> 16:  # The small form: the size beside the type, four bytes of data at most.
            kind, size, first = kind & 0xFFFF, kind >> 16, start + 4
            if size > 4:
                raise ValueError(f"it has a small element of {size} bytes")
        if size > len(data) - first:
            raise ValueError("it is cut short")
        yield kind, data[first : first + size]
        start = first + size if kind == COMPRESSED else start + -(-(first + size - start) // 8) * 8


def _array(content: memoryview) -> tuple[str, NDArray[Any]]:
    flags, dimensions, name, *parts = _elements(content)
    (word, *_), shape = _numbers(flags, UINT32), tuple(int(size) for size in _numbers(dimensions, INT32))
    kind = int(word) & 0xFF
    if kind not in CLASSES or int(word) & COMPLEX or len(parts) != 1:
        raise ValueError(f"it has an array of class {kind} that is not of real numbers")
    if len(shape) > MOST_AXES or min(shape, default=0) < 0:
        raise ValueError("it has an array of a shape that no array has")
    values = _numbers(parts[0], parts[0][0])
    if len(values) != prod(shape):
        raise ValueError(f"it has an array of {len(values)} values that states {prod(shape)}")
    label = bytes(_numbers(name, INT8).astype(np.uint8)).decode("latin-1")
    return label, values.astype(CLASSES[kind], copy=False).reshape(shape, order="F")


def _numbers(element: Element, expected: int) -> NDArray[Any]:
    kind, content = element
    dtype = TYPES.get(kind)
    if kind != expected or dtype is None or len(content) % np.dtype(dtype).itemsize:
        raise ValueError(f"it has an element of type {kind} and {len(content)} bytes where others belong")
    return np.frombuffer(content, dtype)
