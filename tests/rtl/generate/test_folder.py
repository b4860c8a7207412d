"""Output folders are whole or absent; in them bcsim replaces what it wrote and nothing else."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bcsim.common.errors import BcsimError
from bcsim.rtl.generate.folder import MANIFEST, new_folder


def fill(target: Path, text: str, *, force: bool = False) -> None:
    with new_folder(target, force=force) as folder:
        (folder / "design.v").write_text(text)


def refuses(message: str, target: Path) -> None:
    before = sorted((path, path.read_bytes()) for path in target.rglob("*") if path.is_file())
    with pytest.raises(BcsimError, match=f"^{re.escape(message)}$"):
        fill(target, "new")
    assert before == sorted((path, path.read_bytes()) for path in target.rglob("*") if path.is_file())


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_folder_appears_whole_with_the_folders_above_it(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "out", "new")
    assert names(tmp_path) == ["a", "a/out", "a/out/design.v", f"a/out/{MANIFEST}"]
    assert (tmp_path / "a" / "out" / "design.v").read_text() == "new"


def test_an_error_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        fill(tmp_path / "out", None)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_what_bcsim_wrote_is_replaced_and_the_users_files_stay(tmp_path: Path) -> None:
    target = tmp_path / "out"
    fill(target, "old")
    (target / "board").mkdir()
    (target / "board" / "pins.xdc").write_text("constraints")
    (target / "link").symlink_to("/nowhere")
    for left in ("build/verilator/Vtop", "__pycache__/x.pyc", "simulation.log"):
        (target / left).parent.mkdir(parents=True, exist_ok=True)
        (target / left).write_text("over")
    fill(target, "new")
    assert names(target) == ["board", "board/pins.xdc", "design.v", "link", MANIFEST]
    assert (target / "board" / "pins.xdc").read_text() == "constraints"
    assert (target / "link").is_symlink()
    assert (target / "design.v").read_text() == "new"
    assert names(tmp_path) == ["out", *(f"out/{name}" for name in names(target))]


def test_a_file_that_was_changed_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "out"
    fill(target, "old")
    (target / "design.v").write_text("old and mine")
    refuses(
        f"File {target / 'design.v'} was changed since bcsim wrote it; keep it elsewhere, or give --force to lose "
        "what was changed",
        target,
    )
    fill(target, "new", force=True)
    assert (target / "design.v").read_text() == "new"


def test_a_users_file_in_the_way_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "out"
    fill(target, "old")
    manifest = json.loads((target / MANIFEST).read_text())
    del manifest["sha256"]["design.v"]
    (target / MANIFEST).write_text(json.dumps(manifest))
    refuses(f"File {target / 'design.v'} is not bcsim's, which would write one of that name; move it", target)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", "new")
    assert (tmp_path / "out" / "design.v").exists()


@pytest.mark.parametrize("manifest", [None, "{}", '{"sha256": [1]}', "[" * 10_000, '{"sha256": null}'])
def test_anothers_folder_is_refused_and_kept(manifest: str | None, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "thesis.tex").write_text("years")
    (target / "machine.json").write_text("{}")
    if manifest is not None:
        (target / MANIFEST).write_text(manifest)
    refuses(
        f"Folder {target} has files that bcsim did not write; give another, or --force to replace it", target
    )
    fill(target, "new", force=True)
    assert names(target) == ["design.v", MANIFEST]


def test_a_file_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("")
    with pytest.raises(BcsimError, match=f"^{re.escape(str(target))} is a file; give a folder to write to$"):
        fill(target, "new")


@pytest.mark.parametrize("place", ["home", "home/work", "."])
def test_home_and_the_working_folder_are_never_replaced(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home" / "work")
    target = Path(".") if place == "." else tmp_path / place
    with pytest.raises(BcsimError, match=r"which nothing may replace; give another folder$"):
        fill(target, "new", force=True)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "out"
    with pytest.raises(BcsimError, match=f"^Cannot write {re.escape(str(target))}: "):
        fill(target, "new")


KILLED = """
import os, signal, sys
from pathlib import Path
from bcsim.rtl.generate import folder
def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "swap":
    rename = Path.rename
    Path.rename = lambda self, to: killed() if self.suffix == ".partial" else rename(self, to)
with folder.new_folder(Path(sys.argv[1])) as made:
    (made / "design.v").write_text("half")
    if sys.argv[2] == "early":
        killed()
"""


@pytest.mark.parametrize("moment", ["early", "swap"])
def test_what_a_killed_run_left_is_undone_by_the_next(moment: str, tmp_path: Path) -> None:
    target = tmp_path / "out"
    fill(target, "old")
    (target / "mine").write_text("kept")
    found = subprocess.run([sys.executable, "-c", KILLED, str(target), moment], check=False)
    assert found.returncode == -9
    assert [path.name for path in tmp_path.iterdir()] != ["out"]
    long_ago = time.time() - 3600
    for path in tmp_path.iterdir():
        os.utime(path, (long_ago, long_ago))
    fill(target, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (target / "mine").read_text() == "kept"
    assert (target / "design.v").read_text() == "new"
