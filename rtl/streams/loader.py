"""The loader: pixels from the input stream, as digits in the activation memory."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import address_bits
from bcsim.rtl.common.axi import StreamSignature
from bcsim.rtl.common.layouts import digit_words
from bcsim.rtl.common.memory import WriteSignature
from bcsim.rtl.common.records import stream_layout
from bcsim.rtl.common.require import require_machine

__all__ = ["Loader", "image_words"]


def image_words(values: Sequence[int], *, lanes: int, digits: int, digit: int) -> list[int]:
    """The activation words of an image in order of address; lanes beyond the image hold 0."""
    words = []
    for start in range(0, len(values), lanes):
        words += digit_words(values[start : start + lanes], digits=digits, width=digit)
    return words


class Loader(wiring.Component):
    """Collects an activation word's values, then writes its digits.

    Throughput: `lanes / input_bytes` stream words in as many cycles, then one cycle for every digit, more where
    the drain writer is in the way. docs/machine.md, "Loading an image".

    Parameters
    ----------
    machine : Machine

    Members
    -------
    stream : In(StreamSignature(machine.input_bytes, keep))
    record : In(stream_layout(machine))
    write : Out(WriteSignature(machine))
    write_ready : In(1)
        The write happens.
    release : In(1)
        The image loaded first is no longer needed; where several are taken at once, all of them.
    loaded : Out(1)
        At least one image is complete, or as many as are taken at once.
    bad_length : Out(1)
        An image ends here that is shorter or longer than the record says; it is dropped.
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        super().__init__(
            {
                "stream": In(StreamSignature(size=machine.input_bytes, keep=True)),
                "record": In(stream_layout(machine)),
                "write": Out(WriteSignature(machine)),
                "write_ready": In(1),
                "release": In(1),
                "loaded": Out(1),
                "bad_length": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stream, record, write = self.stream, self.record, self.write
        first, ending = Signal(init=1), Signal()
        image = Signal()
        left, digit = Signal(self._beat_bits(record.beats)), Signal.like(record.digits)
        accepted, collecting, full, odd, clear = Signal(), Signal(), Signal(), Signal(), Signal()
        beats, due = Signal.like(left), Signal()
        chunk_end = self._collect(m, accepted, collecting, clear, digit)
        region = Mux(odd, record.base_odd, record.base)
        begin, complete = self._batch(m, image, region) if self.machine.batch > 1 else (region, image)
        if self.machine.spatial:
            chunk_end |= self._count_position(m, accepted, stream.tlast | due)
        m.d.comb += [
            accepted.eq(stream.tvalid & stream.tready),
            beats.eq(Mux(first, record.beats[: len(left)], left)),
            due.eq(beats == 0),
        ]
        with m.FSM():
            with m.State("Collect"):
                m.d.comb += [
                    collecting.eq(1),
                    stream.tready.eq(~(first & full)),
                    self.bad_length.eq(accepted & (stream.tlast ^ due)),
                    clear.eq(self.bad_length),
                ]
                with m.If(accepted):
                    m.d.sync += [
                        left.eq(beats - 1),
                        first.eq(stream.tlast | due),
                        ending.eq(due),
                        digit.eq(record.digits),
                    ]
                    with m.If(first):
                        m.d.sync += write.address.eq(begin)
                    with m.If(due & ~stream.tlast):
                        m.next = "Drop"
                    with m.Elif(due | (chunk_end & ~stream.tlast)):
                        m.next = "Write"
            with m.State("Write"):
                m.d.comb += write.enable.eq(~0)
                with m.If(self.write_ready):
                    m.d.sync += [digit.eq(digit - 1), write.address.eq(write.address + 1)]
                    with m.If(digit == 0):
                        m.d.comb += [clear.eq(1), image.eq(ending)]
                        m.next = "Collect"
            with m.State("Drop"):
                m.d.comb += [stream.tready.eq(1), clear.eq(1)]
                with m.If(accepted & stream.tlast):
                    m.next = "Collect"
        self._count(m, complete, full, odd)
        return m

    def _beat_bits(self, field: Value) -> int:
        """Bits of a count of stream words: no wider than its field, nor than the activation memory has values for."""
        machine = self.machine
        return min(len(field), address_bits(machine.activation_words * machine.lanes // machine.input_bytes))

    def _collect(
        self, m: Module, accepted: Signal, collecting: Signal, clear: Signal, digit: Signal
    ) -> Value:
        """A chunk's values; returns whether the word to come is the chunk's last.

        A word that waits is kept every cycle, the last time when it is accepted, and a chunk's first word clears what
        the others of the chunk before have left: whether a region is free and an image ends comes late in a cycle.
        """
        machine, size = self.machine, self.machine.input_bytes
        width = -(-machine.activation_bits // machine.digit) * machine.digit
        values = Signal(ArrayLayout(width, machine.lanes), reset_less=True)
        position = Signal(range(machine.lanes // size))
        last = position == machine.lanes // size - 1
        kept = collecting & self.stream.tvalid
        for lane in range(machine.lanes):
            byte = self.stream.tdata.word_select(lane % size, 8)[:width]
            here = position == lane // size
            with m.If(kept & (here | (position == 0))):
                m.d.sync += values[lane].eq(Mux(here & self.stream.tkeep[lane % size], byte, 0))
        with m.If(accepted):
            m.d.sync += position.eq(position + 1)
        with m.If(clear):
            m.d.sync += position.eq(0)
        m.d.comb += self.write.data.eq(Cat(value.word_select(digit, machine.digit) for value in values))
        return last

    def _count_position(self, m: Module, accepted: Signal, image_end: Value) -> Value:
        """Whether the word to come is its position's last."""
        left = Signal(self._beat_bits(self.record.position_beats))
        whole = self.record.position_beats[: len(left)]
        first, last = Signal(init=1), Signal()
        m.d.comb += last.eq(Mux(first, whole, left) == 0)
        with m.If(accepted):
            m.d.sync += [first.eq(last | image_end), left.eq(Mux(first, whole, left) - 1)]
        return last

    def _batch(self, m: Module, image: Signal, region: Value) -> tuple[Value, Value]:
        """Where an image begins, and whether it completes those that are taken at once.

        image : its last word is written in this cycle. A dropped image leaves its place to the next one.
        """
        count, place = Signal.like(self.record.images), Signal.like(self.write.address)
        last = count == self.record.images
        with m.If(image):
            m.d.sync += [count.eq(Mux(last, 0, count + 1)), place.eq(self.write.address + 1)]
        return Mux(count == 0, region, place), image & last

    def _count(self, m: Module, complete: Value, full: Signal, odd: Signal) -> None:
        """How many images, or batches of them, are complete, and which region is next.

        A release comes late in its cycle and from afar: it is counted a cycle later, and looked at until then.
        """
        images, released = Signal(range(self.machine.input_buffers + 1)), Signal()
        m.d.comb += [
            full.eq((images == self.machine.input_buffers) & ~released),
            self.loaded.eq(images > released),
        ]
        m.d.sync += [released.eq(self.release), images.eq(images + complete - released)]
        if self.machine.input_buffers == 2:
            m.d.sync += odd.eq(odd ^ complete)
