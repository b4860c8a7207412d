"""The weight loader: tiles from the weight stream, in turn into the two slots of the weight memory."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import address_bits
from bcsim.rtl.common.axi import StreamSignature
from bcsim.rtl.common.layouts import weight_unit
from bcsim.rtl.common.loaded_memory import SLICE_BITS, LoadSignature, slices
from bcsim.rtl.common.record_reader import RecordReader
from bcsim.rtl.common.records import stream_layout, weight_stream_layout
from bcsim.rtl.common.require import require_machine

__all__ = ["WeightLoader", "weight_stream_words"]


def weight_stream_words(words: Sequence[int], machine: Machine) -> list[int]:
    """The words of the weight stream that carry these words of the weight memory."""
    bits = 8 * machine.weight_stream_bytes
    return [word >> beat * bits & ((1 << bits) - 1) for word in words for beat in range(machine.weight_beats)]


class WeightLoader(wiring.Component):
    """Writes tile after tile of the weight stream into the weight memory, while one of two slots is free.

    Throughput: one stream word a cycle, but for the cycle behind a layer's last word. Latency: 1 cycle from a word's
    acceptance to its write. A packet of a wrong length stops it until the next reset.

    Parameters
    ----------
    machine : Machine
        One with a weight stream.

    Members
    -------
    stream : In(StreamSignature(machine.weight_stream_bytes))
    program : In(stream_layout(machine))
        The slots, and whether any layer's weights stream.
    record_address : Out(address_bits(machine.layers))
    record : In(weight_stream_layout(machine))
        Of the address two cycles ago.
    release : In(1)
        The tile that arrived first is no longer needed.
    arrived : Out(2)
        Tiles that are complete and not released.
    bad_length : Out(1)
        TLAST comes too early here, or is missing.
    write : Out(LoadSignature(machine.slots, machine.weight_words, weight_unit(machine)))
    """

    def __init__(self, machine: Machine) -> None:
        require_machine(machine)
        self.machine = machine
        write = LoadSignature(width=machine.slots, depth=machine.weight_words, unit=weight_unit(machine))
        super().__init__(
            {
                "stream": In(StreamSignature(size=machine.weight_stream_bytes)),
                "program": In(stream_layout(machine)),
                "record_address": Out(address_bits(machine.layers)),
                "record": In(weight_stream_layout(machine)),
                "release": In(1),
                "arrived": Out(2),
                "bad_length": Out(1),
                "write": Out(write),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stream, record = self.stream, self.record
        m.submodules.reader = reader = RecordReader(layers=self.machine.layers)
        accepted, stopped, change = Signal(), Signal(), Signal()
        word_end, tile_end, layer_end = Signal(), Signal(), Signal()
        last_word = self._count(m, record.words, accepted & word_end)
        last_tile = self._count(m, record.tiles, accepted & tile_end)
        m.d.comb += [
            self.record_address.eq(reader.address),
            reader.take.eq(accepted & layer_end),
            reader.last.eq(record.last),
            stream.tready.eq(self.program.streams & reader.ready & ~change & ~stopped & ~self.arrived[1]),
            accepted.eq(stream.tvalid & stream.tready),
            tile_end.eq(word_end & last_word),
            layer_end.eq(tile_end & last_tile),
            self.bad_length.eq(accepted & (stream.tlast ^ (layer_end & record.last))),
        ]
        m.d.sync += change.eq(reader.take)
        with m.If(self.bad_length):
            m.d.sync += stopped.eq(1)
        complete = Signal()
        m.d.comb += complete.eq(accepted & tile_end & ~self.bad_length)
        m.d.sync += self.arrived.eq(self.arrived + complete - self.release)
        self._collect(m, accepted, word_end)
        self._address(m, accepted, word_end, tile_end)
        return m

    def _count(self, m: Module, whole: Value, advance: Value) -> Value:
        """Whether this is the last of `whole` + 1 trips; the first one begins where the last one of before ends."""
        first, left = Signal(init=1), Signal.like(whole)
        now = Mux(first, whole, left)
        with m.If(advance):
            m.d.sync += [first.eq(now == 0), left.eq(now - 1)]
        return now == 0

    def _collect(self, m: Module, accepted: Signal, word_end: Signal) -> None:
        """The stream's words as writes of a unit each."""
        bits, write = 8 * self.machine.weight_stream_bytes, self.write
        unit, count = len(write.data), slices(self.machine.slots)
        beats = unit // bits
        group = Signal(-(-count // (unit // SLICE_BITS)), init=1)
        beat: Value = Const(0)
        unit_end: Value = Const(1)
        parts: list[Value] = [self.stream.tdata]
        if beats > 1:
            beat = Signal(range(beats))
            unit_end = word_end | (beat == beats - 1)
            kept = [Signal(bits, name=f"kept_{index}") for index in range(beats - 1)]
            for index, part in enumerate(kept):
                with m.If(accepted & (beat == index)):
                    m.d.sync += part.eq(self.stream.tdata)
            parts = [Mux(beat == index, self.stream.tdata, part) for index, part in enumerate(kept)]
            parts.append(self.stream.tdata)
            with m.If(accepted):
                m.d.sync += beat.eq(Mux(unit_end, 0, beat + 1))
        m.d.comb += word_end.eq(group[-1] & (beat == (self.machine.weight_beats - 1) % beats))
        with m.If(accepted & unit_end):
            m.d.sync += group.eq(Mux(word_end, 1, group << 1))
        enables = Cat(group[index // (unit // SLICE_BITS)] for index in range(count))
        m.d.sync += [
            write.slices.eq(Mux(accepted & unit_end, enables, 0)),
            write.data.eq(Cat(parts)),
        ]

    def _address(self, m: Module, accepted: Signal, word_end: Signal, tile_end: Signal) -> None:
        """From a slot's first word on, in the two slots by turns."""
        odd, first = Signal(), Signal(init=1)
        following, address = Signal.like(self.write.address), Signal.like(self.write.address)
        m.d.comb += address.eq(
            Mux(first, Mux(odd, self.program.slot_base_odd, self.program.slot_base), following)
        )
        m.d.sync += self.write.address.eq(address)
        with m.If(accepted & word_end):
            m.d.sync += [following.eq(address + 1), first.eq(tile_end), odd.eq(odd ^ tile_end)]
