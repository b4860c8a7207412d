"""The registers of the AXI4-Lite bus: addresses, flags and numbers, for hardware, drivers and benches."""

from __future__ import annotations

from enum import IntEnum, IntFlag

from bcsim.machine.parameters import Machine

__all__ = [
    "ADDRESS_BITS",
    "IDENTIFICATION",
    "PARAMETERS",
    "VERSION",
    "Control",
    "Error",
    "ProgramMemory",
    "Register",
    "Status",
    "parameter_address",
    "parameter_value",
]

ADDRESS_BITS = 16
"""Width of the bus's byte addresses."""

IDENTIFICATION = int.from_bytes(b"BCSM", "big")

VERSION = 2
"""Of this register map."""


class Register(IntEnum):
    """Byte addresses of the 32-bit registers."""

    IDENTIFICATION = 0x00  # reads 0x4243534D, "BCSM"
    VERSION = 0x04  # of the register map
    FINGERPRINT = 0x08  # Machine.fingerprint
    CONTROL = 0x0C  # Control flags
    STATUS = 0x10  # Status flags, read only
    ERRORS = 0x14  # Error flags, sticky; writing ones clears them
    INTERRUPT = 0x18  # bit 0: an image's class was sent; writing 1 clears it
    IMAGES = 0x1C  # images sent since the start
    CYCLES = 0x20  # from the first input word accepted to the latest class accepted, both included; low half
    CYCLES_HIGH = 0x24  # high half; read it, CYCLES, and it again
    STEPS = 0x28  # cycles in which the array took a step, modulo 2**32
    STALL_INPUT = 0x2C  # cycles in which it waited for an image, also behind the last one
    STALL_OUTPUT = 0x30  # ... for room for scores
    STALL_DRAIN = 0x34  # ... for the requantisers
    STALL_WEIGHTS = 0x38  # ... for a streamed tile; only where weights can stream
    MEMORY = 0x40  # which ProgramMemory DATA goes to
    ADDRESS = 0x44  # which word; starts with its least significant 32 bits
    DATA = 0x48  # writes the next 32 bits of the word, then of the words behind it
    CHECKSUM = (
        0x4C  # of the words written to the three above since the stop; a load runs only behind the right one
    )
    WATCHDOG = 0x50  # 4096-cycle units that an image may take, waits for the host aside; 0 waits for ever


class Control(IntFlag):
    """Bits of CONTROL."""

    RUN = 1  # out of reset; cleared by the hardware where a program may not start, or takes too long
    RESET = 2  # start over; reads 0
    INTERRUPT = 4  # let `interrupt` rise


class Status(IntFlag):
    """Bits of STATUS."""

    RUNNING = 1
    LOADED = 2  # an image waits in the activation memory or is being read
    OUTPUT_FREE = 4  # no scores are being computed or sent


class Error(IntFlag):
    """Bits of ERRORS."""

    IMAGE_LENGTH = 1  # an image was too short or too long and was dropped
    FINGERPRINT = 2  # the program is for another machine: not started
    BUS_ADDRESS = 4  # no such register, or a write of less than 32 bits
    PROGRAM_SIZE = 8  # DATA beyond the end of a memory, or to a memory that does not exist
    PROGRAM_BUSY = 16  # DATA while running
    WEIGHT_LENGTH = 32  # an image's packet of weights was too short or too long: waits for a start over
    CHECKSUM = 64  # what was loaded is not what CHECKSUM says: not started
    WATCHDOG = 128  # an image took longer than WATCHDOG allows: stopped
    PARITY = 256  # a word of the program changed in its memory: do not trust results, load it again


class ProgramMemory(IntEnum):
    """Numbers for MEMORY; the parameter memory of requantiser r is PARAMETERS + r.

    Where weights can stream, the weight loader's records are PARAMETERS + machine.requantisers.
    """

    STREAM = 0
    ISSUE = 1
    DRAIN = 2
    WEIGHTS = 3
    PARAMETERS = 4


PARAMETERS = (
    "lanes",
    "pes",
    "digit",
    "activation_bits",
    "accumulator_bits",
    "fraction_bits",
    "requantisers",
    "activation_words",
    "weight_words",
    "parameter_words",
    "layers",
    "input_buffers",
    "input_bytes",
    "outputs",
    "shift_planes",
    "spatial",
    "weight_stream_bytes",
)
"""The machine's parameters, readable at 0x80 and up; the last only where it is not 0."""


def parameter_address(index: int) -> int:
    """The byte address of PARAMETERS[index]."""
    return 0x80 + 4 * index


def parameter_value(machine: Machine, index: int) -> int:
    """What it reads."""
    return int(getattr(machine, PARAMETERS[index]))
