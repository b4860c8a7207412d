"""The loader, fed with images of any length, beside what it should make of them."""

from __future__ import annotations

from amaranth.hdl import Assert, Assume, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, connect, flipped

from bcsim.machine.parameters import Machine
from bcsim.rtl.common.axi import StreamSignature
from bcsim.rtl.formal.symbolic import Symbolic
from bcsim.rtl.streams.loader import Loader

__all__ = ["LoaderProof"]

PROGRAM = StructLayout({"beats": 3, "digits": 1, "base": 3, "base_odd": 3})
"""Of the stream record what the loader reads: images of up to 8 stream words."""


BATCH = StructLayout({**PROGRAM.members, "images": 1})
"""The same on a machine that takes up to two images at once."""


class LoaderProof(wiring.Component):
    """Asserts which words the loader accepts, what it writes of them and where, and which images count as loaded.

    - A word is accepted while nothing is left to write, and an image's first one while a region is free.
    - Behind a chunk's last word come its digits, as many as a value has, most significant first, from the
      region's base on; an image that counts as loaded has all its words written.
    - An image counts if its TLAST comes with the word that the record says; any other is told once.
    - Where several are taken at once, each image begins behind the one before, or where one was dropped, and they count
      as loaded together.

    Assumed: an image is released only while one is loaded; the region's words have addresses.

    Parameters
    ----------
    machine : Machine
        Not spatial, or of a `batch` of 2.

    Members
    -------
    choice : In(PROGRAM), In(BATCH)
        Any program's; on a machine of a batch that of any dense network.
    stream : In(StreamSignature(machine.input_bytes, keep))
    write_ready, release : In(1)
    """

    def __init__(self, machine: Machine) -> None:
        self.loader = Loader(machine)
        self.machine = machine
        self.layout = BATCH if machine.batch > 1 else PROGRAM
        self.program = Symbolic(self.layout)
        self.beats_of_chunk = machine.lanes // machine.input_bytes
        super().__init__(
            {
                "choice": In(self.layout),
                "stream": In(StreamSignature(size=machine.input_bytes, keep=True)),
                "write_ready": In(1),
                "release": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loader, m.submodules.program = loader, program = self.loader, self.program
        connect(m, flipped(self.stream), loader.stream)
        m.d.comb += [
            program.choice.eq(self.choice),
            *(loader.record[name].eq(program.value[name]) for name in self.layout.members),
            loader.write_ready.eq(self.write_ready),
            loader.release.eq(self.release),
        ]
        if self.machine.spatial:
            m.d.comb += loader.record.position_beats.eq(program.value.beats)
        pending, ending = Signal(range(3)), Signal()
        written = pending.any() & self.write_ready
        chunk_written = written & (pending == 1)
        beat, taken, dropped = self._accept(m, pending, ending)
        image_end = chunk_written & ending
        place, complete = self._batch(m, image_end)
        full, odd = self._count_images(m, complete)
        m.d.comb += [
            Assert(loader.stream.tready == (~pending.any() & (dropped | (beat != 0) | ~full)), "accepts"),
            Assert(loader.write.enable == pending.any().replicate(self.machine.groups), "writes"),
        ]
        with m.If(written):
            m.d.sync += pending.eq(pending - 1)
        self._check_data(m, pending, taken, beat, chunk_written)
        self._check_addresses(m, pending, odd, taken & (beat == 0), written, image_end, place)
        return m

    def _batch(self, m: Module, image_end: Value) -> tuple[Value, Value]:
        """How many images of the batch are written, and whether the last one is in this cycle."""
        if self.machine.batch == 1:
            return Const(0), image_end
        place = Signal()
        last = place == self.program.value.images
        with m.If(image_end):
            m.d.sync += place.eq(~last)
        return place, image_end & last

    def _accept(self, m: Module, pending: Signal, ending: Signal) -> tuple[Signal, Value, Signal]:
        """The place in its image of the word to come, that one is taken now, and that it belongs to no image."""
        stream = self.loader.stream
        beat, dropped = Signal(range(9)), Signal()
        accepted = stream.tvalid & stream.tready
        taken, due = accepted & ~dropped, beat == self.program.value.beats
        m.d.comb += Assert(self.loader.bad_length == (taken & (due ^ stream.tlast)), "told once")
        with m.If(taken):
            m.d.sync += [
                beat.eq(Mux(due | stream.tlast, 0, beat + 1)),
                dropped.eq(due & ~stream.tlast),
                ending.eq(due),
            ]
            chunk_end = (beat + 1) % self.beats_of_chunk == 0
            with m.If(Mux(due, stream.tlast, chunk_end & ~stream.tlast)):
                m.d.sync += pending.eq(self.program.value.digits + 1)
        with m.Elif(accepted & stream.tlast):
            m.d.sync += dropped.eq(0)
        return beat, taken, dropped

    def _count_images(self, m: Module, complete: Value) -> tuple[Value, Signal]:
        """Whether no region is free, and which one is next."""
        images, odd = Signal(range(3)), Signal()
        m.d.sync += [images.eq(images + complete - self.release), odd.eq(odd ^ complete)]
        m.d.comb += [
            Assume(~self.release | images.any()),
            Assert(self.loader.loaded == images.any(), "only whole images count"),
            Assert(images <= self.machine.input_buffers, "no more images than regions"),
        ]
        return images == self.machine.input_buffers, odd if self.machine.input_buffers == 2 else Signal()

    def _check_data(
        self, m: Module, pending: Signal, taken: Value, beat: Signal, chunk_written: Value
    ) -> None:
        """Each value is written as it was accepted; lanes beyond the image hold 0."""
        stream, size = self.loader.stream, self.machine.input_bytes
        values = [Signal(8, name=f"value_{lane}") for lane in range(self.machine.lanes)]
        for lane, value in enumerate(values):
            with m.If(taken & (beat % self.beats_of_chunk == lane // size)):
                kept = stream.tkeep[lane % size]
                m.d.sync += value.eq(Mux(kept, stream.tdata.word_select(lane % size, 8), 0))
            with m.If(chunk_written | self.loader.bad_length):
                m.d.sync += value.eq(0)
        with m.If(pending.any()):
            word = Cat(value.word_select((pending - 1)[:1], self.machine.digit) for value in values)
            m.d.comb += Assert(self.loader.write.data == word, "the digits that are left")

    def _check_addresses(
        self,
        m: Module,
        pending: Signal,
        odd: Signal,
        begins: Value,
        written: Value,
        complete: Value,
        place: Value,
    ) -> None:
        """An image's words lie one behind the other from its region's base on, or behind the image before, and are all
        written."""
        program = self.program.value
        chunks = (program.beats + self.beats_of_chunk) // self.beats_of_chunk
        words, count = Signal(5), Signal(5)
        m.d.comb += words.eq(Mux(program.digits, chunks << 1, chunks))
        for base in (program.base, program.base_odd):
            ends = base + words if self.machine.batch == 1 else base + words + Mux(program.images, words, 0)
            m.d.comb += Assume(ends <= self.machine.activation_words)
        with m.If(begins):
            m.d.sync += count.eq(0)
        with m.Elif(written):
            m.d.sync += count.eq(count + 1)
        with m.If(pending.any()):
            address = Mux(odd, program.base_odd, program.base) + Mux(place, words, 0) + count
            m.d.comb += Assert(self.loader.write.address == address, "one behind the other")
            m.d.comb += Assert(count < words, "within the region")
        m.d.comb += Assert(~complete | (count + 1 == words), "as many words as the image has")
