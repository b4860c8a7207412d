"""OrangeCrab r0.2 with an ECP5-25F: no serial bridge, so two header pins. Clock, LED and flash from amaranth-boards.

Its bootloader writes the flash from 1 MiB on as its second alternate setting; it calls that place firmware.
"""

from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform

from bcsim.rtl.boards.board import Board, Flash, Pins, flash_pins

__all__ = ["BOARDS"]

PLATFORM = OrangeCrabR0_2_25FPlatform()
CLOCK = PLATFORM.lookup(PLATFORM.default_clk)
RX, TX = (PLATFORM._conn_pins[f"io_0:{pin}"] for pin in "01")
RED, GREEN, BLUE = (signal.ios[0].names[0] for signal in PLATFORM.lookup("rgb_led").ios)

BOARDS = (
    Board(
        name="orangecrab",
        title="OrangeCrab r0.2 (ECP5-25F)",
        family="ecp5",
        device="25k",
        package="CSFBGA285",
        luts=24288,
        memories=56,
        pins=Pins(
            clock=CLOCK.ios[0].names[0],
            rx=RX,
            tx=TX,
            leds={"running": GREEN, "error": RED, "done": BLUE},
            leds_low=True,
        ),
        oscillator_hz=CLOCK.clock.frequency,
        pll="EHXPLLL",
        clock_mhz=80,
        baud=1_000_000,
        machine="tiny",
        large_machine="tiny,lanes=16,pes=16,input_buffers=1,weight_words=1,weight_stream_bytes=4",
        program_with=("dfu-util", "--alt", "0", "-D", "{}"),
        flash=Flash(
            **flash_pins(PLATFORM, own_clock=False),
            begin=1 << 20,
            room=15 << 20,
            program_with=("dfu-util", "--alt", "1", "-D", "{}"),
        ),
        wiring="USB for power and DFU; a 3.3 V USB serial adapter with its TX at header pin 0 and its RX at pin 1",
    ),
)
