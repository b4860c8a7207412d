"""Frames as bytes: HDLC-like framing as of RFC 1662, with no address or control field."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["ESCAPE", "FLAG", "Deframer", "check_sequence", "frame"]

FLAG, ESCAPE, FLIP = 0x7E, 0x7D, 0x20
CHECK_BYTES = 2
LONGEST = 2048
"""Bytes of a body beyond which a line without flags is not collected."""


def _table() -> list[int]:
    """The CRC of every byte (CRC-16/IBM-SDLC: polynomial 0x1021, reflected)."""
    entries = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (0x8408 if entry & 1 else 0)
        entries.append(entry)
    return entries


TABLE = _table()


def check_sequence(body: bytes) -> int:
    """The frame check sequence of RFC 1662, which follows the body with its low byte first."""
    crc = 0xFFFF
    for byte in body:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFF


def frame(body: bytes) -> bytes:
    """The body between two flags, with its check sequence and escapes."""
    whole = body + check_sequence(body).to_bytes(CHECK_BYTES, "little")
    escaped = whole.replace(bytes([ESCAPE]), bytes([ESCAPE, ESCAPE ^ FLIP]))
    escaped = escaped.replace(bytes([FLAG]), bytes([ESCAPE, FLAG ^ FLIP]))
    return bytes([FLAG]) + escaped + bytes([FLAG])


class Deframer:
    """Finds frames in a line's bytes. damaged : frames that came with a wrong check sequence."""

    def __init__(self) -> None:
        self._body = bytearray()
        self._escaped = False
        self.damaged = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies of the frames that these bytes complete."""
        for byte in data:
            if byte == FLAG:
                body, aborted = bytes(self._body), self._escaped
                self._body.clear()
                self._escaped = False
                if body and self._whole(body, aborted):
                    yield body[:-CHECK_BYTES]
            elif byte == ESCAPE:
                self._escaped = True
            elif len(self._body) < LONGEST:
                self._body.append(byte ^ FLIP if self._escaped else byte)
                self._escaped = False

    def _whole(self, body: bytes, aborted: bool) -> bool:
        check = int.from_bytes(body[-CHECK_BYTES:], "little")
        whole = not aborted and len(body) > CHECK_BYTES and check_sequence(body[:-CHECK_BYTES]) == check
        self.damaged += not whole
        return whole
