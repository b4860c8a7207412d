"""Data files that were damaged or made to do harm: one sentence each, before memory goes."""

import gzip
import http.client
import io
import lzma
import os
import re
import struct
import tracemalloc
import urllib.request
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from bcsim.common.errors import BcsimError
from bcsim.costs.energy import load_table
from bcsim.data import download, load_dataset, unpack
from bcsim.data.formats import read_idx, read_mat

RNG = np.random.default_rng(0)
SMALL = 1 << 16


def refusal(path: Path) -> str:
    with pytest.raises(BcsimError) as caught:
        load_dataset(str(path))
    return str(caught.value)


def mat(path: Path, packed: bool) -> bytes:
    savemat(
        path,
        {"X": RNG.integers(0, 256, (32, 32, 3, 3)).astype(np.uint8), "y": np.array([[1], [10], [9]])},
        do_compression=packed,
    )
    return path.read_bytes()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_mat_is_read_as_scipy_writes_it(packed: bool, dtype: type, tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (32, 32, 3, 3)).astype(np.uint8)
    path = tmp_path / "test_32x32.mat"
    y = np.array([[1], [10], [9]], dtype)
    savemat(path, {"other": np.arange(3.0), "X": images, "y": y}, do_compression=packed)
    found, classes = read_mat(path)
    np.testing.assert_array_equal(found, images.transpose(3, 2, 0, 1))
    np.testing.assert_array_equal(classes, [1, 0, 9])


@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_mat_is_read_or_refused(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "test_32x32.mat"
    whole = mat(path, packed)
    rng = np.random.default_rng(1)
    for _ in range(150):
        raw = bytearray(whole)
        # Tags and headers stand at the beginning and the end, pixels between them.
        for place in rng.integers(0, min(len(raw), 260), rng.integers(1, 4)):
            raw[int(place) * int(rng.choice([1, -1]))] = int(rng.integers(0, 256))
        if rng.random() < 0.2:
            raw = raw[: rng.integers(0, len(raw))]
        path.write_bytes(raw)
        told = f"Data file {path} "  # Pixels may be damaged without a trace.
        try:
            read_mat(path)
        except BcsimError as error:
            told = str(error)
        assert told.startswith(f"Data file {path} ")


def test_a_packed_mat_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bcsim.data.matlab.MOST_BYTES", SMALL)
    bomb = zlib.compress(bytes(1 << 24))
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    path = tmp_path / "x.mat"
    path.write_bytes(header + struct.pack("<II", 15, len(bomb)) + bomb)
    with pytest.raises(BcsimError, match=f"it unpacks to more than {SMALL} bytes$"):
        read_mat(path)


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_packed_files_that_would_fill_the_memory(
    ending: str, pack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MOST_BYTES", SMALL)
    path = tmp_path / f"x{ending}"
    path.write_bytes(pack(bytes(1 << 25)))
    tracemalloc.start()
    with pytest.raises(
        BcsimError, match=f"^Data file .* unpacks to more than {SMALL} bytes, which is the limit$"
    ):
        read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


def test_an_xz_file_that_wants_too_large_a_dictionary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "XZ_MEMORY", 1 << 20)
    path = tmp_path / "x.xz"
    path.write_bytes(lzma.compress(b"1", preset=6))
    with pytest.raises(
        BcsimError, match=r"^Data file .* is damaged or cut short: Memory usage limit exceeded$"
    ):
        read_idx(path)


def test_an_npz_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bcsim.data.load.UNPACKED_BYTES", SMALL)
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.zeros((4096, 1024), np.uint8))
    assert re.search(r"plain arrays: x\.npy unpacks to \d+ bytes; accepted are \d+$", refusal(path))


def npy(shape: str, data: bytes = b"") -> bytes:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


@pytest.mark.parametrize(
    "member",
    [
        npy(f"({1 << 50}, 4)"),
        npy("(-1, 4)"),
        npy("(" + "1," * 80 + ")", b"1"),
        npy("((((((((1,),),),),),),),)"),
        npy("(" * 3000),
        npy("1j"),
        b"\x93NUMPY\x03\x00\xff\xff\xff\xff",
        b"",
    ],
)
def test_an_npz_with_a_hostile_member(member: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", member)
    assert f"Data file {path} is not a whole .npz file of plain arrays: " in refusal(path)


def test_an_npz_with_damage_in_its_stream(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=RNG.integers(0, 9, (64, 64)).astype(np.uint8))
    whole = path.read_bytes()
    for place in range(40, len(whole) - 1, 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        told = f"Data file {path} "  # The damage may hit what nothing reads.
        try:
            load_dataset(str(path))
        except BcsimError as error:
            told = str(error)
        assert told.startswith(f"Data file {path} ")


def test_an_encrypted_npz(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x=np.zeros((2, 2), np.uint8))
    raw = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + at] |= 1
    path.write_bytes(raw)
    assert "is encrypted, password required" in refusal(path)


def test_idx_of_a_hundred_axes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\0\0\x08" + bytes([100]) + struct.pack(">100I", *[1] * 100) + b"1")
    with pytest.raises(BcsimError, match=f"^Data file {path} has 100 axes; accepted are up to 8$"):
        read_idx(path)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="this system has no /dev/zero")
def test_what_never_ends_is_no_file(tmp_path: Path) -> None:
    for read in (load_table, load_dataset):
        with pytest.raises(BcsimError, match="/dev/zero"):
            read("/dev/zero")
    (tmp_path / "t10k-images-idx3-ubyte").symlink_to("/dev/zero")
    (tmp_path / "t10k-labels-idx1-ubyte").symlink_to("/dev/zero")
    assert "has no test images" in refusal(tmp_path)


CONTENT = bytes(100)


def serve(monkeypatch: pytest.MonkeyPatch, response: Any, url: str = "https://host/a.bin") -> None:
    monkeypatch.setattr(download, "_open", lambda _: response)
    monkeypatch.setattr(download, "SOURCES", {"mnist": (download.Source(url, "0" * 64, len(CONTENT)),)})


class Broken(io.BytesIO):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def read(self, *_: object) -> bytes:
        raise self.error


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (io.BytesIO(CONTENT + b"1"), "it has more than its 100 bytes"),
        (Broken(http.client.IncompleteRead(b"12", 98)), "IncompleteRead"),
        (Broken(http.client.BadStatusLine("x")), "x"),
        (Broken(ValueError("invalid literal for int() with base 16: b'zz'")), "invalid literal"),
        (Broken(TimeoutError("timed out")), "timed out"),
    ],
)
def test_broken_downloads(
    response: Any, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, response)
    with pytest.raises(
        BcsimError, match=rf"^Data set mnist is not at hand and https://host/a\.bin .*{re.escape(reason)}"
    ):
        download.fetch("mnist", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_https_is_fetched_and_followed() -> None:
    assert all(source.url.startswith("https://") for of in download.SOURCES.values() for source in of)
    with pytest.raises(OSError, match="it is not https"):
        download._open("http://host/a.bin")
    request = urllib.request.Request("https://host/a.bin")
    with pytest.raises(OSError, match=r"^<urlopen error it redirects to http://host/a, which"):
        download._HttpsOnly().redirect_request(
            request, io.BytesIO(), 302, "Found", http.client.HTTPMessage(), "http://host/a"
        )


def png(width: int, height: int, pixels: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(6000, 6000), (12_000, 12_000), (60_000, 60_000)])
def test_an_image_that_would_fill_the_memory(size: tuple[int, int], tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    (tmp_path / "x.png").write_bytes(png(*size, b""))
    assert refusal(tmp_path).startswith(f"Image {tmp_path / 'x.png'} ")


def test_damaged_images_are_read_or_refused(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    whole = png(4, 4, bytes([0, 1, 2, 3, 4]) * 4)
    path = tmp_path / "x.png"
    path.write_bytes(whole)
    assert load_dataset(str(tmp_path)).x.shape == (1, 4, 4)
    rng = np.random.default_rng(3)
    for _ in range(200):
        raw = bytearray(whole)
        for place in rng.integers(0, len(raw), rng.integers(1, 4)):
            raw[place] = int(rng.integers(0, 256))
        path.write_bytes(raw[: rng.integers(1, len(raw) + 1)] if rng.random() < 0.3 else raw)
        told = f"Image {path} "
        try:
            load_dataset(str(tmp_path))
        except BcsimError as error:
            told = str(error)
        assert told.startswith(f"Image {path} ")


def test_a_file_by_another_name_reaches_no_other_reader(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    (tmp_path / "x.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(pwned) (w) file\n")
    assert "cannot identify image file" in refusal(tmp_path)


def test_images_without_values_or_beyond_what_hardware_reads(tmp_path: Path) -> None:
    for x, told in (
        (np.zeros((3, 0)), "has images without values, shape (3, 0)"),
        (np.full((3, 4), -1e300), "must hold floats of a magnitude up to 1e+30, not 1e+300"),
    ):
        np.savez(tmp_path / "d.npz", x=x)
        assert told in refusal(tmp_path / "d.npz")


def test_a_pipe_that_nobody_writes_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.toml")
    with pytest.raises(BcsimError, match=r"is a device or a pipe; give a file$"):
        load_table(str(tmp_path / "t.toml"))
