"""What lies between a flash reader and the flash's pins, by family."""

from __future__ import annotations

from amaranth.hdl import Const, Instance, IOPort, Value

from bcsim.rtl.link.flash_reader import FlashReader

__all__ = ["clock_pad", "line_pad"]


def line_pad(family: str, reader: FlashReader, index: int, pin: IOPort) -> Instance:
    """One of the four lines. Only line 0 is ever driven, while the reader says so."""
    drives = reader.drives if index == 0 else Const(0)
    command = reader.command if index == 0 else Const(0)
    if family == "ecp5":
        return Instance("BB", io_B=pin, i_I=command, i_T=~drives, o_O=reader.data[index])
    # PIN_INPUT without a register, and PIN_OUTPUT_TRISTATE (Lattice FPGA-TN-02026).
    return Instance(
        "SB_IO",
        p_PIN_TYPE=Const(0b101001, 6),
        io_PACKAGE_PIN=pin,
        i_OUTPUT_ENABLE=drives,
        i_D_OUT_0=command,
        o_D_IN_0=reader.data[index],
    )


def clock_pad(reader: FlashReader, reset: Value) -> Instance:
    """ECP5's way to the flash's clock, whose pin is the configuration's own (Lattice FPGA-TN-02039, USRMCLK).

    The pin floats during reset: its tri-state input must be a signal, as Lattice's tool ignores a constant.
    """
    return Instance("USRMCLK", i_USRMCLKI=reader.clock, i_USRMCLKTS=reset)
