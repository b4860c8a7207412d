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

__all__ = [
    "atomic_write",
    "check_folder",
    "check_outputs",
    "read_file",
    "write_bytes",
    "write_errors",
    "write_text",
]


Place: TypeAlias = str | os.PathLike[str] | None


@contextmanager
def write_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raises BcsimError where the system refuses what the block does to write `path`."""
    try:
        yield
    except OSError as error:
        raise BcsimError(f"Cannot write {path}: {error.strerror or error}") from error


def check_outputs(outputs: Iterable[Place], inputs: Iterable[Place] = ()) -> None:
    """Raise BcsimError where one of the files `outputs` cannot be written: before hours of work, not after.

    No two of them may be one file, and none may be a file among `inputs`. None and "-", standard output, are no files.
    """
    files = [path for path in outputs if path is not None and path != "-"]
    for path in files:
        with write_errors(path):
            _check_place(Path(path))
    _check_apart(files, inputs)


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise BcsimError where files cannot be written to the folder `path`, which need not be there yet, as
    `check_outputs` does."""
    with write_errors(path):
        place = Path(path).absolute()
        while not place.exists() and place != place.parent:
            place = place.parent
        if not place.is_dir():
            raise BcsimError(f"Cannot write to {path}: {place} is no folder")
    _check_permission(Path(path), place)


def _check_place(target: Path) -> None:
    folder = target.absolute().parent
    if not folder.is_dir():
        raise BcsimError(f"Cannot write {target}: there is no folder {folder}")
    if target.is_dir():
        raise BcsimError(f"Cannot write {target}: it is a folder")
    # A device is written itself; a file by renaming another one over it.
    _check_permission(target, target if target.exists() and not target.is_file() else folder)


def _check_permission(target: Path, place: Path) -> None:
    if not os.access(place, os.W_OK):
        raise BcsimError(f"Cannot write {target}: there is no permission to write to {place}")


def _check_apart(outputs: Iterable[str | os.PathLike[str]], inputs: Iterable[Place]) -> None:
    taken = {os.path.realpath(path) for path in inputs if path is not None and os.path.isfile(path)}
    for path in outputs:
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
    with write_errors(target):
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                yield file
            return
        with _replacing(target) as file:
            yield file


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
