"""ULX3S with four sizes of ECP5: FT231X. Pins from amaranth-boards."""

from amaranth_boards.ulx3s import ULX3S_85F_Platform

from bcsim.rtl.boards.board import Board, platform_pins

__all__ = ["BOARDS"]

PINS, OSCILLATOR = platform_pins(
    ULX3S_85F_Platform(), {"running": ("led", 0), "error": ("led", 1), "done": ("led", 2)}
)
SIZES = {
    "12f": ("12k", 24288, 56),
    "25f": ("25k", 24288, 56),
    "45f": ("45k", 43848, 108),
    "85f": ("85k", 83640, 208),
}
"""nextpnr's name, LUTs and block memories. The 12F is a 25F's die with another identification."""

BOARDS = tuple(
    Board(
        name=f"ulx3s-{size}",
        title=f"ULX3S {size.upper()} (ECP5)",
        family="ecp5",
        device=device,
        package="CABGA381",
        luts=luts,
        memories=memories,
        pins=PINS,
        oscillator_hz=OSCILLATOR,
        pll="EHXPLLL",
        clock_mhz=80,
        baud=1_000_000,
        machine="tiny",
        large_machine="medium,requantisers=8,pipeline_registers=2",
        program_with=("openFPGALoader", "-b", "ulx3s", "{}"),
        wiring="one USB cable at US1: its FT231X programs the FPGA and is the serial line",
    )
    for size, (device, luts, memories) in SIZES.items()
)
