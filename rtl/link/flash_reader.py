"""The weights of every image, read again and again from a flash memory with four data lines."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from zlib import crc32

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.axi import StreamSignature
from bcsim.rtl.common.require import require_positive

__all__ = [
    "FIRST_WORD",
    "NIBBLE",
    "PAUSE",
    "REPEAT",
    "FlashReader",
    "flash_contents",
    "flash_mark",
    "release_pause",
    "word_cycles",
]

NIBBLE = 2
"""Cycles of one of the flash's clocks, each of which brings four bits."""

SLOTS = 64
"""Clocks that a command has; the flash sees those from its first bit on, and is let alone before."""

WAKE, VOLATILE, QUAD, READ = (0xAB, 8), (0x50, 8), (0x3102, 16), (0x6B, 8)
"""Commands and their bits: release from power-down, let the next write of a status register be of this power-up alone,
bit QE of status register 2, fast read with four outputs (Winbond W25Q128JV, chapter 8)."""

ADDRESS_BITS, DUMMY = 24, 8
"""Of a read: the address's bits, and the clocks between it and the first data."""

SILENCE = (0, 0)
"""A command's time in which the flash is let alone."""

READ_BITS = READ[1] + ADDRESS_BITS
COMMANDS = 4

PAUSE = SLOTS * NIBBLE
"""Cycles of a command."""

REPEAT = PAUSE + 1
"""Cycles from a packet's last word to the next read's first data."""

FIRST_WORD = COMMANDS * PAUSE
"""Cycles from reset to the first read's first data, without a pause."""

RELEASE = 3e-6
"""Seconds that the flash is let alone behind its release from power-down (Winbond W25Q128JV, tRES1)."""

RELEASED = (SLOTS - VOLATILE[1] - 1) * NIBBLE
"""Cycles that it is let alone without a pause: until the next command's slot before its first clock."""


def word_cycles(size: int) -> int:
    """Cycles from a word of `size` bytes being taken to the next one."""
    return 2 * size * NIBBLE


def release_pause(hz: float) -> int:
    """Pauses that a reader must make at a clock of so many hertz, see FlashReader."""
    return max(0, ceil((RELEASE * hz - RELEASED) / PAUSE))


def flash_mark(packet: bytes, size: int) -> int:
    """What stands before a packet in the flash, a word of `size` bytes: its CRC-32, or as much of it as fits."""
    return crc32(packet) & ((1 << 8 * size) - 1)


def flash_contents(packet: bytes, size: int) -> bytes:
    """The flash's bytes from the reader's address on: the mark, and the words of an image's weights."""
    return flash_mark(packet, size).to_bytes(size, "little") + packet


class FlashReader(wiring.Component):
    """Reads a packet over and over: wakes the flash, enables its four lines, and reads on while words are taken.

    The flash's clock stands while a word waits. Throughput: a word in word_cycles(size) cycles, counted from the word
    before it being taken. Latency: from reset FIRST_WORD + pause * PAUSE cycles, and from a packet's last word
    to the next packet's first REPEAT cycles more, each with the time of the mark's word and the word's own.

    Parameters
    ----------
    size : int
        Bytes of a word.
    words : int
        Words of a packet.
    begin : int
        Address of the packet's mark in the flash.
    mark : int
        The word there; no word is given where another one stands.
    pause : int
        Commands' times that pass behind the release from power-down, at fast clocks (release_pause).

    Members
    -------
    stream : Out(StreamSignature(size))
        TLAST with a packet's last word.
    foreign : Out(1)
        The flash holds another mark.
    select, clock : Out(1)
        Of the flash: its CS#, low while it is spoken to, and its clock, which idles low.
    command, drives : Out(1)
        Line 0, and whether it is ours.
    data : In(4)
        What the flash has on its lines.
    """

    def __init__(self, *, size: int, words: int, begin: int, mark: int, pause: int = 0) -> None:
        require_positive("Size", size)
        require_positive("Words", words)
        self.size, self.words, self.begin, self.mark = size, words, begin, mark
        self._commands = (
            WAKE,
            *[SILENCE] * pause,
            VOLATILE,
            QUAD,
            (READ[0] << ADDRESS_BITS | begin, READ_BITS),
        )
        super().__init__(
            {
                "stream": Out(StreamSignature(size=size)),
                "foreign": Out(1),
                "select": Out(1, init=1),
                "clock": Out(1),
                "command": Out(1),
                "drives": Out(1),
                "data": In(4),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        high, reading, done = Signal(), Signal(), Signal()
        last = len(self._commands) - 1
        slot, phase = Signal(range(SLOTS)), Signal(range(last + 1))
        clocks = self._clocks()
        place = Cat(slot, phase)
        m.d.comb += [
            self.command.eq(self._bits().bit_select(place, 1)),
            self.drives.eq(~reading),
        ]
        # A slot before its first clock and a cycle late, from a register: it must not change by accident.
        m.d.sync += self.select.eq(~(reading | _last_slots(n + (n > 0) for n in clocks).bit_select(place, 1)))
        word_end = self._collect(m, reading & high)
        held = self._pass_on(m, word_end, done)
        with m.If(reading):
            with m.If(high | ~held):
                m.d.sync += [high.eq(~high), self.clock.eq(~high)]
            with m.If(done):
                m.d.sync += [reading.eq(0), high.eq(0), self.clock.eq(0)]
        with m.Else():
            m.d.sync += [high.eq(~high), self.clock.eq(~high & _last_slots(clocks).bit_select(place, 1))]
            with m.If(high):
                m.d.sync += slot.eq(slot + 1)
                with m.If(slot == SLOTS - 1):
                    m.d.sync += reading.eq(phase == last)
                    with m.If(phase != last):
                        m.d.sync += phase.eq(phase + 1)
        return m

    def _clocks(self) -> list[int]:
        """Of each command, the last of its slots."""
        *others, read = (bits for _, bits in self._commands)
        return [*others, read + DUMMY]

    def _bits(self) -> Const:
        """Line 0 in every slot of every command."""
        found = 0
        for index, ((value, bits), clocks) in enumerate(zip(self._commands, self._clocks(), strict=True)):
            end = (index + 1) * SLOTS - (clocks - bits)
            for bit in range(bits):
                found |= (value >> bit & 1) << (end - 1 - bit)
        return Const(found, len(self._commands) * SLOTS)

    def _collect(self, m: Module, taken: Value) -> Value:
        """The word's nibbles, first byte first and of it the upper half; whether this is its last."""
        bits = 8 * self.size
        word, left = Signal(bits, reset_less=True), Signal(range(2 * self.size), init=2 * self.size - 1)
        with m.If(taken):
            m.d.sync += [word.eq(Cat(self.data, word)), left.eq(left - 1)]
        m.d.comb += self.stream.tdata.eq(
            Cat(word.word_select(byte, 8) for byte in reversed(range(self.size)))
        )
        return taken & (left == 0)

    def _pass_on(self, m: Module, word_end: Value, done: Signal) -> Value:
        """Offers words behind the mark; returns whether the flash must wait."""
        stream = self.stream
        complete, marked, left = Signal(), Signal(), Signal(range(self.words), init=self.words - 1)
        right = stream.tdata == self.mark
        accepted = stream.tvalid & stream.tready
        m.d.comb += [
            stream.tvalid.eq(complete & marked),
            stream.tlast.eq(left == 0),
            done.eq(accepted & stream.tlast),
        ]
        with m.If(complete & ~marked):
            m.d.sync += [marked.eq(right), complete.eq(~right), self.foreign.eq(~right)]
        with m.If(accepted):
            m.d.sync += [complete.eq(0), left.eq(left - 1)]
            with m.If(stream.tlast):
                m.d.sync += [marked.eq(0), left.eq(self.words - 1)]
        with m.If(word_end):
            m.d.sync += complete.eq(1)
        return complete & ~(accepted | (~marked & right))


def _last_slots(counts: Iterable[int]) -> Const:
    """A bit for every slot of every command, set in the last so many."""
    found = end = 0
    for count in counts:
        end += SLOTS
        found |= ((1 << count) - 1) << (end - count)
    return Const(found, end)
