"""What killed runs leave is swept; what living runs hold is not."""

import os
import time
from pathlib import Path

import pytest

from bcsim.common import leftovers
from bcsim.common.files import atomic_write, write_text
from bcsim.common.leftovers import scratch_folder

LONG_AGO = time.time() - 3600


def aged(path: Path) -> Path:
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def test_half_written_files_of_killed_runs_go(tmp_path: Path) -> None:
    (tmp_path / ".out.123.partial").write_text("half")
    (tmp_path / ".out.124.partial").write_text("new")
    (tmp_path / ".outer.125.partial").write_text("another's")
    aged(tmp_path / ".out.123.partial")
    aged(tmp_path / ".outer.125.partial")
    write_text(tmp_path / "out", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".out.124.partial",
        ".outer.125.partial",
        "out",
    ]


def test_files_being_written_stay(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "out") as file:
        file.write(b"slow")
        aged(next(tmp_path.iterdir()))
        leftovers.sweep(tmp_path, ".out.", ".partial")
    assert (tmp_path / "out").read_bytes() == b"slow"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("years")
    (tmp_path / ".out.1.partial").symlink_to("thesis")
    leftovers.sweep(tmp_path, ".out.", ".partial")
    assert (tmp_path / "thesis").exists()


def test_scratch_folders_of_killed_runs_go_and_those_in_use_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "gettempdir", lambda: str(tmp_path))
    killed = tmp_path / "bcsim-scratch-killed"
    killed.mkdir()
    (killed / "design.v").write_text("")
    aged(killed)
    with scratch_folder() as first:
        aged(first)
        with scratch_folder() as second:
            assert sorted(tmp_path.iterdir()) == sorted([first, second])
        assert list(tmp_path.iterdir()) == [first]
    assert list(tmp_path.iterdir()) == []
