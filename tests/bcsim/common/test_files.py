"""Files that are whole or absent."""

import errno
import os
import re
from pathlib import Path

import pytest

from bcsim.common.errors import BcsimError
from bcsim.common.files import atomic_write, check_folder, check_outputs, write_text


def test_whole_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "grün\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == "grün\n".encode()


def _write_half(path: Path, error: type[BaseException]) -> None:
    with atomic_write(path) as file:
        file.write(b"half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_failure_leaves_the_old_file_alone(tmp_path: Path, error: type[BaseException]) -> None:
    write_text(tmp_path / "a", "old")
    with pytest.raises(error):
        _write_half(tmp_path / "a", error)
    assert (tmp_path / "a").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with (
        pytest.raises(BcsimError, match=f"^Cannot write {re.escape(str(path))}: No space left on device$"),
        atomic_write(path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_full_device() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(BcsimError, match=r"^Cannot write /dev/full: No space left on device$"):
        write_text("/dev/full", "text")


def test_missing_folder(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a"
    with pytest.raises(BcsimError, match=f"^Cannot write {re.escape(str(path))}: No such file or directory$"):
        write_text(path, "text")
    message = f"Cannot write {path}: there is no folder {tmp_path / 'none'}"
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        check_outputs([path])


def test_folder_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(BcsimError, match=f"^Cannot write {re.escape(str(tmp_path))}: it is a folder$"):
        check_outputs([tmp_path])
    check_outputs([tmp_path / "new", None, "-", "-"])


def test_place_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A super-user may write anywhere: the system's answer is given."""
    monkeypatch.setattr(os, "access", lambda place, mode: place != tmp_path)
    for path in (tmp_path / "new", tmp_path / "x" / "y"):
        message = f"Cannot write {path}: there is no permission to write to {tmp_path}"
        with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
            check_folder(path)
    with pytest.raises(BcsimError, match=r"^Cannot write .*/new: there is no permission to write to "):
        check_outputs([tmp_path / "new"])
    check_outputs(["/dev/null"])


def test_place_where_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_folder(tmp_path / "a" / "b")
    check_folder(tmp_path)
    message = f"Cannot write to {tmp_path / 'file' / 'a'}: {tmp_path / 'file'} is no folder"
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        check_folder(tmp_path / "file" / "a")


def test_outputs_stand_apart_from_each_other_and_from_what_is_read(tmp_path: Path) -> None:
    read, link = tmp_path / "model.onnx", tmp_path / "link"
    read.write_text("")
    link.symlink_to(read)
    (tmp_path / "x").mkdir()
    check_outputs([tmp_path / "a", None, tmp_path / "b", "/dev/null", "/dev/null"], [read, None, "digits"])
    for outputs in (
        [tmp_path / "a", str(tmp_path / "." / "a")],
        [read],
        [link],
        [None, tmp_path / "x" / ".." / "a", tmp_path / "a"],
    ):
        with pytest.raises(
            BcsimError, match=r"^Cannot write .*: this command reads or writes another file there"
        ):
            check_outputs(outputs, [read])
