"""Folders of PNG, JPEG and other images: with a folder for each class, as torchvision's ImageFolder, or without."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcsim.common.console import track
from bcsim.common.errors import BcsimError
from bcsim.common.extras import missing_package
from bcsim.data.dataset import Dataset, Split

__all__ = ["load_images"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
"""The readers of Pillow that a file can reach, whatever it says that it is."""

PARTS = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test", "val")}
"""Folders that hold a split, the first that is there."""

MOST_PIXELS = 1 << 25
"""Of one image: a file of kilobytes can state any size."""

GREY = ("1", "L", "LA")
COLOUR = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")


def load_images(folder: Path, split: Split, limit: int | None = None) -> Dataset | None:
    """The images in a folder, None where it has none.

    A folder train, val or test in it holds that split; a folder without them has no splits, and what it holds is its
    test images. Classes are the folders in it in the order of their names; without folders there are no labels. Images
    come class by class in turn, so that the first of them are of all classes. Grey ones are (n, rows, columns), with
    any colour (n, 3, rows, columns). Raises BcsimError where Pillow is missing, the split has no folder, or images
    cannot be read, differ in size or have more than 8 bits.
    """
    place = _split_folder(folder, split)
    files, labels = _files(place)
    if not files:
        return None
    if place == folder and split != "test":
        raise BcsimError(
            f"Folder {folder} has no {split} images: it holds images, but no folder {PARTS[split][0]}"
        )
    names = sorted({path.parent.name for path in files}) if labels is not None else []
    pixels = _pixels(files[:limit])
    y = None if labels is None else np.array(labels[:limit], dtype=np.int64)
    note = (
        f"Classes are the folders of {place}: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}"
        if names
        else ""
    )
    return Dataset(str(folder), pixels, y, 8, 255, note)


def _split_folder(folder: Path, split: Split) -> Path:
    for name in PARTS[split]:
        if (folder / name).is_dir():
            return folder / name
    if any((folder / name).is_dir() for names in PARTS.values() for name in names):
        raise BcsimError(
            f"Folder {folder} has no {split} images; it needs a folder {' or '.join(PARTS[split])}"
        )
    return folder


def _files(folder: Path) -> tuple[list[Path], list[int] | None]:
    """The image files and their classes, one of each class after another."""
    classes = [files for each in sorted(folder.iterdir()) if each.is_dir() and (files := _images(each))]
    if not classes:
        return _images(folder), None
    turns = [(turn, label, path) for label, files in enumerate(classes) for turn, path in enumerate(files)]
    ordered = sorted(turns)
    return [path for _, _, path in ordered], [label for _, label, _ in ordered]


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _pixels(files: Sequence[Path]) -> NDArray[np.uint8]:
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    mode = "RGB" if any(_mode(Image, path) in COLOUR for path in files) else "L"
    first, stacked = None, []
    for path in track(files, "Reading images"):
        image = _read(Image, path, mode)
        first = first or (path, image.shape)
        if image.shape != first[1]:
            raise BcsimError(
                f"Image {path} has {image.shape[0]} x {image.shape[1]} pixels, and {first[0]} {first[1][0]} x "
                f"{first[1][1]}; all images of a data set must have one size"
            )
        stacked.append(image)
    found = np.stack(stacked)
    return found if mode == "L" else np.ascontiguousarray(found.transpose(0, 3, 1, 2))


def _mode(pillow: Any, path: Path) -> str:
    with _opened(pillow, path) as image:
        if image.mode not in (*GREY, *COLOUR):
            raise BcsimError(
                f"Image {path} has pixels of the kind {image.mode}; accepted are 8 bits, grey or colour"
            )
        return str(image.mode)


def _read(pillow: Any, path: Path, mode: str) -> NDArray[np.uint8]:
    with _opened(pillow, path) as image:
        if image.width * image.height > MOST_PIXELS:
            raise BcsimError(
                f"Image {path} has {image.height} x {image.width} pixels; accepted are up to {MOST_PIXELS}"
            )
        try:
            return np.asarray(image.convert(mode), dtype=np.uint8)
        except Exception as error:  # Pillow meets damaged images with many types, struct.error among them.
            raise BcsimError(f"Image {path} cannot be read: {error}") from error


def _opened(pillow: Any, path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of very large images, which _read refuses.
            return pillow.open(path, formats=FORMATS)
    except Exception as error:  # Its own warning of very large images is an error of another type too.
        raise BcsimError(f"Image {path} cannot be read: {error}") from error
