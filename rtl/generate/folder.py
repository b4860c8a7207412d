"""An output folder that is either whole or absent, in which bcsim replaces what it wrote itself and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import mkdtemp

from bcsim.common.errors import BcsimError
from bcsim.common.files import check_folder, write_errors, write_text
from bcsim.common.leftovers import held_folder, sweep
from bcsim.common.version import __version__

__all__ = ["MANIFEST", "check_new_folder", "new_folder"]

MANIFEST = "manifest.json"
"""The file that names every other with its SHA-256: what is not in it, or differs, is the user's."""

BYPRODUCTS = (
    "build/verilator*",
    "build/icarus*",
    "__pycache__",
    ".pytest_cache",
    "simulation.log",
    "result.json",
)
"""What running the bench leaves in the folder."""


@contextmanager
def new_folder(target: Path, *, force: bool = False) -> Iterator[Path]:
    """A folder that becomes `target` when the block ends without an error, and otherwise leaves no trace.

    Where there is a `target` already, the files that bcsim wrote there are replaced and the user's own are kept.
    force : it goes with all that it holds.

    Raises BcsimError where bcsim did not write the folder or its files were changed since, and where the system
    refuses.
    """
    target = target.resolve() if target.is_symlink() else target
    with write_errors(target):
        _check_place(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _restore(target)
        check_new_folder(target, force=force)
        beside = Path(mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        with held_folder(beside):
            beside.chmod(0o755)
            yield beside
            _write_manifest(beside)
            _carry(target, beside, [] if force else _users_files(target))
            _replace(beside, target)


def check_new_folder(target: Path, *, force: bool = False) -> None:
    """Raise BcsimError where `new_folder` would before it gives a folder: before minutes of work, not after."""
    with write_errors(target):
        _check_place(target)
        check_folder(target)
        if not force:
            _users_files(target)


def _check_place(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise BcsimError(f"{target} is a file; give a folder to write to")
    for what, place in (("home folder", Path.home()), ("folder that you are in", Path.cwd())):
        if place.resolve().is_relative_to(target.resolve()):
            raise BcsimError(
                f"{target} is or holds the {what}, which nothing may replace; give another folder"
            )


def _users_files(target: Path) -> list[Path]:
    """The files in `target` that bcsim did not write, relative to it. Raises BcsimError for changed ones."""
    if not target.is_dir() or not any(target.iterdir()):
        return []
    written = _read_manifest(target)
    if written is None:
        raise BcsimError(
            f"Folder {target} has files that bcsim did not write; give another, or --force to replace it"
        )
    kept = []
    for path in _files(target):
        name = path.relative_to(target)
        if name.as_posix() not in written:
            kept.append(name)
        elif path.is_symlink() or _digest(path) != written[name.as_posix()]:
            raise BcsimError(
                f"File {path} was changed since bcsim wrote it; keep it elsewhere, or give --force to lose what was "
                "changed"
            )
    return kept


def _files(folder: Path) -> Iterator[Path]:
    """Every file and link below `folder` but the manifest and what benches leave; links are not followed."""
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = [name for name in folders if not _is_byproduct((here / name).relative_to(folder))]
        links = [name for name in folders if (here / name).is_symlink()]
        for name in sorted([*files, *links]):
            relative = (here / name).relative_to(folder)
            if relative != Path(MANIFEST) and not _is_byproduct(relative):
                yield here / name


def _is_byproduct(relative: Path) -> bool:
    return any(fnmatchcase(relative.as_posix(), pattern) for pattern in BYPRODUCTS)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(folder: Path) -> Mapping[str, str] | None:
    """The digests of the files that bcsim wrote, None where there is no manifest of its."""
    try:
        written = json.loads((folder / MANIFEST).read_text("utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return written if isinstance(written, dict) else None


def _write_manifest(folder: Path) -> None:
    digests = {path.relative_to(folder).as_posix(): _digest(path) for path in _files(folder)}
    write_text(folder / MANIFEST, json.dumps({"bcsim": __version__, "sha256": digests}, indent=2) + "\n")


def _carry(target: Path, beside: Path, kept: Sequence[Path]) -> None:
    """Copy the user's files beside what was written."""
    for name in kept:
        if os.path.lexists(beside / name):
            raise BcsimError(
                f"File {target / name} is not bcsim's, which would write one of that name; move it"
            )
        (beside / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(target / name, beside / name, follow_symlinks=False)


def _replace(beside: Path, target: Path) -> None:
    if not target.exists():
        beside.rename(target)
        return
    old = Path(mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
    try:
        target.rename(old / target.name)
        beside.rename(target)
    except OSError:
        if not target.exists():
            (old / target.name).rename(target)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def _restore(target: Path) -> None:
    """Undo what a killed run left: its unfinished folder goes, and the one that it had moved away comes back."""
    sweep(target.parent, f".{target.name}.", ".partial")
    if not target.exists():
        for old in target.parent.glob(f".{target.name}.*.old"):
            if (old / target.name).is_dir():
                (old / target.name).rename(target)
                old.rmdir()
                break
    sweep(target.parent, f".{target.name}.", ".old")
