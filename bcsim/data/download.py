"""Fetching of published data sets into the cache folder, checked by their SHA-256."""

from __future__ import annotations

import hashlib
import io
import tarfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request

from bcsim.common.console import track_bytes
from bcsim.common.errors import BcsimError
from bcsim.common.files import write_bytes

__all__ = ["SOURCES", "Source", "fetch"]

TIMEOUT_S = 20
"""Without a byte."""

LONGEST_S = 3600
"""Of one file, from its first byte to its last."""

BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Source:
    """One published file: where it lies, its SHA-256 and its size in bytes."""

    url: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_SVHN = "https://ufldl.stanford.edu/housenumbers"

SOURCES: Mapping[str, tuple[Source, ...]] = {
    "mnist": (
        Source(
            f"{_MNIST}/train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9_912_422,
        ),
        Source(
            f"{_MNIST}/train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28_881,
        ),
        Source(
            f"{_MNIST}/t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1_648_877,
        ),
        Source(
            f"{_MNIST}/t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4_542,
        ),
    ),
    "cifar10": (
        Source(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            170_052_171,
        ),
    ),
    "svhn": (
        Source(
            f"{_SVHN}/train_32x32.mat",
            "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            182_040_794,
        ),
        Source(
            f"{_SVHN}/test_32x32.mat",
            "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            64_275_384,
        ),
    ),
}


def fetch(name: str, folder: Path) -> None:
    """Put the files of data set `name` into `folder`, each whole and checked, or raise BcsimError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BcsimError(f"Cannot write {folder}: {error.strerror}") from error
    for source in SOURCES[name]:
        if not (folder / source.name).exists():
            _store(_download(name, source), source, folder)


def _download(name: str, source: Source) -> bytes:
    digest, blocks = hashlib.sha256(), []
    try:
        for block in track_bytes(_blocks(source), source.size, f"Downloading {source.name}"):
            digest.update(block)
            blocks.append(block)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise BcsimError(
            f"Data set {name} is not at hand and {source.url} cannot be fetched ({reason}); "
            f"put its files into a folder {name} and set BCSIM_DATA to the folder that holds it"
        ) from error
    if digest.hexdigest() != source.sha256:
        raise BcsimError(f"Download of {source.url} is damaged: its SHA-256 is not {source.sha256}")
    return b"".join(blocks)


class _HttpsOnly(HTTPRedirectHandler):
    """Follows no redirection to anything but https."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if not newurl.startswith("https://"):
            raise URLError(f"it redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str) -> IO[bytes]:
    if not url.startswith("https://"):
        raise URLError("it is not https")
    opened: IO[bytes] = urllib.request.build_opener(_HttpsOnly).open(url, timeout=TIMEOUT_S)
    return opened


def _blocks(source: Source) -> Iterator[bytes]:
    """What the server sends, as long as it is no more and comes no slower than it may."""
    start, received = time.monotonic(), 0
    with _open(source.url) as response:
        while block := response.read(BLOCK):
            received += len(block)
            if received > source.size:
                raise ValueError(f"it has more than its {source.size} bytes")
            if time.monotonic() - start > LONGEST_S:
                raise TimeoutError(f"it took more than {LONGEST_S} s")
            yield block


def _store(data: bytes, source: Source, folder: Path) -> None:
    if not source.name.endswith(".tar.gz"):
        write_bytes(folder / source.name, data)
        return
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            if content is not None and member.name.endswith(".bin"):
                write_bytes(folder / Path(member.name).name, content.read())
