"""A board on a serial port: images in, scores and classes out, registers where the link reaches them."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bcsim.common.console import track
from bcsim.common.errors import BcsimError
from bcsim.common.extras import missing_package
from bcsim.host.driver import require_started
from bcsim.host.session import Greeting, Session
from bcsim.rtl.common.register_map import Control, Register
from bcsim.rtl.link.layouts import Request
from bcsim.simulator.simulator import whole_batches

__all__ = ["Board", "Port", "Results", "open_port"]

FRAME_BITS = 10 * 3 * (2 * 88 + 2 * 72)
"""Bits of three frames and their answers, all of them escaped."""

DELAY_S = 0.1
"""What drivers and bridges may add to an answer's way."""

SILENCE = 8
"""Frames sent again in a row without any answer after which the board is taken for absent."""

PATIENCE_S = 30.0
"""Longest wait for a result of a board that answers."""

READ = 1
"""Bit of an address that makes an access a read."""


class Port(Protocol):
    """What a serial port must do; pyserial's Serial does."""

    @property
    def in_waiting(self) -> int: ...
    def read(self, size: int, /) -> bytes: ...
    def write(self, data: bytes, /) -> int | None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Results:
    """scores : uint16 (n, classes). classes : int64 (n,). seconds : from the first byte sent to the last result."""

    scores: NDArray[np.uint16]
    classes: NDArray[np.int64]
    seconds: float


def open_port(name: str, baud: int) -> Port:
    """A serial port by name. Raises BcsimError where it cannot be opened, or pyserial is missing."""
    try:
        import serial
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    try:
        port: Port = serial.Serial(name, baud, timeout=0.005)
    except (OSError, ValueError) as error:
        raise BcsimError(f"Port {name} cannot be opened at {baud} baud: {_cause(name, error)}") from error
    return port


def _cause(name: str, error: Exception) -> str:
    """Why; pyserial repeats what the system says, and says of a file only that some call is inappropriate."""
    if os.path.exists(name) and not stat.S_ISCHR(os.stat(name).st_mode):
        return "it is no serial port"
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error)


class Board:
    """A host's session with a board. `with Board(port, baud=...) as board: board.infer(...)`.

    port : what `open_port` gives, or anything like it; closed at the end.
    baud : of the line, for how long an answer may take.
    timeout : seconds without an answer after which a frame is sent again; by default what the line's speed asks for.

    Raises BcsimError where the board does not answer, or speaks another version of the protocol.
    """

    def __init__(self, port: Port, *, baud: int, timeout: float | None = None) -> None:
        self._port, self.baud = port, baud
        self._session = Session(DELAY_S + FRAME_BITS / baud if timeout is None else timeout)
        self._silent, self._heard = 0, time.monotonic()
        self._until(lambda: self._session.greeting is not None)

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self._port.close()

    @property
    def greeting(self) -> Greeting:
        """What the board said of itself."""
        assert self._session.greeting is not None
        return self._session.greeting

    @property
    def resent(self) -> int:
        """Frames that had to be sent again since the start."""
        return self._session.resent

    def require(self, fingerprint: int, checksum: int) -> None:
        """Raise BcsimError unless the board holds this machine and this program."""
        found = self.greeting
        if found.fingerprint != fingerprint:
            raise BcsimError(
                f"The board holds another machine (fingerprint {found.fingerprint:08x}, not {fingerprint:08x}); "
                "load the bitstream of this folder: bcsim program"
            )
        if found.checksum != checksum:
            raise BcsimError(
                f"The board holds another program (checksum {found.checksum:08x}, not {checksum:08x}); "
                "load the bitstream of this folder: bcsim program"
            )

    def infer(self, packed: NDArray[np.uint8], classes: int, at_once: int = 1) -> Results:
        """Results of images as `pack_images` packs them, uint8 (n, bytes), of a network of so many scores.

        at_once : images that the machine takes at once, the mapping's `images`. It gives no result before it has as
            many, so that images of zeros fill the last batch.

        A bar on standard error follows them, where that is a terminal.
        """
        begun = time.monotonic()
        filled = whole_batches(packed, at_once)
        answers = list(track(self.stream(filled, classes), "Classifying", len(filled)))
        words = np.array(answers, np.uint16).reshape(len(filled), classes + 1)[: len(packed)]
        return Results(words[:, :-1], words[:, -1].astype(np.int64), time.monotonic() - begun)

    def stream(self, packed: NDArray[np.uint8], classes: int) -> Iterator[Sequence[int]]:
        """Image after image the scores and the class, as they come."""
        session = self._session
        for image in packed:
            session.send(image.tobytes(), Request.LAST)
        for _ in packed:
            self._until(lambda: len(session.words) > classes, poll=True)
            yield [session.words.popleft() for _ in range(classes + 1)]

    def read(self, address: int) -> int:
        """A register. Raises BcsimError where the bus refuses, or the link has no registers."""
        self._access(address | READ, ())
        value = self._session.read_word
        assert value is not None
        return value

    def write(self, address: int, *words: int) -> None:
        """Write 32-bit words to a register, one after another. Raises BcsimError as `read` does."""
        self._access(address, words)

    def load(self, writes: Iterable[tuple[int, int]]) -> None:
        """Load a program, the (address, data) of bcsim.rtl.bus.program_image.load_writes, and start it.

        Raises BcsimError where the accelerator does not start it.
        """
        self._send(Register.CONTROL, [0])
        for address, words in groupby(writes, key=lambda write: write[0]):
            self._send(address, [data for _, data in words])
        self.write(Register.CONTROL, Control.RUN)
        require_started(self.read(Register.ERRORS))

    def cycles(self) -> int:
        """From the first input word accepted to the latest class accepted, by the accelerator's own counter."""
        return self.read(Register.CYCLES) | self.read(Register.CYCLES_HIGH) << 32

    def _send(self, address: int, words: Sequence[int]) -> None:
        """Queue an access of the bus."""
        if not self.greeting.registers:
            raise BcsimError("This board's link does not reach the registers: build it with registers")
        data = b"".join(word.to_bytes(4, "little") for word in words)
        self._session.send(address.to_bytes(2, "little") + data, Request.BUS | Request.LAST)

    def _access(self, address: int, words: Sequence[int]) -> None:
        """An access of the bus and its answer."""
        session = self._session
        self._send(address, words)
        end, session.read_word = session.queued, None
        self._until(
            lambda: session.taken >= end and session.read_word is not None, poll=True, asks=Request.BUS
        )
        if session.refused:
            raise BcsimError(f"The board refused an access of register {address & ~READ:#06x}")

    def _until(self, done: Callable[[], bool], *, poll: bool = False, asks: Request | None = None) -> None:
        """Send and receive until something is so."""
        session, port = self._session, self._port
        progress = self._progress()
        self._heard = time.monotonic()
        while not done():
            resent = session.resent
            out = session.transmit(time.monotonic(), poll=poll, asks=asks or Request(0))
            try:
                if out:
                    port.write(out)
                data = port.read(max(1, port.in_waiting))
            except OSError as error:
                raise BcsimError(f"The board's port was lost: {error}") from error
            session.receive(data)
            self._watch(bool(data), session.resent > resent)
            if self._progress() != progress:
                progress, self._heard = self._progress(), time.monotonic()

    def _progress(self) -> tuple[object, ...]:
        session = self._session
        return session.greeting, session.taken, len(session.words)

    def _watch(self, heard: bool, resent: bool) -> None:
        """Raise BcsimError where nothing answers, or what answers gives no results."""
        self._silent = 0 if heard else self._silent + resent
        if self._silent >= SILENCE:
            raise BcsimError(
                f"Nothing answers on the port at {self.baud} baud: is the bitstream loaded (bcsim program), and is "
                "this the board's port and speed?"
            )
        if time.monotonic() - self._heard > PATIENCE_S:
            raise BcsimError(
                f"The board answers and gives no result for {PATIENCE_S:.0f} s: the images are not of the size that "
                "its program takes, or it has stopped"
            )
