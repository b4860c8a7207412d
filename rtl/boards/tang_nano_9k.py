"""Tang Nano 9K: Gowin GW1NR-9, BL702 bridge. Pins from amaranth-boards."""

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from bcsim.rtl.boards.board import Board, platform_pins

__all__ = ["BOARDS"]

PINS, OSCILLATOR = platform_pins(
    TangNano9kPlatform(), {"running": ("led", 0), "error": ("led", 1), "done": ("led", 2)}
)
BOARDS = (
    Board(
        name="tangnano9k",
        title="Tang Nano 9K (Gowin GW1NR-9)",
        family="gowin",
        device="GW1NR-LV9QN88PC6/I5",
        package="GW1N-9C",
        luts=8640,
        memories=26,
        pins=PINS,
        oscillator_hz=OSCILLATOR,
        pll="rPLL",
        clock_mhz=67.5,
        baud=115_200,
        machine="tiny,requantisers=2",
        program_with=("openFPGALoader", "-b", "tangnano9k", "{}"),
        wiring="one USB cable: its BL702 programs the FPGA and is the serial line",
    ),
)
