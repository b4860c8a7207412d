"""A session with a serial link, without any input or output of its own: bytes in, bytes out, and a clock.

The rules are those of docs/host.md: what was not accepted is sent again, results are asked for until they are there.
Places of both streams are counted from the restart without end; frames carry their low 8 bits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from bcsim.common.errors import BcsimError
from bcsim.host.frames import Deframer, frame
from bcsim.rtl.link.layouts import GREETING_BYTES, PROTOCOL, RING, Request, Status

__all__ = ["PAYLOAD", "Greeting", "Session"]

PAYLOAD = 80
"""Most bytes of a frame's payload: three fit the link's buffer, so that the line is never idle."""

NOTHING = Request(0)

UNANSWERED = 3
"""Frames without an answer at most. An answer has 144 bytes at most, so that three fit any buffer of a host that does
not read for a while."""

HEADER = 4
WORD = 2


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a link says when it is restarted.

    input_bytes : of a word of the image stream. fingerprint : of the machine. checksum : of the program in its
    bitstream. registers : whether the link reaches the registers.
    """

    input_bytes: int
    fingerprint: int
    checksum: int
    registers: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """A frame's payload and its place in the stream of bytes."""

    start: int
    data: bytes
    asks: Request

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class Session:
    """Sends bytes that are accepted once and in order, and collects the words that come back.

    timeout : seconds without an answer after which a frame is sent again.

    Attributes
    ----------
    greeting : Greeting or None
        None until the link has restarted.
    words : deque of int
        Results' words that came, 16 bits each; take them from the left.
    resent : int
        How often frames had to be sent again.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.greeting: Greeting | None = None
        self.words: deque[int] = deque()
        self.resent = 0
        self.refused = False
        self.link_damaged = False
        self.taken = 0
        self.read_word: int | None = None
        self._deframer = Deframer()
        self._chunks: deque[Chunk] = deque()
        self._queued = self._accepted = self._sent = self._received = 0
        self._unanswered, self._deadline = 0, 0.0

    @property
    def damaged(self) -> int:
        """Answers that came damaged."""
        return self._deframer.damaged

    @property
    def queued(self) -> int:
        """The place behind all bytes that were given to `send`."""
        return self._queued

    @property
    def unsent(self) -> int:
        """Bytes that the link has not accepted yet."""
        return self._queued - self._accepted

    def send(self, data: bytes, asks: Request) -> None:
        """Queue bytes; the last of them has LAST where `asks` has."""
        for start in range(0, len(data), PAYLOAD):
            part = data[start : start + PAYLOAD]
            final = start + PAYLOAD >= len(data)
            self._chunks.append(Chunk(self._queued, part, asks if final else asks & ~Request.LAST))
            self._queued += len(part)

    def transmit(self, now: float, *, poll: bool = False, asks: Request = NOTHING) -> bytes:
        """The frames that may go out now, or nothing.

        poll : ask for results (or, with BUS in `asks`, for what was read) where nothing else is sent.
        """
        if self._unanswered and now >= self._deadline:
            self.resent += 1
            self._unanswered, self._sent = 0, self._accepted
        if self.greeting is None:
            return b"" if self._unanswered else self._ask(Request.RESTART, now)
        out = b""
        for chunk in self._chunks:
            if chunk.start < self._sent:
                continue
            if self._unanswered >= UNANSWERED or chunk.end - self.taken >= RING:
                break
            out += self._frame(chunk, now)
        if not out and not self._unanswered and (poll or self.unsent):
            return self._ask(asks, now)
        return out

    def _ask(self, asks: Request, now: float) -> bytes:
        return self._frame(Chunk(self._sent, b"", asks), now)

    def _frame(self, chunk: Chunk, now: float) -> bytes:
        self._sent = chunk.end
        self._unanswered += 1
        self._deadline = now + self.timeout
        places = (chunk.start, self._received, chunk.end)
        return frame(bytes([chunk.asks, *(place % RING for place in places)]) + chunk.data)

    def receive(self, data: bytes) -> None:
        """Take in what the line brought. Raises BcsimError for a link of another protocol."""
        for body in self._deframer.feed(data):
            if len(body) >= HEADER:
                self._answer(body)

    def _answer(self, body: bytes) -> None:
        status, payload = Status(body[2]), body[HEADER:]
        if status & Status.RESTARTED:
            self._greet(status, payload)
            return
        if self.greeting is None:
            return
        self.link_damaged = bool(status & Status.DAMAGED)
        self.refused = bool(status & Status.REFUSED)
        self._accepted += (body[0] - self._accepted) % RING
        self.taken += (body[1] - self.taken) % RING
        while self._chunks and self._chunks[0].end <= self._accepted:
            self._chunks.popleft()
        words = [int.from_bytes(payload[at : at + WORD], "little") for at in range(0, len(payload), WORD)]
        if status & Status.BUS:
            self.read_word = words[0] | words[1] << 16
        else:
            self._collect(words, (self._received - body[3]) % RING)
        self._settle()

    def _settle(self) -> None:
        """Count what is unanswered: an upper bound, as one answer may be for several frames."""
        self._unanswered = max(0, self._unanswered - 1)
        if self._accepted >= self._sent:
            self._unanswered, self._sent = 0, self._accepted
        elif not self._unanswered:
            self.resent += 1
            self._sent = self._accepted

    def _collect(self, words: list[int], known: int) -> None:
        """Words of which the first `known` had come before."""
        new = words[known:]
        self.words.extend(new)
        self._received += len(new)

    def _greet(self, status: Status, payload: bytes) -> None:
        if self.greeting is not None:
            return
        if len(payload) != GREETING_BYTES or payload[0] != PROTOCOL:
            version = payload[0] if payload else "no"
            raise BcsimError(f"The board speaks version {version} of the link's protocol, bcsim {PROTOCOL}")
        fingerprint, checksum = (int.from_bytes(payload[at : at + 4], "little") for at in (2, 6))
        self.greeting = Greeting(payload[1], fingerprint, checksum, bool(status & Status.REGISTERS))
        self._unanswered = 0
