"""The host's programs against a simulated board, through a pseudo-terminal and pyserial."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import bcsim
from bcsim.cli import app
from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import map_program
from bcsim.data import load_dataset
from bcsim.execution.execute import execute
from bcsim.execution.raw_levels import program_input
from bcsim.host.board import Board, open_port
from bcsim.host.packing import pack_images
from bcsim.machine.parameters import parse_machine
from bcsim.rtl.bus.program_image import load_writes, program_checksum
from bcsim.rtl.common.register_map import IDENTIFICATION, Register
from bcsim.rtl.generate import simulated_board
from bcsim.rtl.generate.project import Stimulus, write_project
from bcsim.rtl.link.layouts import Request

pytestmark = pytest.mark.rtl

BAUD = 1_000_000


@pytest.fixture(scope="module")
def design():
    """The digits on a small machine, and six images of them."""
    program = bcsim.compile(bcsim.load("digits"))
    q = program_input(program, load_dataset("digits", "test", 6))
    return map_program(program, parse_machine("tiny,input_bytes=4")), q


@pytest.fixture(autouse=True)
def built_once(design, tmp_path_factory, monkeypatch):
    """One build for all tests here."""
    build, folder = simulated_board._build, tmp_path_factory.getbasetemp() / "board"

    def cached(_, mapping, registers):
        if not folder.exists():
            folder.mkdir()
            build(folder, mapping, registers)
        return folder / "build" / "board"

    monkeypatch.setattr(simulated_board, "_build", cached)


@pytest.fixture
def board(design):
    mapping, _ = design
    with (
        simulated_board.simulated_board(mapping) as name,
        Board(open_port(name, BAUD), baud=BAUD, timeout=5) as found,
    ):
        yield found


def test_a_board_classifies_and_counts(board, design):
    mapping, q = design
    board.require(mapping.machine.fingerprint, program_checksum(mapping.machine, mapping.image))
    results, expected = (
        board.infer(pack_images(mapping, q), mapping.program.classes),
        execute(mapping.program, q),
    )
    assert (results.scores == expected.scores).all()
    assert (results.classes == expected.classes).all()
    assert board.read(Register.IDENTIFICATION) == IDENTIFICATION
    assert board.read(Register.IMAGES) == len(q)
    assert board.cycles() > board.read(Register.STEPS) > 0
    with pytest.raises(BcsimError, match=r"^The board refused an access of register 0x7000$"):
        board.read(0x7000)


def test_a_program_is_loaded_over_the_link_and_a_damaged_one_refused(board, design):
    mapping, q = design
    writes = list(load_writes(mapping.machine, mapping.image))
    at = next(i for i, (address, _) in enumerate(writes) if address == Register.DATA)
    damaged = [*writes[:at], (Register.DATA, writes[at][1] ^ 1), *writes[at + 1 :]]
    with pytest.raises(BcsimError, match=r"^The accelerator did not start the program: .*CHECKSUM$"):
        board.load(damaged)
    board.write(Register.ERRORS, 0xFF)
    board.load(writes)
    results = board.infer(pack_images(mapping, q[:2]), mapping.program.classes)
    assert (results.scores == execute(mapping.program, q[:2]).scores).all()


def test_a_host_that_stopped_in_an_image_does_no_harm(design):
    mapping, q = design
    packed = pack_images(mapping, q)
    with simulated_board.simulated_board(mapping) as name:
        with Board(open_port(name, BAUD), baud=BAUD, timeout=5) as first:
            first._session.send(packed[0].tobytes()[:40], Request(0))
            first._until(lambda: first._session.unsent == 0)
        with Board(open_port(name, BAUD), baud=BAUD, timeout=5) as second:
            results = second.infer(packed[:2], mapping.program.classes)
    assert (results.scores == execute(mapping.program, q[:2]).scores).all()


def test_infer_on_a_simulated_board(design, tmp_path: Path):
    mapping, q = design
    write_project(tmp_path, mapping, Stimulus("digits", q[:1].astype(np.uint8)))
    bcsim.save(mapping.program, tmp_path / "program.onnx")
    command = ["infer", str(tmp_path), "--port", "sim", "--images", "4", "--data", "digits"]
    found = CliRunner().invoke(app, [*command, "--json", "-"])
    assert found.exit_code == 0, found.output
    result = json.loads(found.stdout)
    assert (result["images"], result["equal"], result["resent"]) == (4, 4, 0)
    assert result["cycles"] > 0
    assert "all scores and classes of 4 images equal the program's" in CliRunner().invoke(app, command).stdout


def test_program_names_the_tool_that_is_missing(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "board.json").write_text('{"program_with": ["iceprog", "digits.bin"]}')
    found = CliRunner().invoke(app, ["program", str(tmp_path)])
    assert found.exit_code == 2
    assert "iceprog loads this board and is not on the PATH" in found.stderr
    (tmp_path / "iceprog").write_text('#!/bin/sh\necho "$@" > loaded\n')
    (tmp_path / "iceprog").chmod(0o755)
    assert CliRunner().invoke(app, ["program", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "loaded").read_text() == "digits.bin\n"
    flash = '"flash": {"program_with": ["iceprog", "-o", "1048576", "weights.bin"]}'
    (tmp_path / "board.json").write_text(f'{{"program_with": ["iceprog", "digits.bin"], {flash}}}')
    shown = CliRunner().invoke(app, ["program", str(tmp_path), "--show"]).stdout
    assert shown == "iceprog -o 1048576 weights.bin\niceprog digits.bin\n"
    (tmp_path / "iceprog").write_text('#!/bin/sh\necho "$@" >> loaded\n')
    assert CliRunner().invoke(app, ["program", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "loaded").read_text() == "digits.bin\n-o 1048576 weights.bin\ndigits.bin\n"
    (tmp_path / "board.json").write_text('{"program_with": ["rm", "-r", "x"]}')
    assert (
        "must begin with iceprog, openFPGALoader, ecpdap, dfu-util, not 'rm'"
        in CliRunner().invoke(app, ["program", str(tmp_path)]).stderr
    )
