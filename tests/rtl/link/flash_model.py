"""A flash memory of four data lines as its data sheet has it, for the flash reader's tests (Winbond W25Q128JV)."""

from __future__ import annotations

__all__ = ["FlashModel"]

DUMMY = 8


class FlashModel:
    """Samples its pins at the clock's rising edge, changes its lines at the falling one.

    `step` is called once a cycle of the design, with the pins in that cycle, and gives the lines in the next one.
    wake : cycles after the release from power-down in which it hears nothing.
    """

    def __init__(self, contents: bytes, *, base: int = 0, wake: int = 100) -> None:
        self.contents, self.base, self.wake = contents, base, wake
        self.asleep, self.quad, self.volatile, self.deaf = True, False, False, 0
        self.reads = 0
        self._selected, self._clock = False, 0
        self._bits: list[int] = []
        self._address, self._nibble, self._data = -1, 0, 0

    def step(self, select: int, clock: int, command: int) -> int:
        self.deaf = max(0, self.deaf - 1)
        if select:
            if self._selected:
                self._end()
            self._selected = False
        else:
            if not self._selected:
                assert not clock, "selected while its clock is high"
                assert not self.deaf, "a command while it wakes up"
                self._selected, self._bits, self._address = True, [], -1
            if clock and not self._clock:
                self._bits.append(command)
                self._hear()
            if self._clock and not clock:
                self._speak()
        self._clock = clock
        return self._data

    def _value(self) -> int:
        return int("".join(map(str, self._bits)) or "0", 2)

    def _hear(self) -> None:
        if len(self._bits) == 32 + DUMMY and self._bits[:8] == [0, 1, 1, 0, 1, 0, 1, 1]:
            assert self.quad, "a read whose lines are not enabled"
            assert not self.asleep
            assert not self.deaf
            self._address = int("".join(map(str, self._bits[8:32])), 2) - self.base
            self._nibble = 0
            self.reads += 1

    def _speak(self) -> None:
        """From the falling edge behind the last dummy clock on, a nibble a clock."""
        if self._address < 0:
            return
        byte = (
            self.contents[self._address + self._nibble // 2 : self._address + self._nibble // 2 + 1]
            or b"\xff"
        )
        self._data = byte[0] >> (0 if self._nibble % 2 else 4) & 15
        self._nibble += 1

    def _end(self) -> None:
        """What was heard takes effect when it is deselected."""
        if len(self._bits) == 8 and self._value() == 0xAB:
            self.asleep, self.deaf = False, self.wake
        elif self.asleep:
            return
        elif len(self._bits) == 8 and self._value() == 0x50:
            self.volatile = True
        elif len(self._bits) == 16 and self._value() >> 8 == 0x31:
            assert self.volatile, "no write of the status register was allowed"
            self.quad, self.volatile = bool(self._value() & 2), False
