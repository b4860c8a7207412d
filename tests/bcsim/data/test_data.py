"""Data sets: every format, every damage with its whole message."""

import gzip
import hashlib
import io
import lzma
import re
import struct
import tarfile
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from scipy.io import savemat

from bcsim.common.errors import BcsimError
from bcsim.data import download, load_dataset
from bcsim.data.formats import read_cifar, read_idx, read_mat

RNG = np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape).astype(np.uint8)


def whole(message: str) -> str:
    return f"^{re.escape(message)}$"


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A BCSIM_DATA folder with an MNIST of 10,020 training and 7 test images of 2 x 3."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for stem, count in (("train", 10_020), ("t10k", 7)):
        images, labels = pixels(count, 2, 3), pixels(count) % 10
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(idx(labels))
    monkeypatch.setenv("BCSIM_DATA", str(tmp_path))
    return folder


@pytest.mark.parametrize(("split", "count"), [("train", 1258), ("validation", 180), ("test", 359)])
def test_digits(split: Any, count: int) -> None:
    found = load_dataset("digits", split)
    assert found.x.shape == (count, 8, 8)
    assert found.y is not None
    assert found.y.shape == (count,)
    assert (found.x.dtype, found.bits, found.full, int(found.x.max())) == (np.uint8, 5, 16, 16)


@pytest.mark.parametrize(("split", "count"), [("train", 20), ("validation", 10_000), ("test", 7)])
def test_mnist_is_found_and_its_splits_are_disjoint(mnist: Path, split: Any, count: int) -> None:
    found = load_dataset("mnist", split)
    assert (found.name, len(found), found.x.shape[1:], found.bits, found.full) == (
        "mnist",
        count,
        (2, 3),
        8,
        255,
    )
    training = read_idx(mnist / "train-images-idx3-ubyte.gz")
    if split != "test":
        np.testing.assert_array_equal(found.x, training[:20] if split == "train" else training[20:])


def test_folder_of_idx_files_is_recognised(mnist: Path) -> None:
    assert len(load_dataset(str(mnist), "test")) == 7


def test_data_directly_in_bcsim_data_is_found(mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCSIM_DATA", str(mnist))
    assert len(load_dataset("mnist", "test")) == 7


def test_limit_keeps_the_first_images(mnist: Path) -> None:
    found = load_dataset("mnist", "test", limit=3)
    np.testing.assert_array_equal(found.x, load_dataset("mnist", "test").x[:3])
    assert found.y is not None
    assert len(found.y) == 3


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_below_one(limit: int) -> None:
    with pytest.raises(BcsimError, match=whole(f"Number of images must be at least 1, not {limit}")):
        load_dataset("digits", limit=limit)


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (0, 3)])
def test_idx_of_any_rank(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = pixels(*shape)
    (tmp_path / "x").write_bytes(idx(array))
    np.testing.assert_array_equal(read_idx(tmp_path / "x"), array)


@pytest.mark.parametrize(
    "raw", [b"", b"\0\0\x08", b"\0\0\x0d\1\0\0\0\0", b"\0\0\x08\3\0\0\0\1", b"PNG and so on"]
)
def test_not_idx(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(raw)
    message = f"Data file {path} is not an IDX file of bytes (it must begin with 00 00 08)"
    with pytest.raises(BcsimError, match=whole(message)):
        read_idx(path)


@pytest.mark.parametrize("cut", [-1, 1])
def test_idx_of_another_length(tmp_path: Path, cut: int) -> None:
    raw = idx(pixels(4, 5))
    path = tmp_path / "x"
    path.write_bytes(raw[:cut] if cut < 0 else raw + b"\0")
    message = f"Data file {path} is damaged or cut short: its header promises 20 bytes and {20 + cut} follow"
    with pytest.raises(BcsimError, match=whole(message)):
        read_idx(path)


def test_idx_of_huge_declared_size_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\0\0\x08\3" + b"\xff" * 12)
    message = (
        f"Data file {path} is damaged or cut short: its header promises {(2**32 - 1) ** 3} bytes and 0 follow"
    )
    with pytest.raises(BcsimError, match=whole(message)):
        read_idx(path)


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("xz", lzma.compress)])
def test_damaged_packing(tmp_path: Path, ending: str, pack: Any) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_bytes(pack(idx(pixels(40, 50)))[:-20])
    with pytest.raises(BcsimError, match=f"^Data file {re.escape(str(path))} is damaged or cut short: .+$"):
        read_idx(path)


def test_labels_of_another_number(mnist: Path) -> None:
    (mnist / "t10k-labels-idx1-ubyte").write_bytes(idx(pixels(6)))
    message = "Data set mnist has 7 images and labels of shape (6,); labels must have shape (7,)"
    with pytest.raises(BcsimError, match=whole(message)):
        load_dataset("mnist", "test")


def test_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = pixels(4, 3, 32, 32), np.arange(4, dtype=np.uint8)
    records = np.concatenate([labels[:, None], images.reshape(4, -1)], axis=1).tobytes()
    (tmp_path / "test_batch.bin.xz").write_bytes(lzma.compress(records))
    (tmp_path / "test_inexact_indices.txt").write_text("1\n3\n")
    monkeypatch.setenv("BCSIM_DATA", str(tmp_path))
    found = load_dataset("cifar10", "test")
    np.testing.assert_array_equal(found.x, images)
    np.testing.assert_array_equal(found.y, labels)
    assert found.note == "2 test images are not the published pixels (test_inexact_indices.txt)"


@pytest.mark.parametrize("length", [0, 3072, 3074])
def test_cifar_of_another_length(tmp_path: Path, length: int) -> None:
    path = tmp_path / "test_batch.bin"
    path.write_bytes(bytes(length))
    message = f"Data file {path} is damaged or cut short: it has {length} bytes, not a multiple of 3073"
    with pytest.raises(BcsimError, match=whole(message)):
        read_cifar(path)


def test_svhn(tmp_path: Path) -> None:
    images = pixels(32, 32, 3, 4)
    savemat(tmp_path / "test_32x32.mat", {"X": images, "y": np.array([[1], [10], [9], [2]], dtype=np.uint8)})
    found = load_dataset(str(tmp_path), "test")
    np.testing.assert_array_equal(found.y, [1, 0, 9, 2])
    np.testing.assert_array_equal(found.x[2, 1], images[:, :, 1, 2])


def test_svhn_with_other_arrays(tmp_path: Path) -> None:
    path = tmp_path / "test_32x32.mat"
    savemat(path, {"X": pixels(32, 32, 4), "y": np.array([[1]])})
    message = f"Data file {path} must hold X (32, 32, 3, n) of bytes and y (n, 1), not (32, 32, 4) and (1, 1)"
    with pytest.raises(BcsimError, match=whole(message)):
        read_mat(path)


def test_svhn_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "train_32x32.mat"
    savemat(path, {"X": pixels(32, 32, 3, 2), "y": np.array([[1], [2]])})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(
        BcsimError, match=f"^Data file {re.escape(str(path))} is not an SVHN file with arrays X and y: "
    ):
        read_mat(path)


@pytest.mark.parametrize(
    ("x", "dtype", "bits"),
    [
        (pixels(3, 4), np.uint8, 8),
        (np.array([[0, 255]], dtype=np.int64), np.uint8, 8),
        (np.array([[True, False]]), np.uint8, 8),
        (np.array([[-1.5, 2.0]], dtype=np.float32), np.float64, 0),
    ],
)
def test_npz(tmp_path: Path, x: np.ndarray, dtype: type, bits: int) -> None:
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(len(x), dtype=np.int32))
    found = load_dataset(str(tmp_path / "x.npz"))
    assert (found.x.dtype, found.bits, found.is_float) == (dtype, bits, bits == 0)
    np.testing.assert_array_equal(found.x, x)
    np.testing.assert_array_equal(found.y, np.arange(len(x)))


def test_npz_without_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=pixels(3, 4))
    assert load_dataset(str(tmp_path / "x.npz")).y is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": [1], "b": [2]}, "Data file {path} must hold an array x, and has a, b"),
        ({"x": [1, 2]}, "Array x of {path} must have one row an image, not shape (2,)"),
        ({"x": [[1.0, np.nan]]}, "Array x of {path} must be finite, and has NaN or infinite values"),
        ({"x": [[1.0, np.inf]]}, "Array x of {path} must be finite, and has NaN or infinite values"),
        ({"x": [[0, 256]]}, "Integer array x of {path} must have levels from 0 to 255, not 0 to 256"),
        ({"x": [[-1, 3]]}, "Integer array x of {path} must have levels from 0 to 255, not -1 to 3"),
        ({"x": [["a"]]}, "Array x of {path} must hold integers or floats, not <U1"),
        ({"x": [[1]], "y": [0.5]}, "Array y of {path} must hold integer classes, not float64"),
        ({"x": np.zeros((0, 4), np.uint8)}, "Data set {path} has no images"),
        (
            {"x": [[1]], "y": [[0]]},
            "Data set {path} has 1 images and labels of shape (1, 1); labels must have shape (1,)",
        ),
    ],
)
def test_npz_that_cannot_be_used(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, **arrays)
    with pytest.raises(BcsimError, match=whole(message.format(path=path))):
        load_dataset(str(path))


@pytest.mark.parametrize("raw", [b"", b"PK\3\4 and then nothing", b"text"])
def test_no_npz_at_all(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(raw)
    with pytest.raises(
        BcsimError, match=f"^Data file {re.escape(str(path))} is not a whole .npz file of plain arrays: "
    ):
        load_dataset(str(path))


def test_npy_is_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, pixels(2, 2))
    with pytest.raises(
        BcsimError, match=f"^Data file {re.escape(str(path))} is not a whole .npz file of plain arrays: "
    ):
        load_dataset(str(path))


def test_npz_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x=np.array([[{}]], dtype=object))
    with pytest.raises(
        BcsimError, match=f"^Data file {re.escape(str(path))} is not a whole .npz file of plain arrays: "
    ):
        load_dataset(str(path))


def test_unknown_name() -> None:
    message = (
        "Data 'imagenet' is neither one of digits, mnist, cifar10, svhn nor an existing .npz file or folder"
    )
    with pytest.raises(BcsimError, match=whole(message)):
        load_dataset("imagenet")


def test_unknown_split() -> None:
    with pytest.raises(BcsimError, match=whole("Split must be one of train, validation, test, not 'dev'")):
        load_dataset("digits", "dev")  # type: ignore[arg-type]


def test_folder_without_data(tmp_path: Path) -> None:
    message = (
        f"Folder {tmp_path} has no test images under the published names of mnist (IDX), "
        "cifar10 (binary version) or svhn (.mat), and no PNG, JPEG or other image files"
    )
    with pytest.raises(BcsimError, match=whole(message)):
        load_dataset(str(tmp_path))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no BCSIM_DATA."""
    monkeypatch.delenv("BCSIM_DATA", raising=False)
    monkeypatch.setattr("bcsim.data.named.user_cache_path", lambda _: tmp_path)
    return tmp_path


def serve(monkeypatch: pytest.MonkeyPatch, content: bytes, sha256: str, url: str) -> None:
    """Make `url` the source of cifar10, and its content `content`."""
    monkeypatch.setattr(download, "_open", lambda _: io.BytesIO(content))
    monkeypatch.setattr(download, "SOURCES", {"cifar10": (download.Source(url, sha256, len(content)),)})


def test_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise URLError("no route")

    monkeypatch.setattr(download, "_open", refuse)
    message = (
        "Data set svhn is not at hand and https://ufldl.stanford.edu/housenumbers/train_32x32.mat cannot be fetched "
        "(no route); put its files into a folder svhn and set BCSIM_DATA to the folder that holds it"
    )
    with pytest.raises(BcsimError, match=whole(message)):
        load_dataset("svhn")


def test_download_is_unpacked_and_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in ("cifar-10-batches-bin/test_batch.bin", "../escape.bin"):
            member = tarfile.TarInfo(name)
            member.size = 3073
            archive.addfile(member, io.BytesIO(bytes(3073)))
    content = stream.getvalue()
    serve(monkeypatch, content, hashlib.sha256(content).hexdigest(), "https://host/a.tar.gz")
    assert load_dataset("cifar10").x.shape == (1, 3, 32, 32)
    assert sorted(path.name for path in cache.rglob("*.bin")) == ["escape.bin", "test_batch.bin"]
    assert not list(cache.parent.glob("*.bin"))


def test_damaged_download_is_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, b"not what was published", "0" * 64, "https://host/a.tar.gz")
    message = f"Download of https://host/a.tar.gz is damaged: its SHA-256 is not {'0' * 64}"
    with pytest.raises(BcsimError, match=whole(message)):
        load_dataset("cifar10")
    assert [path for path in cache.rglob("*") if path.is_file()] == []
