"""A driver for systems on a chip, as PYNQ boards: registers by memory-mapped access, images and results by DMA."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bcsim.common.errors import BcsimError
from bcsim.compiler.mapping.mapping import Mapping
from bcsim.host.packing import pack_images
from bcsim.rtl.common.register_map import IDENTIFICATION, VERSION, Control, Error, Register, Status

__all__ = ["Driver", "PynqDma", "RegisterAccess", "StreamAccess", "require_started"]


class RegisterAccess(Protocol):
    """The register bus; pynq.MMIO and an overlay's IP do."""

    def read(self, address: int, /) -> int: ...
    def write(self, address: int, value: int, /) -> object: ...


class StreamAccess(Protocol):
    """The two streams: one image's bytes in, TLAST with the last, and one result's words back."""

    def exchange(self, image: NDArray[np.uint8], words: int, /) -> NDArray[np.uint32]: ...


class PynqDma:
    """The streams behind a DMA engine of PYNQ.

    dma : such as overlay.axi_dma_0, with both channels and TKEEP all ones. allocate : pynq.allocate.
    """

    def __init__(self, dma: Any, allocate: Callable[..., Any]) -> None:
        self._dma, self._allocate = dma, allocate
        self._sent: Any = None
        self._received: Any = None

    def exchange(self, image: NDArray[np.uint8], words: int) -> NDArray[np.uint32]:
        """Send an image and wait for its result."""
        if self._sent is None or self._sent.shape != image.shape:
            self._sent = self._allocate(shape=image.shape, dtype=np.uint8)
        if self._received is None or self._received.shape != (words,):
            self._received = self._allocate(shape=(words,), dtype=np.uint32)
        self._sent[:] = image
        self._dma.recvchannel.transfer(self._received)
        self._dma.sendchannel.transfer(self._sent)
        self._dma.sendchannel.wait()
        self._dma.recvchannel.wait()
        return np.array(self._received, np.uint32)


class Driver:
    """An accelerator on a bus: what it is, a program for it, and its answers.

    registers, streams : the ways to it. mapping : the program on the machine that was built.

    Raises BcsimError where the bus has no accelerator, another version of its registers, or another machine, and for
    one that takes several images at once.
    """

    def __init__(self, registers: RegisterAccess, streams: StreamAccess, mapping: Mapping) -> None:
        if mapping.images > 1:
            raise BcsimError(
                f"The machine takes {mapping.images} images at once, and the driver sends one and waits for its "
                "result: give a machine with batch=1"
            )
        self.registers, self.streams, self.mapping = registers, streams, mapping
        found = registers.read(Register.IDENTIFICATION)
        if found != IDENTIFICATION:
            raise BcsimError(
                f"No accelerator at this address: IDENTIFICATION reads {found:#010x}, not {IDENTIFICATION:#x}"
            )
        version, machine = registers.read(Register.VERSION), registers.read(Register.FINGERPRINT)
        if version != VERSION:
            raise BcsimError(f"The accelerator's register map has version {version}, bcsim {VERSION}")
        if machine != mapping.machine.fingerprint:
            raise BcsimError(
                f"The accelerator is another machine (fingerprint {machine:08x}, not {mapping.machine.fingerprint:08x})"
            )

    def load(self, writes: Iterable[tuple[int, int]]) -> None:
        """Load a program, the (address, data) of bcsim.rtl.bus.program_image.load_writes, and start it."""
        self.registers.write(Register.CONTROL, 0)
        for address, data in writes:
            self.registers.write(address, data)
        self.registers.write(Register.CONTROL, int(Control.RUN))
        require_started(self.registers.read(Register.ERRORS))

    def infer(self, q: NDArray[np.integer]) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
        """Scores uint16 (n, classes) and classes int64 (n,) of images q, the first layer's levels (n, inputs).

        Raises BcsimError where the accelerator does not run, or notes an error.
        """
        if not self.registers.read(Register.STATUS) & Status.RUNNING:
            raise BcsimError("The accelerator does not run: load a program first")
        words = self.mapping.program.classes + 1
        packed = pack_images(self.mapping, q)
        results = np.array([self.streams.exchange(image, words) for image in packed]).reshape(-1, words)
        if errors := self.registers.read(Register.ERRORS):
            raise BcsimError(f"The accelerator noted: {_names(errors)}")
        return results[:, :-1].astype(np.uint16), results[:, -1].astype(np.int64)

    def cycles(self) -> int:
        """From the first input word accepted to the latest class accepted, by the accelerator's own counter."""
        read = self.registers.read
        return read(Register.CYCLES) | read(Register.CYCLES_HIGH) << 32


def require_started(errors: int) -> None:
    """Raise BcsimError for what ERRORS reads behind a load."""
    if errors:
        raise BcsimError(f"The accelerator did not start the program: {_names(errors)}")


def _names(errors: int) -> str:
    return ", ".join(str(error.name) for error in Error if errors & error)
