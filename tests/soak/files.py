"""Small files of every format but ONNX that bcsim reads, made by code, and what reads them."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bcsim.costs.energy import load_table, table_text
from bcsim.data import load_dataset
from bcsim.models.config import read_config
from bcsim.models.recipes import recipe_for
from tests.soak.mutations import mutated_bytes

__all__ = ["FORMATS", "Format"]

Generator = np.random.Generator
Read = Callable[[Path], object]


@dataclass(frozen=True)
class Format:
    """A format's file by name, its whole bytes, what damages them and what reads the file.

    beside : files that lie whole beside it.
    """

    name: str
    whole: bytes
    damage: Callable[[bytes, Generator], bytes]
    read: Read
    beside: Mapping[str, bytes]


def _data(path: Path) -> object:
    return load_dataset(str(path), "test", 2)


def _folder(path: Path) -> object:
    return load_dataset(str(path.parent), "test", 2)


def _table(path: Path) -> object:
    return load_table(str(path))


def _recipe(path: Path) -> object:
    return recipe_for(read_config(path))


def _npz(packed: bool, **arrays: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)
    return file.getvalue()


def _idx(array: np.ndarray[Any, Any]) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def _members(raw: bytes, random: Generator) -> bytes:
    """A whole archive whose first arrays are damaged within."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            inner = old.read(name)
            new.writestr(name, mutated_bytes(inner[:140], random) + inner[140:])
    return file.getvalue()


def _header(raw: bytes, random: Generator) -> bytes:
    """Damage to the first bytes, where formats keep their sizes."""
    return mutated_bytes(raw[:24], random) + raw[24:]


WORDS = (
    "=",
    "[",
    "]",
    '"',
    "\n",
    "nan",
    "inf",
    "-1",
    "1e999",
    "true",
    "[[1, 2]]",
    "{}",
    "\x00",
    "é",
    "'''",
    "999999999999",
)


def _text(raw: bytes, random: Generator) -> bytes:
    """Words of a text dropped, doubled or put in."""
    parts = raw.decode().replace("\n", " \n ").split(" ")
    for _ in range(int(random.integers(1, 5))):
        place = int(random.integers(len(parts)))
        kind = random.integers(3)
        if kind == 0:
            parts[place] = str(WORDS[int(random.integers(len(WORDS)))])
        elif kind == 1:
            del parts[place : place + 1]
            parts = parts or [""]
        else:
            parts[place:place] = parts[place : place + 3]
    return " ".join(parts).encode()


def _packed(pack: Callable[[bytes], bytes]) -> Callable[[bytes, Generator], bytes]:
    return lambda raw, random: pack(_header(raw, random))


def _picture(kind: str, mode: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(6).integers(0, 256, (9, 8, 3), np.uint8)).convert(mode).save(
        file, kind
    )
    return file.getvalue()


RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 256, (6, 8, 8), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 6, dtype=np.uint8)
ARRAYS = {"x": IMAGES.reshape(6, 64), "y": LABELS.astype(np.int64)}
RECIPE = b"""network = "digits"
epochs = 3
batch = 50
lr_start = 0.003
method = "det"
seed = 7
"""
IDX = {"t10k-labels-idx1-ubyte": _idx(LABELS)}
RECORDS = RNG.integers(0, 10, 3 * 3073, dtype=np.uint8).tobytes()

FORMATS: Mapping[str, Format] = {
    "npz": Format("data.npz", _npz(False, **ARRAYS), mutated_bytes, _data, {}),
    "npz, packed": Format("data.npz", _npz(True, **ARRAYS), mutated_bytes, _data, {}),
    "npz, within": Format("data.npz", _npz(False, **ARRAYS), _members, _data, {}),
    "npz of floats": Format("data.npz", _npz(False, x=IMAGES / 7), _members, _data, {}),
    "idx": Format("t10k-images-idx3-ubyte", _idx(IMAGES), _header, _folder, IDX),
    "idx.gz": Format("t10k-images-idx3-ubyte.gz", gzip.compress(_idx(IMAGES)), mutated_bytes, _folder, IDX),
    "idx.xz": Format("t10k-images-idx3-ubyte.xz", lzma.compress(_idx(IMAGES)), mutated_bytes, _folder, IDX),
    "idx.gz, within": Format("t10k-images-idx3-ubyte.gz", _idx(IMAGES), _packed(gzip.compress), _folder, IDX),
    "cifar": Format("test_batch.bin", RECORDS, mutated_bytes, _folder, {}),
    **{
        f"{kind} of {mode}": Format(f"0.{kind}", _picture(kind, mode), damage, _folder, {})
        for kind, mode, damage in (
            ("png", "RGB", _header),
            ("png", "P", mutated_bytes),
            ("jpeg", "L", mutated_bytes),
            ("jpeg", "CMYK", _header),
        )
    },
    "energy table": Format("table.toml", table_text("horowitz-45nm").encode(), _text, _table, {}),
    "energy table, bytes": Format(
        "table.toml", table_text("horowitz-45nm").encode(), mutated_bytes, _table, {}
    ),
    "recipe": Format("recipe.toml", RECIPE, _text, _recipe, {}),
    "recipe, bytes": Format("recipe.toml", RECIPE, mutated_bytes, _recipe, {}),
}
