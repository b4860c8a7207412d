# amaranth: UnusedElaboratable=no
"""The boards: their pins, clocks and constraints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("amaranth_boards", reason="the extra [fpga] is not installed")

from bcsim.common.errors import BcsimError
from bcsim.interface.board import mapped
from bcsim.machine.parameters import parse_machine
from bcsim.rtl.accelerator import Accelerator
from bcsim.rtl.boards.board_top import BoardTop
from bcsim.rtl.boards.catalogue import BOARDS, find_board
from bcsim.rtl.boards.constraints import SUFFIXES, constraints
from bcsim.rtl.boards.pll import clock_settings
from bcsim.rtl.generate.verilog import to_verilog
from bcsim.rtl.link.divisor import baud_divisor
from bcsim.rtl.link.flash_reader import FlashReader
from bcsim.rtl.link.linked import LinkedAccelerator
from tests.programs import random_program

NAMES = list(BOARDS)
SMALL = "tiny,lanes=2,pes=2,requantisers=1,input_bytes=1"


@pytest.mark.parametrize("name", NAMES)
def test_a_boards_pins_are_all_different_and_all_constrained(name: str) -> None:
    board = find_board(name)
    pins = [board.pins.clock, board.pins.rx, board.pins.tx, *board.pins.leds.values()]
    assert len(set(pins)) == len(pins)
    text = constraints(board)
    assert board.family in SUFFIXES
    for pin in pins:
        assert f" {pin}\n" in text or f'"{pin}"' in text or f" {pin};" in text or f"PIN {pin} " in text
    assert {"running", "error"} <= set(board.pins.leds)


@pytest.mark.parametrize("name", NAMES)
def test_a_boards_own_clock_line_and_machine_go_together(name: str) -> None:
    board = find_board(name)
    clock = clock_settings(board, board.clock_mhz)
    assert 0.95 * board.clock_mhz * 1e6 <= clock.hz <= board.clock_mhz * 1e6
    assert baud_divisor(clock.hz, board.baud) >= 4
    for machine in filter(None, (board.machine, board.large_machine)):
        parse_machine(machine)
    assert board.program_with[-1] == "{}"


def test_settings_of_the_ice40s_pll_are_those_of_icepll() -> None:
    """`icepll -i 12 -o 30` and `icepll -i 12 -o 72`."""
    for name, mhz, divf, divq in (("icebreaker", 30, 79, 5), ("hx8k-evn", 72, 47, 3)):
        clock = clock_settings(find_board(name), mhz)
        assert clock.hz == mhz * 1e6
        found = {key: clock.parameters[key] for key in ("DIVR", "DIVF", "DIVQ", "FILTER_RANGE")}
        assert found == {"DIVR": 0, "DIVF": divf, "DIVQ": divq, "FILTER_RANGE": 1}


@pytest.mark.parametrize("mhz", [16.5, 24, 31.3, 36, 47.9, 100, 133])
@pytest.mark.parametrize(
    "name", ["icebreaker", "hx8k-evn", "ulx3s-85f", "orangecrab", "pynq-z2", "tangnano9k"]
)
def test_a_pll_is_never_faster_than_it_may_be_nor_out_of_its_range(name: str, mhz: float) -> None:
    board = find_board(name)
    clock = clock_settings(board, mhz)
    assert 0.9 * mhz * 1e6 <= clock.hz <= mhz * 1e6
    if board.family == "ecp5":
        divided, times, output = (clock.parameters[key] for key in ("CLKI_DIV", "CLKFB_DIV", "CLKOP_DIV"))
        assert clock.hz == board.oscillator_hz / divided * times
        assert 400e6 <= clock.hz * output <= 800e6
    elif board.family == "gowin":
        divided, times = clock.parameters["IDIV_SEL"] + 1, clock.parameters["FBDIV_SEL"] + 1
        assert clock.hz == board.oscillator_hz / divided * times
        assert 500e6 <= clock.hz * clock.parameters["ODIV_SEL"] <= 1200e6
    elif board.family == "7-series":
        times, divided = clock.parameters["CLKFBOUT_MULT_F"], clock.parameters["CLKOUT0_DIVIDE_F"]
        assert clock.hz == board.oscillator_hz * times / divided
        assert 600e6 <= board.oscillator_hz * times <= 1200e6
    else:
        divr, divf, divq = (clock.parameters[key] for key in ("DIVR", "DIVF", "DIVQ"))
        assert clock.hz == board.oscillator_hz / (divr + 1) * (divf + 1) / 2**divq
        assert 533e6 <= clock.hz * 2**divq <= 1066e6


@pytest.mark.parametrize(
    ("name", "mhz", "message"),
    [
        ("icebreaker", 400, r"^Board icebreaker has no clock of 400 MHz$"),
        ("icebreaker", 3, r"^Board icebreaker has no clock of 3 MHz$"),
    ],
)
def test_a_clock_that_a_board_cannot_have_is_refused(name: str, mhz: float, message: str) -> None:
    with pytest.raises(BcsimError, match=message):
        clock_settings(find_board(name), mhz)


def test_a_board_without_a_pll_has_its_oscillators_clock() -> None:
    board = replace(find_board("tangnano9k"), pll="")
    assert clock_settings(board, 28).hz == 27e6
    with pytest.raises(BcsimError, match=r"^Board tangnano9k has no clock of 54 MHz, only 27 MHz$"):
        clock_settings(board, 54)


def test_settings_of_gowins_pll_are_those_of_gowin_pll() -> None:
    """`gowin_pll -d GW1NR-LV9QN88PC6/I5 -i 27 -o 67.5`, and the same for GW2AR-LV18QN88C8/I7."""
    for name in ("tangnano9k", "tangnano20k"):
        clock = clock_settings(find_board(name), 67.5)
        assert clock.hz == 67.5e6
        assert clock.parameters == {"FCLKIN": "27", "IDIV_SEL": 1, "FBDIV_SEL": 4, "ODIV_SEL": 8}


def test_an_unknown_board_is_told_the_known_ones() -> None:
    with pytest.raises(
        BcsimError, match=r"^Unknown board 'icebraker'; the boards are icebreaker, hx8k-evn, "
    ):
        find_board("icebraker")


@pytest.mark.parametrize("name", ["icebreaker", "orangecrab", "tangnano9k", "pynq-z2"])
def test_the_top_has_the_boards_pins_and_its_pll(name: str) -> None:
    board = find_board(name)
    machine = parse_machine(SMALL)
    linked = LinkedAccelerator(Accelerator(machine), divisor=10)
    verilog = to_verilog(BoardTop(board, clock_settings(board, board.clock_mhz), linked), "top")
    assert {port.name for port in verilog.ports} == {
        *("clk", "rx", "tx"),
        *(f"led_{role}" for role in board.pins.leds),
    }
    assert (board.pll in verilog.text) == bool(board.pll) or not board.pll
    assert ("assign led_running = ~" in verilog.text) == board.pins.leds_low


def test_the_flashs_pins_are_constrained_where_weights_stream() -> None:
    board = find_board("icebreaker")
    found = dict(line.split()[1:] for line in constraints(board, flash=True).splitlines())
    assert {name: pin for name, pin in found.items() if name.startswith("flash")} == {
        "flash_select": "16",
        "flash_clock": "15",
        "flash_line_0": "14",
        "flash_line_1": "17",
        "flash_line_2": "12",
        "flash_line_3": "13",
    }
    assert "flash" not in constraints(board)


def test_an_orangecrabs_flash_has_its_clock_from_the_configurations_pin() -> None:
    board = find_board("orangecrab")
    pins = constraints(board, flash=True)
    for port, pin in (("flash_select", "U17"), ("flash_line_0", "U18"), ("flash_line_3", "N18")):
        assert f'COMP "{port}" SITE "{pin}"' in pins
    assert "flash_clock" not in pins
    program = random_program(np.random.default_rng(4), largest=6)
    mapping = mapped(program, f"{SMALL},weight_words=1,weight_stream_bytes=1", board)
    linked = LinkedAccelerator(Accelerator(mapping.machine, image=mapping.image), divisor=10)
    reader = FlashReader(size=1, words=8, begin=1 << 20, mark=1)
    top = BoardTop(board, clock_settings(board, board.clock_mhz), linked, reader)
    verilog = to_verilog(top, "top", lines=top.lines)
    assert {port.name for port in verilog.ports if port.name.startswith("flash")} == {
        "flash_select",
        *(f"flash_line_{index}" for index in range(4)),
    }
    assert verilog.text.count("\n  BB line_") == 4
    assert "USRMCLK flash_clock (" in verilog.text
