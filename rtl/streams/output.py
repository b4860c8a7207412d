"""The output: scores and class on the output stream."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import QUOTIENT_BITS, address_bits
from bcsim.rtl.common.axi import StreamSignature
from bcsim.rtl.common.records import stream_layout
from bcsim.rtl.common.require import require_machine
from bcsim.rtl.streams.batch_buffer import buffer_batch

__all__ = ["Output", "packet"]


def packet(scores: Sequence[int], positive: int) -> list[int]:
    """The words sent for an image: its scores, then the index of the first greatest.

    positive : the least that is class 1 where there is one score alone.
    """
    if len(scores) == 1:
        return [*scores, int(scores[0] >= positive)]
    return [*scores, max(range(len(scores)), key=scores.__getitem__)]


class Output(wiring.Component):
    """A buffer of one image's scores, or of as many as are taken at once, and the stream that empties it.

    Latency: 2 cycles from `last` to the first word; throughput: one word a cycle.

    Parameters
    ----------
    machine : Machine

    Members
    -------
    record : In(stream_layout(machine))
    write : In(1)
        `values` are the next scores in class order.
    last : In(1)
        The last ones are being written, or were in the cycle before.
    values : In(ArrayLayout(QUOTIENT_BITS, machine.requantisers))
    reserve : In(1)
        A layer of scores begins: the buffer is its own until the last class is sent.
    free : Out(1)
        No image's scores are in the buffer or on their way to it.
    sent : Out(1)
        A class is accepted in this cycle.
    turn : In(1)
        `values` are an image's last ones of their tile; as `emptied`, only where a machine can take several at once.
    emptied : Out(1)
        The class of the last of them is accepted in this cycle.
    stream : Out(StreamSignature(4))
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        super().__init__(
            {
                "record": In(stream_layout(machine)),
                "write": In(1),
                "last": In(1),
                "values": In(ArrayLayout(QUOTIENT_BITS, machine.requantisers)),
                "reserve": In(1),
                "free": Out(1, init=1),
                "sent": Out(1),
                **({"turn": In(1), "emptied": Out(1)} if machine.batch > 1 else {}),
                "stream": Out(StreamSignature(size=4)),
            }
        )

    @property
    def _class_bits(self) -> int:
        """Of a class's number: no wider than the record's field, nor than the buffer has scores for."""
        return min(len(self.record.classes), address_bits(self.machine.outputs))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stream = self.stream
        index, final = Signal(self._class_bits), Signal()
        score, accepted, more = Signal(QUOTIENT_BITS), Signal(), Signal()
        winner = self._compare(m, score, accepted & more, index)
        m.d.comb += final.eq(index == self.record.classes[: len(index)])
        if self.machine.batch > 1:
            alone = buffer_batch(m, self.machine, self, score, accepted & more, final)
            m.d.comb += self.emptied.eq(self.sent & alone)
            emptied = self.emptied
        else:
            self._buffer(m, score, accepted & more)
            emptied = self.sent
        m.d.comb += [
            accepted.eq(stream.tvalid & stream.tready),
            self.sent.eq(accepted & stream.tlast),
            more.eq(~stream.tlast),
            stream.tdata.eq(Mux(stream.tlast, winner, score)),
        ]
        with m.FSM():
            with m.State("Gather"), m.If(self.last):
                m.next = "Read"
            with m.State("Read"):
                m.next = "Send"
            with m.State("Send"):
                m.d.comb += stream.tvalid.eq(1)
                with m.If(accepted):
                    m.d.sync += stream.tlast.eq(more & final)
                with m.If(emptied):
                    m.next = "Gather"
        with m.If(self.reserve):
            m.d.sync += self.free.eq(0)
        with m.Elif(emptied):
            m.d.sync += self.free.eq(1)
        return m

    def _buffer(self, m: Module, score: Signal, advance: Value) -> None:
        """The scores, R in a word; `score` is the next to send."""
        requantisers = self.machine.requantisers
        depth = max(2, -(-self.machine.outputs // requantisers))
        m.submodules.scores = scores = memory.Memory(shape=requantisers * QUOTIENT_BITS, depth=depth, init=[])
        write, read = scores.write_port(), scores.read_port()
        word, lane = Signal(address_bits(depth)), Signal(range(requantisers))
        word_end = Signal()
        m.d.comb += [
            write.en.eq(self.write),
            write.data.eq(self.values),
            word_end.eq(advance & (lane == requantisers - 1)),
            read.addr.eq(word + word_end),
            score.eq(read.data.word_select(lane, QUOTIENT_BITS)),
        ]
        with m.If(self.write):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(advance):
            m.d.sync += [word.eq(word + word_end), lane.eq(Mux(word_end, 0, lane + 1))]
        with m.If(self.sent):
            m.d.sync += [write.addr.eq(0), word.eq(0), lane.eq(0)]

    def _compare(self, m: Module, score: Signal, advance: Value, index: Signal) -> Value:
        """The index of the first greatest of the scores sent so far; of a first one whether it is positive.

        A score is compared in the cycle behind the one in which it is sent: from registers, not from the buffer.

        index : of the score that is sent next.
        """
        winner, latest = Signal(self._class_bits, name="winner"), Signal(self._class_bits, name="latest")
        sent, best = Signal(QUOTIENT_BITS), Signal(QUOTIENT_BITS)
        begun, fresh, wins = Signal(), Signal(), Signal()
        chosen = Mux(begun, latest, sent >= self.record.positive)
        m.d.comb += wins.eq(fresh & ((sent > best) | ~begun))
        m.d.sync += fresh.eq(advance)
        with m.If(advance):
            m.d.sync += [sent.eq(score), latest.eq(index), index.eq(index + 1)]
        with m.If(fresh):
            m.d.sync += begun.eq(1)
        with m.If(wins):
            m.d.sync += [best.eq(sent), winner.eq(chosen)]
        with m.If(self.sent):
            m.d.sync += [index.eq(0), begun.eq(0)]
        return Mux(wins, chosen, winner)
