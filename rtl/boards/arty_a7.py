"""Arty A7 with an Artix-7 of two sizes: FT2232H. Pins from amaranth-boards; its project is for Vivado."""

from amaranth_boards.arty_a7 import ArtyA7_35Platform

from bcsim.rtl.boards.board import Board, platform_pins

__all__ = ["BOARDS"]

PINS, OSCILLATOR = platform_pins(
    ArtyA7_35Platform(), {"running": ("led", 0), "error": ("led", 1), "done": ("led", 2)}
)
SIZES = {"35": (20800, 100), "100": (63400, 270)}
"""LUTs, and block memories of 18 Kbit."""

BOARDS = tuple(
    Board(
        name=f"arty-a7-{size}",
        title=f"Arty A7-{size}T (Artix-7), project for Vivado",
        family="7-series",
        device=f"xc7a{size}ticsg324-1L",
        package="csg324",
        luts=luts,
        memories=memories,
        pins=PINS,
        oscillator_hz=OSCILLATOR,
        pll="MMCME2_BASE",
        clock_mhz=100,
        baud=1_000_000,
        machine="tiny",
        large_machine="medium,requantisers=8" if size == "100" else "",
        program_with=("openFPGALoader", "-b", "arty_a7_35t" if size == "35" else "arty_a7_100t", "{}"),
        wiring="one USB cable: its FT2232H programs the FPGA and is the serial line",
    )
    for size, (luts, memories) in SIZES.items()
)
