"""All boards, by name."""

from __future__ import annotations

from collections.abc import Mapping

from bcsim.common.errors import BcsimError
from bcsim.rtl.boards import (
    arty_a7,
    hx8k_evn,
    icebreaker,
    orangecrab,
    pynq_z2,
    tang_nano_9k,
    tang_nano_20k,
    ulx3s,
)
from bcsim.rtl.boards.board import Board

__all__ = ["BOARDS", "find_board"]

FILES = (icebreaker, hx8k_evn, ulx3s, orangecrab, tang_nano_9k, tang_nano_20k, arty_a7, pynq_z2)

BOARDS: Mapping[str, Board] = {board.name: board for file in FILES for board in file.BOARDS}


def find_board(name: str) -> Board:
    """The board of a name. Raises BcsimError with all names for any other."""
    if name not in BOARDS:
        raise BcsimError(f"Unknown board {name!r}; the boards are {', '.join(BOARDS)} (bcsim boards)")
    return BOARDS[name]
