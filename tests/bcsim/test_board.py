"""`bcsim.interface.board`: what stays of a build that fails, and the machine that a board gives a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("amaranth_boards", reason="the extra [fpga] is not installed")

from bcsim.common.errors import BcsimError
from bcsim.interface.board import build, mapped
from bcsim.rtl.boards.catalogue import find_board
from bcsim.rtl.flow import build as flow
from tests.programs import random_program

PROGRAM = random_program(np.random.default_rng(4), largest=6)


def test_a_failed_build_leaves_its_logs_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(folder: Path, *_: Any, **__: Any) -> None:
        (folder / "place-1.log").write_text("Info: it is too large\n")
        raise BcsimError("Design does not fit")

    monkeypatch.setattr(flow, "build_board", fails)
    with pytest.raises(BcsimError, match=r"^Design does not fit$"):
        build(PROGRAM, tmp_path / "out", board="icebreaker")
    assert [path.name for path in tmp_path.iterdir()] == ["out.log"]
    assert (tmp_path / "out.log").read_text() == "==> place-1.log\nInfo: it is too large\n\n"
    assert capsys.readouterr().err == f"What the tools said is in {tmp_path / 'out.log'}\n"


def test_a_boards_machine_is_fitted_and_loads_nothing() -> None:
    machine = mapped(PROGRAM, None, find_board("icebreaker")).machine
    assert (machine.lanes, machine.pes, machine.digit, machine.requantisers) == (8, 8, 4, 2)
    assert not machine.loading
    assert not machine.counters
    assert machine.weight_words < 1024


def test_a_machine_that_streams_weights_is_refused_where_there_is_no_flash() -> None:
    message = (
        r"^On ulx3s-85f all weights are on the chip: .* that weights stream from: icebreaker, orangecrab$"
    )
    with pytest.raises(BcsimError, match=message):
        mapped(PROGRAM, "conv,weight_stream_bytes=8", find_board("ulx3s-85f"))


def test_a_machine_that_streams_weights_has_the_pace_of_the_boards_flash() -> None:
    text = "tiny,weight_words=1,weight_stream_bytes=4,activation_banks=2,weight_stream_latency=9"
    machine = mapped(PROGRAM, text, find_board("icebreaker")).machine
    assert (machine.weight_stream_interval, machine.weight_stream_latency) == (16, 0)
    assert machine.activation_words & (machine.activation_words - 1) == 0


def test_weights_that_the_flash_has_no_room_for_are_refused_before_the_tools_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = find_board("icebreaker")
    assert board.flash is not None
    small = replace(board, flash=replace(board.flash, room=16))
    mapping = mapped(PROGRAM, "tiny,weight_words=2,weight_stream_bytes=4", small)
    monkeypatch.setattr(flow, "_attempt", pytest.fail)
    with pytest.raises(
        BcsimError, match=r"^The weights take [0-9,]+ bytes; the flash of icebreaker has room for 16$"
    ):
        flow.build_board(tmp_path, mapping, small)


def test_a_proof_that_cannot_be_made_is_refused_before_the_build(tmp_path: Path) -> None:
    with pytest.raises(
        BcsimError,
        match=r"^The vendor's tool makes the netlist of arty-a7-35: --prove is for iCE40, ECP5 and Gowin boards$",
    ):
        build(PROGRAM, tmp_path / "out", board="arty-a7-35", prove=1)
    assert not any(tmp_path.iterdir())
