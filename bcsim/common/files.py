"""Files that are either whole or absent: every result that bcsim writes goes through here."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

from bcsim.common.errors import BcsimError
from bcsim.common.leftovers import hold, sweep

__all__ = ["atomic_write", "check_apart", "check_folder", "read_file", "write_bytes", "write_text"]


Place: TypeAlias = str | os.PathLike[str] | None


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise BcsimError where `path` cannot be written for want of a folder: before hours of work, not after."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise BcsimError(f"Cannot write {path}: there is no folder {folder}")
    if Path(path).is_dir():
        raise BcsimError(f"Cannot write {path}: it is a folder")


def check_apart(outputs: Iterable[Place], inputs: Iterable[Place] = ()) -> None:
    """Raise BcsimError where two of `outputs` are one file, or one of them is a file among `inputs`."""
    taken = {os.path.realpath(path) for path in inputs if path is not None and os.path.isfile(path)}
    for path in outputs:
        if path is None:
            continue
        place = os.path.realpath(path)
        if place in taken and (os.path.isfile(place) or not os.path.exists(place)):
            raise BcsimError(
                f"Cannot write {path}: this command reads or writes another file there; give another name"
            )
        taken.add(place)


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file that becomes `path` when the block ends without an error, and otherwise leaves no trace.

    The bytes go to a file beside `path`, reach the disk, and are renamed over it. Devices and pipes are
    written directly. Raises BcsimError where the system refuses (full disk, missing folder, no permission).
    """
    target = Path(path)
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                yield file
            return
        with _replacing(target) as file:
            yield file
    except OSError as error:
        raise BcsimError(f"Cannot write {target}: {error.strerror or error}") from error


@contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    sweep(target.parent, f".{target.name}.", ".partial")
    beside = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with beside.open("wb") as file:
            hold(file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def read_file(path: str | os.PathLike[str], most: int, what: str) -> bytes:
    """The bytes of a regular file of at most `most` bytes, called `what` in messages.

    Raises BcsimError for folders, devices and pipes, which may never end, for larger files, and where the system
    refuses.
    """
    try:
        with open(path, "rb", opener=_unwaiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BcsimError(f"{what} {path} is a device or a pipe; give a file")
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BcsimError(f"{what} {path} cannot be read: {reason}") from error
    if len(data) > most:
        raise BcsimError(f"{what} {path} has more than {most} bytes, which is the limit")
    return data


def _unwaiting(path: str, flags: int) -> int:
    """A descriptor at once, also of a pipe that nobody writes."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` atomically; raises BcsimError."""
    with atomic_write(path) as file:
        file.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 to `path` atomically; raises BcsimError.

    Lone surrogates, which file names can hold and UTF-8 cannot, become \\udcNN.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))
