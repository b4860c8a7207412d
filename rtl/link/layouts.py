"""What the fields of the link's frames mean, for hardware and host: docs/host.md, "Frames"."""

from __future__ import annotations

from enum import IntFlag

__all__ = ["BLOCK", "GREETING_BYTES", "PROTOCOL", "RING", "Request", "Status", "greeting"]

PROTOCOL = 1
"""Version of the frames, the first byte of a greeting."""

RING = 256
"""Bytes of the buffer of what the host sends, and 16-bit words of that of results. One place stays empty."""

BLOCK = 32
"""An answer ends with a place that is a multiple of this at the latest: a long one would rarely pass a bad line."""

GREETING_BYTES = 10


class Request(IntFlag):
    """Bits of a host's frame's first byte."""

    RESTART = 1  # forget everything and answer with a greeting
    LAST = 2  # the payload's end is that of an image or of a bus access
    BUS = 4  # the payload is a bus access; the answer brings what was read, not results


class Status(IntFlag):
    """Bits of an answer's third byte."""

    RESTARTED = 1  # the payload is the greeting
    DAMAGED = 2  # a frame with a wrong checksum has come since the last restart
    BUS = 4  # the payload is what the last read of the bus gave
    REFUSED = 8  # the bus answered the last access with an error
    REGISTERS = 16  # this link reaches the registers


def greeting(input_bytes: int, fingerprint: int, checksum: int) -> bytes:
    """What a restarted link says: protocol, bytes of an input word, and the machine and program behind it."""
    return bytes([PROTOCOL, input_bytes]) + fingerprint.to_bytes(4, "little") + checksum.to_bytes(4, "little")
