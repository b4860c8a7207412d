"""iCEBreaker: iCE40 UP5K, FT2232H. Pins from amaranth-boards."""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from bcsim.rtl.boards.board import Board, Flash, flash_pins, platform_pins

__all__ = ["BOARDS"]

PINS, OSCILLATOR = platform_pins(ICEBreakerPlatform(), {"running": ("led", 1), "error": ("led", 0)})
BOARDS = (
    Board(
        name="icebreaker",
        title="iCEBreaker (iCE40 UP5K)",
        family="ice40",
        device="up5k",
        package="sg48",
        luts=5280,
        memories=30,
        pins=PINS,
        oscillator_hz=OSCILLATOR,
        pll="SB_PLL40_PAD",
        clock_mhz=33,
        baud=1_000_000,
        machine="tiny,requantisers=2",
        large_machine="tiny,requantisers=1,input_buffers=1,activation_banks=2,weight_words=1,weight_stream_bytes=4",
        program_with=("iceprog", "{}"),
        single_port_memories=4,
        flash=Flash(
            **flash_pins(ICEBreakerPlatform()),
            begin=1 << 20,
            room=15 << 20,
            program_with=("iceprog", "-o", "{begin}", "{}"),
        ),
        wiring="one USB cable: its FT2232H programs the flash and, as the second port, is the serial line",
    ),
)
