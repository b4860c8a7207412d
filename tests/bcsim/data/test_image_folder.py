"""Folders of images as data sets."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import bcsim


def draw(path: Path, pixels: NDArray[np.uint8], mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)


def pixels(seed: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def whole(message: str) -> str:
    return f"^{re.escape(message)}$"


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    """Classes in the order of their names; one image of each after another; colour channels first."""
    made = {(name, n): pixels(n + 10 * len(name), 4, 5, 3) for name in ("cat", "zebra") for n in range(3)}
    for (name, n), image in made.items():
        draw(tmp_path / name / f"{n}.png", image)
    (tmp_path / "notes.txt").write_text("no image")
    found = bcsim.load_dataset(str(tmp_path))
    assert found.y is not None
    assert found.y.tolist() == [0, 1, 0, 1, 0, 1]
    assert (found.x.shape, found.bits, found.full) == ((6, 3, 4, 5), 8, 255)
    np.testing.assert_array_equal(found.x[3], made["zebra", 1].transpose(2, 0, 1))
    assert found.note == f"Classes are the folders of {tmp_path}: cat, zebra"
    few = bcsim.load_dataset(str(tmp_path), limit=2)
    np.testing.assert_array_equal(few.x, found.x[:2])


def test_grey_images_without_classes(tmp_path: Path) -> None:
    draw(tmp_path / "b.png", pixels(1, 4, 5))
    draw(tmp_path / "a.png", pixels(2, 4, 5), "1")
    found = bcsim.load_dataset(str(tmp_path))
    assert found.y is None
    assert found.x.shape == (2, 4, 5)
    np.testing.assert_array_equal(found.x[1], pixels(1, 4, 5))
    assert set(np.unique(found.x[0])) <= {0, 255}


def test_splits_are_folders(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        for n in range(count):
            draw(tmp_path / split / "one" / f"{n}.png", pixels(n, 2, 2))
    lengths = [len(bcsim.load_dataset(str(tmp_path), split)) for split in ("train", "validation", "test")]
    assert lengths == [3, 2, 1]


def test_a_folder_without_splits_holds_no_training_images(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", pixels(1, 4, 5))
    message = f"Folder {tmp_path} has no train images: it holds images, but no folder train"
    with pytest.raises(bcsim.BcsimError, match=whole(message)):
        bcsim.load_dataset(str(tmp_path), "train")
    draw(tmp_path / "test" / "a.png", pixels(1, 4, 5))
    message = f"Folder {tmp_path} has no train images; it needs a folder train"
    with pytest.raises(bcsim.BcsimError, match=whole(message)):
        bcsim.load_dataset(str(tmp_path), "train")


def test_images_that_cannot_be_taken(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", pixels(1, 4, 5))
    draw(tmp_path / "b.png", pixels(1, 4, 6))
    message = (
        f"Image {tmp_path / 'b.png'} has 4 x 6 pixels, and {tmp_path / 'a.png'} 4 x 5; all images of a data set must "
        "have one size"
    )
    with pytest.raises(bcsim.BcsimError, match=whole(message)):
        bcsim.load_dataset(str(tmp_path))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(
        bcsim.BcsimError, match=rf"^Image {re.escape(str(tmp_path / 'b.png'))} cannot be read: "
    ):
        bcsim.load_dataset(str(tmp_path))
    Image.fromarray(pixels(1, 4, 5).astype(np.uint16) * 256).save(tmp_path / "b.png")
    message = f"Image {tmp_path / 'b.png'} has pixels of the kind I;16; accepted are 8 bits, grey or colour"
    with pytest.raises(bcsim.BcsimError, match=whole(message)):
        bcsim.load_dataset(str(tmp_path))


def test_without_pillow_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "a.png", pixels(1, 4, 5))
    monkeypatch.setitem(sys.modules, "PIL", None)
    message = "This needs the package PIL, which is not installed: pip install 'bcsim[images]'"
    with pytest.raises(bcsim.BcsimError, match=whole(message)):
        bcsim.load_dataset(str(tmp_path))


def test_a_network_runs_on_a_folder_of_images(tmp_path: Path) -> None:
    """The digits as PNGs, scaled to bytes: the float network's classes."""
    data = bcsim.load_dataset("digits", limit=60)
    assert data.y is not None
    for number, (image, label) in enumerate(zip(data.x, data.y, strict=True)):
        draw(
            tmp_path / "test" / str(label) / f"{number:03}.png", np.rint(image * 255.0 / 16).astype(np.uint8)
        )
    network = bcsim.load("digits")
    program = bcsim.compile(network, input="centred", data=str(tmp_path))
    result = bcsim.simulate(program, str(tmp_path), reference=network)
    assert result.images == 60
    assert result.accuracy_program == result.accuracy_float
    assert result.accuracy_program is not None
    assert result.accuracy_program > 0.9
