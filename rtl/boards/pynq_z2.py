"""PYNQ-Z2: Zynq 7020, logic alone. amaranth-boards lacks it; pins as in public constraint files for it. For Vivado.

Its USB serial line belongs to the processors, so that the logic needs an adapter at Pmod A.
"""

from bcsim.rtl.boards.board import Board, Pins

__all__ = ["BOARDS"]

BOARDS = (
    Board(
        name="pynq-z2",
        title="PYNQ-Z2 (Zynq 7020), project for Vivado",
        family="7-series",
        device="xc7z020clg400-1",
        package="clg400",
        luts=53200,
        memories=280,
        pins=Pins(clock="H16", rx="Y18", tx="Y19", leds={"running": "R14", "error": "P14", "done": "N16"}),
        oscillator_hz=125e6,
        pll="MMCME2_BASE",
        clock_mhz=100,
        baud=1_000_000,
        machine="tiny",
        large_machine="medium,requantisers=8",
        program_with=("openFPGALoader", "-b", "pynq_z2", "{}"),
        wiring="USB for power; a 3.3 V USB serial adapter with its TX at Pmod A pin 1 and its RX at pin 2",
    ),
)
