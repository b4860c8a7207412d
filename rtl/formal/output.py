"""The output, fed with scores, beside the packet that it should send."""

from __future__ import annotations

from amaranth.hdl import Array, Assert, Assume, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import QUOTIENT_BITS
from bcsim.rtl.formal.stream import remain_until_accepted
from bcsim.rtl.formal.symbolic import Symbolic
from bcsim.rtl.streams.output import Output

__all__ = ["OutputProof"]


class OutputProof(wiring.Component):
    """Asserts that every result leaves as its scores in order and then its class, with TLAST, and nothing else does.

    Assumed of the drain: a layer of scores begins only while the buffer is free, writes as many words as its
    classes fill, and tells the last one in its cycle or later. A word not accepted stays as it is.

    Parameters
    ----------
    machine : Machine
    bits : int
        Of a score.

    Members
    -------
    classes : In(unsigned)
        Of the program, minus one.
    positive : In(17)
        The least score that is class 1 where there is one alone; with several no score reaches it.
    reserve, write, last : In(1)
        As in Output, where they are allowed.
    values : In(unsigned)
        `machine.requantisers` scores.
    ready : In(1)
    """

    def __init__(self, machine: Machine, *, bits: int) -> None:
        self.bits = bits
        self.output = Output(machine)
        self.machine = machine
        self.program = Symbolic(
            StructLayout({"classes": (machine.outputs - 1).bit_length(), "positive": QUOTIENT_BITS + 1})
        )
        super().__init__(
            {
                "classes": In((machine.outputs - 1).bit_length()),
                "positive": In(QUOTIENT_BITS + 1),
                "reserve": In(1),
                "write": In(1),
                "last": In(1),
                "values": In(machine.requantisers * bits),
                "ready": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.output, m.submodules.program = self.output, self.program
        classes = self.program.value.classes
        m.d.comb += [
            self.program.choice.classes.eq(self.classes),
            self.program.choice.positive.eq(self.positive),
            Assume(classes < self.machine.outputs),
            Assume((classes == 0) | (self.program.value.positive == 1 << QUOTIENT_BITS)),
            self.output.record.classes.eq(classes),
            self.output.record.positive.eq(self.program.value.positive),
            self.output.reserve.eq(self.reserve),
            self.output.write.eq(self.write),
            self.output.last.eq(self.last),
            self.output.stream.tready.eq(self.ready),
        ]
        for index in range(self.machine.requantisers):
            m.d.comb += self.output.values[index].eq(self.values.word_select(index, self.bits))
        scores, complete = self._drain(m, classes)
        self._packet(m, scores, complete, classes)
        return m

    def _drain(self, m: Module, classes: Value) -> tuple[list[Signal], Signal]:
        """The scores of a result as they are written, and that they are; with what is assumed of the drain."""
        size = self.machine.requantisers
        scores = [Signal(self.bits, name=f"score_{index}") for index in range(self.machine.outputs)]
        reserved, complete = Signal(), Signal()
        written = Signal(range(self.machine.outputs + size + 1))
        m.d.comb += [
            Assume(~self.reserve | self.output.free),
            Assume(~self.write | (reserved & ~complete & (written <= classes))),
            Assume(~self.last | (reserved & ~complete & (written + Mux(self.write, size, 0) > classes))),
            Assert(self.output.free == ~reserved, "the buffer is a result's until its class is accepted"),
            Assert(~self.output.stream.tvalid | complete, "nothing is sent before all scores are there"),
        ]
        with m.If(self.reserve):
            m.d.sync += reserved.eq(1)
        with m.If(self.write):
            m.d.sync += written.eq(written + size)
        with m.If(self.last):
            m.d.sync += complete.eq(1)
        with m.If(self.output.sent):
            m.d.sync += [reserved.eq(0), complete.eq(0), written.eq(0)]
        for index, score in enumerate(scores):
            with m.If(self.write & (written == index - index % size)):
                m.d.sync += score.eq(self.values.word_select(index % size, self.bits))
        return scores, complete

    def _packet(self, m: Module, scores: list[Signal], complete: Signal, classes: Value) -> None:
        stream = self.output.stream
        sent = Signal(range(self.machine.outputs + 1))
        accepted, class_next = stream.tvalid & stream.tready, sent == classes + 1
        remain_until_accepted(m, stream.tvalid, stream.tready, Cat(stream.tdata, stream.tlast))
        m.d.comb += Assert(self.output.sent == (accepted & class_next), "a result ends with its class")
        with m.If(stream.tvalid):
            m.d.comb += [
                Assert(stream.tlast == class_next, "TLAST marks the class"),
                Assert(class_next | (stream.tdata == Array(scores)[sent]), "scores in order"),
                Assert(~class_next | (stream.tdata == self._first_greatest(scores, classes)), "the class"),
            ]
        with m.If(accepted):
            m.d.sync += sent.eq(Mux(class_next, 0, sent + 1))

    def _first_greatest(self, scores: list[Signal], classes: Value) -> Value:
        winner: Value = (classes == 0) & (scores[0] >= self.program.value.positive)
        best: Value = scores[0]
        for index, score in enumerate(scores[1:], start=1):
            greater = (classes >= index) & (score > best)
            winner, best = Mux(greater, index, winner), Mux(greater, score, best)
        return winner
