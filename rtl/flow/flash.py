"""Weights beside the bitstream: what a board's flash must hold, and the reader that streams it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.machine.parameters import Machine
from bcsim.rtl.boards.board import Board, Flash
from bcsim.rtl.boards.catalogue import BOARDS
from bcsim.rtl.generate.vectors import weight_words
from bcsim.rtl.link.flash_reader import FlashReader, flash_contents, flash_mark, release_pause, word_cycles

__all__ = ["WEIGHTS", "flash_command", "flash_reader", "streams", "with_flash", "write_weights"]

WEIGHTS = "weights.bin"
"""The flash's contents, from its Flash.begin on."""


def streams(mapping: Mapping) -> bool:
    """Whether any layer's weights come from outside."""
    return bool(mapping.slots)


def flash_reader(mapping: Mapping, board: Board, hz: float) -> FlashReader | None:
    """The reader of a mapped program's weights at a clock; None where none stream."""
    if not streams(mapping):
        return None
    size, packet = mapping.machine.weight_stream_bytes, _packet(mapping)
    begin = _flash(board).begin
    return FlashReader(
        size=size,
        words=len(packet) // size,
        begin=begin,
        mark=flash_mark(packet, size),
        pause=release_pause(hz),
    )


def write_weights(folder: Path, mapping: Mapping, board: Board) -> int:
    """Leave WEIGHTS in the folder; returns its bytes. Raises BcsimError where the flash has less room."""
    flash, contents = _flash(board), flash_contents(_packet(mapping), mapping.machine.weight_stream_bytes)
    if len(contents) > flash.room:
        raise BcsimError(
            f"The weights take {len(contents):,} bytes; the flash of {board.name} has room for {flash.room:,}"
        )
    (folder / WEIGHTS).write_bytes(contents)
    return len(contents)


def with_flash(machine: Machine, board: Board) -> Machine:
    """The machine with a weight stream as its board's flash delivers it. Raises BcsimError where there is none."""
    if board.flash is None:
        able = ", ".join(other.name for other in BOARDS.values() if other.flash)
        raise BcsimError(
            f"On {board.name} all weights are on the chip: a machine for bcsim build streams none there; "
            f"boards with a flash that weights stream from: {able}"
        )
    interval = word_cycles(machine.weight_stream_bytes)
    return replace(machine, weight_stream_interval=interval, weight_stream_latency=0)


def flash_command(board: Board) -> list[str]:
    """What writes WEIGHTS into the flash, run in the folder."""
    flash = _flash(board)
    return [word.format(WEIGHTS, begin=flash.begin) for word in flash.program_with]


def _packet(mapping: Mapping) -> bytes:
    return weight_words(mapping)[0].tobytes()


def _flash(board: Board) -> Flash:
    if board.flash is None:
        raise BcsimError(f"Board {board.name} has no flash memory that weights can stream from")
    return board.flash
