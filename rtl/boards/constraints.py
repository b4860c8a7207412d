"""Pins and clock of a board as its tools want them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bcsim.rtl.boards.board import Board

__all__ = ["SUFFIXES", "constraint_pins", "constraints"]

SUFFIXES = {"ice40": ".pcf", "ecp5": ".lpf", "gowin": ".cst", "7-series": ".xdc"}


def constraints(board: Board, *, flash: bool = False) -> str:
    """The constraints file of the board's family, with the pins of its flash where weights stream from that."""
    pins = constraint_pins(board, flash=flash)
    if board.family == "ice40":
        return "".join(f"set_io {port} {pin}\n" for port, pin in pins)
    if board.family == "gowin":
        standard = f"IO_TYPE={board.io_standard}"
        return "".join(f'IO_LOC "{port}" {pin};\nIO_PORT "{port}" {standard};\n' for port, pin in pins)
    if board.family == "7-series":
        standard = f"IOSTANDARD {board.io_standard}"
        located = (
            f"set_property -dict {{PACKAGE_PIN {pin} {standard}}} [get_ports {port}]\n" for port, pin in pins
        )
        period = f"create_clock -period {1e9 / board.oscillator_hz:g} [get_ports clk]\n"
        return "".join(located) + period
    return _lattice_constraints(board, pins)


def _lattice_constraints(board: Board, pins: Iterable[tuple[str, str]]) -> str:
    located = "".join(
        f'LOCATE COMP "{port}" SITE "{pin}";\nIOBUF PORT "{port}" IO_TYPE={board.io_standard};\n'
        for port, pin in pins
    )
    return f'{located}FREQUENCY PORT "clk" {board.oscillator_hz / 1e6:g} MHZ;\n'


def constraint_pins(board: Board, *, flash: bool = False) -> Iterator[tuple[str, str]]:
    """Every port of a board's top module and its pin, those of its flash where weights stream from that."""
    yield from (("clk", board.pins.clock), ("rx", board.pins.rx), ("tx", board.pins.tx))
    yield from ((f"led_{role}", pin) for role, pin in board.pins.leds.items())
    if flash and board.flash:
        yield "flash_select", board.flash.select
        if board.flash.clock:
            yield "flash_clock", board.flash.clock
        yield from ((f"flash_line_{index}", pin) for index, pin in enumerate(board.flash.lines))
