"""Every board's page: its pins, its wiring and its commands are the catalogue's."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("amaranth_boards", reason="the extra [fpga] is not installed")

from bcsim.rtl.boards.board import Board
from bcsim.rtl.boards.catalogue import BOARDS
from bcsim.rtl.boards.constraints import constraint_pins

FOLDER = Path(__file__).parents[3] / "docs" / "boards"
SERIES = ("ulx3s", "arty-a7")
"""Pages of boards in several sizes."""


def page(board: Board) -> str:
    name = next((series for series in SERIES if board.name.startswith(series)), board.name)
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(BOARDS))
def test_a_page_has_the_boards_pins_and_its_wiring(name: str) -> None:
    board = BOARDS[name]
    text = page(board)
    rows = [
        tuple(cell.strip(" `") for cell in row.split("|")[1:3]) for row in text.splitlines() if "|" in row
    ]
    assert set(constraint_pins(board, flash=True)) <= set(rows)
    assert board.wiring[1:] in " ".join(text.split())
    assert f"{board.oscillator_hz / 1e6:g} MHz" in text
    assert f"{board.baud:,} baud" in text
    assert f"rx, pin {board.pins.rx} " in text
    assert f"tx, pin {board.pins.tx} " in text


def test_every_page_is_a_boards() -> None:
    names = {next((s for s in SERIES if name.startswith(s)), name) for name in BOARDS}
    assert {path.stem for path in FOLDER.glob("*.md")} == names
