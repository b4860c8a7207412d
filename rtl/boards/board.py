"""What the flow must know of a board, most of it read from amaranth-boards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.build import Resource

__all__ = ["Board", "Flash", "Pins", "flash_pins", "platform_pins"]


@dataclass(frozen=True, slots=True)
class Pins:
    """The package pins that a design of bcsim uses.

    rx, tx : as the FPGA sees them: it listens on rx.
    leds : the pin of `running`, `error` and `done`, as far as the board has LEDs.
    leds_low : whether an LED shines when its pin is low.
    """

    clock: str
    rx: str
    tx: str
    leds: Mapping[str, str]
    leds_low: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flash:
    """A flash memory of four data lines beside the FPGA, from which weights stream.

    select, clock, lines : the package pins, line 0 first; no clock on ECP5, where USRMCLK drives it (flash_pads.py).
    begin : where an image's weights lie, behind the bitstream. room : bytes from there on.
    program_with : the command that writes them; {} is the file, {begin} the address.
    """

    select: str
    clock: str
    lines: tuple[str, str, str, str]
    begin: int
    room: int
    program_with: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board that `bcsim build` knows.

    name, title : for the command line and for people.
    family : `ice40`, `ecp5` or `gowin`, whose tools are open, or `7-series`, whose project is the vendor's.
    device, package : as nextpnr or the vendor's tool names them.
    luts, memories : of the part: LUTs and block memories.
    oscillator_hz : of the clock at pins.clock.
    pll : Instance type that multiplies it, by family (see pll.py); empty where the oscillator is the clock.
    clock_mhz : what a build aims at; it goes lower by itself where a design is slower.
    baud : of the serial line.
    machine, large_machine : what a network of fewer or more weights than SMALL_NETWORK is given.
    program_with : the command that loads a bitstream; {} is the file.
    wiring : how the board is connected to the host, in a sentence.
    single_port_memories : of the part, SB_SPRAM256KA (rtl/flow/single_port.py).
    flash : None where the flow cannot stream weights from one.
    """

    name: str
    title: str
    family: str
    device: str
    package: str
    luts: int
    memories: int
    pins: Pins
    oscillator_hz: float
    pll: str
    clock_mhz: float
    baud: int
    machine: str
    large_machine: str = ""
    program_with: tuple[str, ...]
    wiring: str
    io_standard: str = "LVCMOS33"
    single_port_memories: int = 0
    flash: Flash | None = None


def platform_pins(platform: Any, leds: Mapping[str, tuple[str, int]]) -> tuple[Pins, float]:
    """The pins of an amaranth-boards platform with a serial line, and its oscillator in hertz.

    leds : the resource of each of our LEDs, as name and number.
    """
    clock = platform.lookup(platform.default_clk)
    uart = {signal.name: signal.ios[0] for signal in platform.lookup("uart").ios}
    lights = {role: platform.lookup(*resource) for role, resource in leds.items()}
    pins = Pins(
        clock=_pin(clock),
        rx=uart["rx"].names[0],
        tx=uart["tx"].names[0],
        leds={role: _pin(light) for role, light in lights.items()},
        leds_low=any(light.ios[0].invert for light in lights.values()),
    )
    return pins, float(clock.clock.frequency)


def flash_pins(platform: Any, *, own_clock: bool = True) -> dict[str, Any]:
    """The pins of an amaranth-boards platform's flash, as Flash has them.

    own_clock : whether the clock's pin is one that a design has like any other.
    """
    pins = {signal.name: signal.ios[0].names for signal in platform.lookup("spi_flash_4x").ios}
    return {
        "select": pins["cs"][0],
        "clock": pins["clk"][0] if own_clock else "",
        "lines": tuple(pins["dq"]),
    }


def _pin(resource: Resource) -> str:
    name: str = resource.ios[0].names[0]
    return name
