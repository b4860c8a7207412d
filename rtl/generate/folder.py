"""An output folder that is either whole or absent, and never another's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from bcsim.common.errors import BcsimError

__all__ = ["new_folder"]


@contextmanager
def new_folder(target: Path, *, mark: str, force: bool = False) -> Iterator[Path]:
    """A folder that becomes `target` when the block ends without an error, and otherwise leaves no trace.

    mark : a file that every folder of this kind has; a folder with it is replaced, another that is not empty
        only with `force`.

    Raises BcsimError where the folder is another's or the system refuses.
    """
    if target.exists() and not target.is_dir():
        raise BcsimError(f"{target} is a file; give a folder to write to")
    if target.is_dir() and any(target.iterdir()) and not (target / mark).exists() and not force:
        raise BcsimError(
            f"Folder {target} has files that bcsim did not write; give another, or --force to replace it"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    except OSError as error:
        raise BcsimError(f"Cannot write {target}: {error.strerror or error}") from error
    try:
        beside.chmod(0o755)
        yield beside
        _replace(beside, target)
    except OSError as error:
        raise BcsimError(f"Cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _replace(beside: Path, target: Path) -> None:
    if not target.exists():
        beside.rename(target)
        return
    old = Path(mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
    target.rename(old / target.name)
    try:
        beside.rename(target)
    except OSError:
        (old / target.name).rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
