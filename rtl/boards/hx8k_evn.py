"""iCE40-HX8K breakout board: FT2232H. Pins from amaranth-boards."""

from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from bcsim.rtl.boards.board import Board, platform_pins

__all__ = ["BOARDS"]

PINS, OSCILLATOR = platform_pins(
    ICE40HX8KBEVNPlatform(), {"running": ("led", 0), "error": ("led", 1), "done": ("led", 2)}
)
BOARDS = (
    Board(
        name="hx8k-evn",
        title="iCE40-HX8K breakout",
        family="ice40",
        device="hx8k",
        package="ct256",
        luts=7680,
        memories=32,
        pins=PINS,
        oscillator_hz=OSCILLATOR,
        pll="SB_PLL40_CORE",
        clock_mhz=81,
        baud=1_000_000,
        machine="tiny,requantisers=2",
        program_with=("iceprog", "{}"),
        wiring="one USB cable: its FT2232H programs the flash and, as the second port, is the serial line",
    ),
)
