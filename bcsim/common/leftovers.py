"""Temporary files and folders that killed runs leave, and how the next run knows them: nobody holds their lock."""

from __future__ import annotations

import glob
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir, mkdtemp

try:
    import fcntl
except ImportError:  # Windows has no such locks, so that nothing is swept there.
    fcntl = None  # type: ignore[assignment]

__all__ = ["held_folder", "hold", "scratch_folder", "sweep"]

SCRATCH = "bcsim-scratch-"
YOUNG_S = 60
"""Younger files may belong to a run that has made them and not locked them yet."""


def hold(descriptor: int) -> None:
    """Lock an open file or folder until it is closed or the process ends, however that comes about."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def held_folder(folder: Path) -> Iterator[Path]:
    """`folder`, locked within the block and gone after it."""
    descriptor = os.open(folder, os.O_RDONLY) if fcntl is not None else None
    try:
        if descriptor is not None:
            hold(descriptor)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def sweep(folder: Path, prefix: str, suffix: str = "") -> None:
    """Remove what begins and ends so in `folder`, is this user's, and belongs to no run that still lives."""
    if fcntl is None:
        return
    for path in folder.glob(f"{glob.escape(prefix)}*{glob.escape(suffix)}"):
        try:
            if _is_abandoned(path):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        except OSError:
            continue  # Another run swept it, or it may not be touched.


def _is_abandoned(path: Path) -> bool:
    status = path.lstat()
    if path.is_symlink() or status.st_uid != os.getuid() or time.time() - status.st_mtime < YOUNG_S:
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        hold(descriptor)
    finally:
        os.close(descriptor)
    return True


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder for the block, among the system's temporary ones."""
    place = Path(gettempdir())
    sweep(place, SCRATCH)
    with held_folder(Path(mkdtemp(prefix=SCRATCH, dir=place))) as folder:
        yield folder
