"""The drain writer, beside the writes that each round should lead to."""

from __future__ import annotations

from amaranth.hdl import Assert, Assume, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In

from bcsim.machine.parameters import Machine
from bcsim.rtl.sequencer.drain_writer import DrainWriter
from bcsim.rtl.sequencer.round_phases import PlaceLayout

__all__ = ["WriterProof", "writer_free"]


def writer_free(m: Module, done: Value, place: View[PlaceLayout]) -> Value:
    """Whether the round before leaves the writer free to take another: it has a cycle for every digit."""
    left = Signal.like(place.digits, name="digits_left")
    with m.If(done):
        m.d.sync += left.eq(Mux(place.scores, 0, place.digits))
    with m.Elif(left != 0):
        m.d.sync += left.eq(left - 1)
    return left == 0


class WriterProof(wiring.Component):
    """Asserts that digit d of a round is written d + 2 cycles behind `done`, to word d of its place, and no more is.

    Scores are told a cycle behind `done`, the last ones another cycle later.

    Assumed: rounds leave a cycle for every digit, as DrainProof asserts.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    done : In(1)
    place : In(PlaceLayout(machine))
    """

    def __init__(self, machine: Machine) -> None:
        self.writer = DrainWriter(machine)
        super().__init__({"done": In(1), "place": In(PlaceLayout(machine))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.writer = writer = self.writer
        m.d.comb += [
            writer.done.eq(self.done),
            writer.place.eq(self.place.as_value()),
            Assume(~self.done | writer_free(m, self.done, self.place)),
        ]
        self._check_scores(m)
        self._check_digits(m)
        return m

    def _check_scores(self, m: Module) -> None:
        told, last, marked = Signal(), Signal(), Signal()
        m.d.sync += [
            told.eq(self.done & self.place.scores),
            last.eq(self.done & self.place.scores & self.place.last),
            marked.eq(last),
        ]
        m.d.comb += [
            Assert(self.writer.score_write == told, "scores behind their round"),
            Assert(self.writer.score_last == marked, "the last scores are marked"),
        ]

    def _check_digits(self, m: Module) -> None:
        write = self.writer.write
        taken, writing = Signal(), Signal()
        present, place = Signal(self.place.shape()), Signal(self.place.shape())
        digit = Signal.like(place.digits)
        m.d.sync += [taken.eq(self.done & ~self.place.scores), present.eq(self.place.as_value())]
        with m.If(taken):
            m.d.sync += [writing.eq(1), place.eq(present.as_value()), digit.eq(0)]
        with m.Elif(digit == place.digits):
            m.d.sync += writing.eq(0)
        with m.Else():
            m.d.sync += digit.eq(digit + 1)
        m.d.comb += Assert(write.enable == Mux(writing, 1 << place.group, 0), "the group of each digit")
        with m.If(writing):
            address = (place.address + digit)[: len(write.address)]
            m.d.comb += Assert(write.address == address, "the word of each digit")
