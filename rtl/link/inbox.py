"""The inbox: a host's frames, taken whole or not at all, and the bytes that they bring, in order."""

from __future__ import annotations

from enum import IntEnum

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from bcsim.rtl.link.layouts import RING

__all__ = ["POSITION", "Inbox"]

POSITION = (RING - 1).bit_length()
"""Bits of a place in a stream of bytes or words, counted since the restart."""


class Field(IntEnum):
    """Where in a frame the next byte is."""

    REQUEST = 0
    BEGIN = 1
    SEEN = 2
    UNTIL = 3
    PAYLOAD = 4
    CHECK = 5


class Inbox(wiring.Component):
    """Checks that a frame continues what came before and fits, and gives out its bytes once its checksum was right.

    A frame is a request, three positions and the payload: where the payload begins, which results the host has, and
    where the payload ends. Latency: 3 cycles from `end` to the first byte's `valid`; throughput: a byte every 3 cycles.

    Parameters
    ----------
    registers : bool
        Whether payloads can be for the bus.

    Members
    -------
    content, byte, end, good : In
        As in Deframer.
    request : Out(1)
        A frame was right and asks for an answer, which is due from the next cycle on.
    asks : Out(3)
        Its Request; stays until the next frame begins.
    damaged : Out(1)
        A frame was wrong.
    accepted, taken, freed : Out(POSITION)
        Behind the bytes that came whole, the bytes that were used, and the results that the host has.
    data : Out(8)
    last : Out(1)
        The byte ends an image or a bus access.
    bus : Out(1)
        The byte is for the bus; only with `registers`.
    valid : Out(1)
    ready : In(1)
    clear : In(1)
        Everything is forgotten but `asks`.
    """

    def __init__(self, *, registers: bool = False) -> None:
        self.registers = registers
        super().__init__(
            {
                "content": In(8),
                "byte": In(1),
                "end": In(1),
                "good": In(1),
                "request": Out(1),
                "asks": Out(3),
                "damaged": Out(1),
                "accepted": Out(POSITION),
                "taken": Out(POSITION),
                "freed": Out(POSITION),
                "data": Out(8),
                "last": Out(1),
                **({"bus": Out(1)} if registers else {}),
                "valid": Out(1),
                "ready": In(1),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        place, behind, until = Signal(POSITION), Signal(POSITION), Signal(POSITION)
        fits, store, field = Signal(), Signal(), Signal(Field)
        self._store(m, place, store, behind == until)
        seen = Signal(POSITION)
        m.d.comb += [
            behind.eq(place + 1),
            self.request.eq(self.end & self.good & (field == Field.CHECK)),
            self.damaged.eq(self.end & (field != Field.REQUEST) & ~self.request),
        ]
        with m.If(self.request):
            m.d.sync += self.freed.eq(seen)
            with m.If(fits):
                m.d.sync += self.accepted.eq(until)
        with m.If(self.byte), m.Switch(field):
            with m.Case(Field.REQUEST):
                m.d.sync += [self.asks.eq(self.content), field.eq(Field.BEGIN)]
            with m.Case(Field.BEGIN):
                m.d.sync += [place.eq(self.content), fits.eq(self.content == self.accepted)]
                m.d.sync += field.eq(Field.SEEN)
            with m.Case(Field.SEEN):
                m.d.sync += [seen.eq(self.content), field.eq(Field.UNTIL)]
            with m.Case(Field.UNTIL):
                m.d.sync += until.eq(self.content)
                m.d.sync += field.eq(Mux(self.content == place, Field.CHECK, Field.PAYLOAD))
            with m.Case(Field.PAYLOAD):
                # The place before the first unused byte stays empty: full must not look like empty.
                m.d.sync += [place.eq(behind), fits.eq(store)]
                m.d.comb += store.eq(fits & (behind != self.taken))
                with m.If(behind == until):
                    m.d.sync += field.eq(Field.CHECK)
        with m.If(self.end):
            m.d.sync += field.eq(Field.REQUEST)
        with m.If(self.clear):
            m.d.sync += [self.accepted.eq(0), self.taken.eq(0), self.freed.eq(0)]
        return m

    def _store(self, m: Module, place: Signal, store: Signal, final: Value) -> None:
        """The bytes, and their way out."""
        marks = [self.asks[1], self.asks[2]] if self.registers else [self.asks[1]]
        m.submodules.ring = ring = memory.Memory(shape=8 + len(marks), depth=RING, init=[])
        write, read = ring.write_port(), ring.read_port()
        addressed, fetched, taking = Signal(), Signal(), Signal()
        # On a large die the memory may lie far off. A byte counts as accepted long after it came.
        m.d.sync += [
            write.addr.eq(place),
            write.data.eq(Cat(self.content, marks[0] & final, *marks[1:])),
            write.en.eq(store),
        ]
        m.d.comb += [
            read.addr.eq(self.taken),
            self.valid.eq(fetched),
            taking.eq(self.valid & self.ready),
        ]
        # Block memories are slow from clock to output: their words pass a register.
        m.d.sync += [
            Cat(self.data, self.last, *([self.bus] if self.registers else [])).eq(read.data),
            addressed.eq((self.taken != self.accepted) & ~taking),
            fetched.eq(addressed & ~taking),
        ]
        with m.If(taking):
            m.d.sync += self.taken.eq(self.taken + 1)
        with m.If(taking | self.clear):
            m.d.sync += [addressed.eq(0), fetched.eq(0)]
