"""The weight loader with any program's tiles, beside the words that it should write of its stream."""

from __future__ import annotations

from amaranth.hdl import Array, Assert, Assume, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout, View
from amaranth.lib.wiring import In, connect, flipped

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import address_bits
from bcsim.rtl.common.axi import StreamSignature
from bcsim.rtl.common.layouts import weight_unit
from bcsim.rtl.formal.stream import follows
from bcsim.rtl.formal.symbolic import Symbolic, SymbolicProgram
from bcsim.rtl.streams.weight_loader import WeightLoader

__all__ = ["WeightLoaderProof"]

LAYER = StructLayout({"words": 1, "tiles": 1, "last": 1})
"""Of a layer's record: up to two tiles of up to two words."""


class WeightLoaderProof(wiring.Component):
    """Asserts which words the loader accepts, what it writes of them and where, and how many tiles count as arrived.

    - A word is accepted within 4 cycles while a slot is free, and none while both are full.
    - Each word of a tile is written behind its last beat, bit for bit, to its place in the tile's slot; tiles take the
      two slots by turns, through all layers and images. Nothing else is written.
    - A tile has arrived when its last beat is accepted, until it is released.
    - A packet whose TLAST is not with its last word is told once, and no word is accepted behind it.

    Assumed, as the mapping sees to it: both slots have addresses for every layer's tiles; one record is the last; a
    tile is released only while one is there.

    Parameters
    ----------
    machine : Machine
        One with a weight stream.

    Members
    -------
    choice : In(ArrayLayout(LAYER, machine.layers))
        Any program.
    slot_choice : In(StructLayout)
        Where its two slots begin.
    stream : In(StreamSignature(machine.weight_stream_bytes))
    release : In(1)
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.loader = WeightLoader(machine)
        self.program = SymbolicProgram(LAYER, machine.layers)
        bits = address_bits(machine.weight_words)
        self.slots = Symbolic(StructLayout({"slot_base": bits, "slot_base_odd": bits}))
        super().__init__(
            {
                "choice": In(ArrayLayout(LAYER, machine.layers)),
                "slot_choice": In(self.slots.value.shape()),
                "stream": In(StreamSignature(size=machine.weight_stream_bytes)),
                "release": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loader, m.submodules.program = loader, program = self.loader, self.program
        m.submodules.slots = slots = self.slots
        connect(m, flipped(self.stream), loader.stream)
        m.d.comb += [
            slots.choice.eq(self.slot_choice.as_value()),
            program.choice.eq(self.choice.as_value()),
            program.address.eq(loader.record_address),
            *(loader.record[name].eq(program.record[name]) for name in LAYER.members),
            *(loader.program[name].eq(slots.value[name]) for name in ("slot_base", "slot_base_odd")),
            loader.program.streams.eq(1),
            loader.release.eq(self.release),
        ]
        self._assume_program(m)
        accepted = loader.stream.tvalid & loader.stream.tready
        ends, places = self._walk(m, accepted)
        bad = accepted & (loader.stream.tlast ^ ends["image"])
        m.d.comb += Assert(loader.bad_length == bad, "a wrong length is told once")
        arrived = self._count_tiles(m, accepted & ends["tile"] & ~bad)
        self._check_acceptance(m, arrived, bad)
        self._check_writes(m, accepted, ends["tile"], places)
        return m

    def _assume_program(self, m: Module) -> None:
        ended: Value = Const(0)
        for layer in self.program.words:
            ended = ended | layer.last
            for base in (self.slots.value.slot_base, self.slots.value.slot_base_odd):
                m.d.comb += Assume(base + layer.words < self.machine.weight_words)
        m.d.comb += Assume(ended)

    def _walk(self, m: Module, accepted: Value) -> tuple[dict[str, Value], dict[str, Signal]]:
        """What the beat to come ends, and which beat and word of its tile it is."""
        program = self.program
        index, tile = Signal(range(self.machine.layers)), Signal()
        word, beat = Signal(), Signal(range(self.machine.weight_beats + 1))
        layer = View(LAYER, Array(record.as_value() for record in program.words)[index])
        ends: dict[str, Value] = {"word": beat == self.machine.weight_beats - 1}
        ends["tile"] = ends["word"] & (word == layer.words)
        ends["layer"] = ends["tile"] & (tile == layer.tiles)
        ends["image"] = ends["layer"] & layer.last
        with m.If(accepted):
            m.d.sync += [
                beat.eq(Mux(ends["word"], 0, beat + 1)),
                word.eq(Mux(ends["tile"], 0, word + ends["word"])),
                tile.eq(Mux(ends["layer"], 0, tile + ends["tile"])),
                index.eq(Mux(ends["image"], 0, index + ends["layer"])),
            ]
        return ends, {"word": word, "beat": beat}

    def _count_tiles(self, m: Module, complete: Value) -> Signal:
        """How many tiles there are."""
        arrived = Signal(range(4))
        m.d.sync += arrived.eq(arrived + complete - self.release)
        m.d.comb += [
            Assume(~self.release | arrived.any()),
            Assert(self.loader.arrived == arrived, "complete tiles count, until they are released"),
            Assert(arrived <= 2, "no more tiles than slots"),
        ]
        return arrived

    def _check_acceptance(self, m: Module, arrived: Signal, bad: Value) -> None:
        ready, stopped = self.loader.stream.tready, Signal()
        with m.If(bad):
            m.d.sync += stopped.eq(1)
        free = ~stopped & (arrived != 2)
        m.d.comb += [
            Assert(~ready | free, "no word while both slots are full, nor behind a wrong length"),
            Assert(follows(m, free, ready), "a word while a slot is free"),
        ]

    def _check_writes(self, m: Module, accepted: Value, tile_end: Value, places: dict[str, Signal]) -> None:
        machine, write, size = self.machine, self.loader.write, 8 * self.machine.weight_stream_bytes
        unit, odd = weight_unit(machine), Signal()
        beats = unit // size
        beat = places["beat"]
        collected = Signal(machine.weight_beats * size)
        base = Mux(odd, self.slots.value.slot_base_odd, self.slots.value.slot_base)
        address, written = Signal(len(write.address) + 1), Signal(range(machine.weight_beats + 1))
        last = beat == machine.weight_beats - 1
        m.d.sync += [
            written.eq(Mux(accepted & (last | (beat % beats == beats - 1)), beat // beats + 1, 0)),
            address.eq(base + places["word"]),
        ]
        with m.If(accepted):
            m.d.sync += [collected.word_select(beat, size).eq(self.stream.tdata), odd.eq(odd ^ tile_end)]
        width = max(1, unit // 32)
        wanted = Cat((written == group // width + 1) for group in range(len(write.slices)))
        m.d.comb += Assert(write.slices == wanted, "each unit behind its last beat, and nothing else")
        for number in range(-(-machine.slots // unit)):
            bits = min(unit, machine.slots - number * unit)
            with m.If(written == number + 1):
                m.d.comb += [
                    Assert(write.address == address, "the word's place in the slot"),
                    Assert(write.data[:bits] == collected[number * unit :][:bits], "the word's bits"),
                ]
