"""Output folders are whole or absent, and never another's."""

import re
from pathlib import Path

import pytest

from bcsim.common.errors import BcsimError
from bcsim.rtl.generate.folder import new_folder


def fill(target: Path, text: str, *, force: bool = False) -> None:
    with new_folder(target, mark="mark", force=force) as folder:
        (folder / "mark").write_text(text)


def test_a_folder_appears_whole_with_the_folders_above_it(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "out", "new")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]
    assert (tmp_path / "a" / "out" / "mark").read_text() == "new"


def test_an_error_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        fill(tmp_path / "out", None)
    assert list(tmp_path.iterdir()) == []


def test_ones_own_folder_is_replaced(tmp_path: Path) -> None:
    fill(tmp_path / "out", "old")
    (tmp_path / "out" / "left").write_text("over")
    fill(tmp_path / "out", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mark"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", "new")
    assert (tmp_path / "out" / "mark").exists()


def test_anothers_folder_is_refused_and_kept(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "thesis.tex").write_text("years")
    message = f"Folder {target} has files that bcsim did not write; give another, or --force to replace it"
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        fill(target, "new")
    assert (target / "thesis.tex").read_text() == "years"
    fill(target, "new", force=True)
    assert [path.name for path in target.iterdir()] == ["mark"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("")
    with pytest.raises(BcsimError, match=f"^{re.escape(str(target))} is a file; give a folder to write to$"):
        fill(target, "new")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "out"
    with pytest.raises(BcsimError, match=f"^Cannot write {re.escape(str(target))}: "):
        fill(target, "new")
