"""Tang Nano 20K: Gowin GW2AR-18, BL616 bridge. amaranth-boards lacks it; pins as in public constraint files for it."""

from bcsim.rtl.boards.board import Board, Pins

__all__ = ["BOARDS"]

BOARDS = (
    Board(
        name="tangnano20k",
        title="Tang Nano 20K (Gowin GW2AR-18)",
        family="gowin",
        device="GW2AR-LV18QN88C8/I7",
        package="GW2A-18C",
        luts=20736,
        memories=46,
        pins=Pins(
            clock="4",
            rx="70",
            tx="69",
            leds={"running": "15", "error": "16", "done": "17"},
            leds_low=True,
        ),
        oscillator_hz=27e6,
        pll="rPLL",
        clock_mhz=67.5,
        baud=115_200,
        machine="tiny",
        program_with=("openFPGALoader", "-b", "tangnano20k", "{}"),
        wiring="one USB cable: its BL616 programs the FPGA and is the serial line",
    ),
)
