"""The drain walker in any program, beside the places of the values that it should have written."""

from __future__ import annotations

from amaranth.hdl import Array, Assert, Assume, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout, View
from amaranth.lib.wiring import In

from bcsim.machine.latency import RECORD_CHANGE, round_cycles
from bcsim.machine.parameters import Machine
from bcsim.rtl.common.layouts import tile_rounds
from bcsim.rtl.formal.drain_writer import writer_free
from bcsim.rtl.formal.symbolic import SymbolicProgram
from bcsim.rtl.sequencer.drain import DrainWalker

__all__ = ["DrainProof"]

PASSES = ("window", "tiles", "positions")
"""Loops around a pass, from the innermost out; a machine without `spatial` has the tiles alone."""

FIRST_TILE = 4
"""Cycles from reset to the first tile, at least: that of the first step, and the array's latency."""


class DrainProof(wiring.Component):
    """Asserts that round k of a layer is written to group k % G of the words from base + k // G * digits on.

    That is for every round, once and in order, so that all of a layer's values lie in the words that its rounds
    fill; the layer's last round is marked, and each leaves the writer the time for its digits.

    On a spatial machine, rounds are counted through all positions, and of a pooling window's passes only the last
    one's are written.

    Assumed, as the mapping sees to it: the words of a layer have addresses; its digits are no more than the cycles
    of a round; one record is the last; no tile comes before the one before has had its rounds (the issue walker's
    timer).

    Parameters
    ----------
    machine : Machine
        Its `layers` are the most that a program has.
    search : bool
        The kind of the rounds.

    Members
    -------
    choice : In(ArrayLayout(StructLayout, machine.layers))
        Any program: layers of up to two tiles, positions and passes of a window, values of up to two bits and digits.
    tile : In(1)
    """

    def __init__(self, machine: Machine, *, search: bool) -> None:
        self.machine, self.search = machine, search
        self.walker = DrainWalker(machine)
        rounds = (tile_rounds(machine) - 1).bit_length()
        self.passes = PASSES if machine.spatial else ("tiles",)
        fields = dict.fromkeys((*self.passes, "bits", "digits", "scores", "last"), 1)
        fields |= dict.fromkeys(("rounds_full", "rounds_last"), rounds)
        layout = StructLayout(fields | {"write_base": len(self.walker.place.address)})
        self.program = SymbolicProgram(layout, machine.layers)
        super().__init__({"choice": In(ArrayLayout(layout, machine.layers)), "tile": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.walker, m.submodules.program = walker, program = self.walker, self.program
        m.d.comb += [
            program.choice.eq(self.choice.as_value()),
            program.address.eq(walker.record_address),
            *(walker.record[name].eq(program.record[name]) for name, _ in program.record.shape()),
            walker.record.search.eq(self.search),
            walker.tile.eq(self.tile),
            Assert(walker.record_address < self.machine.layers, "a record"),
        ]
        self._assume_program(m)
        self._assume_tiles(m)
        self._check_places(m)
        m.d.comb += Assert(~walker.write | writer_free(m, walker.write, walker.place), "the writer has time")
        return m

    def _layer(self, m: Module, name: str, advance: Value) -> View[StructLayout]:
        """The record that a count through the program has come to; the next one behind `advance`."""
        program = self.program
        index = Signal(range(self.machine.layers), name=f"{name}_layer")
        layer = View(program.record.shape(), Array(word.as_value() for word in program.words)[index])
        with m.If(advance):
            m.d.sync += index.eq(Mux(layer.last, 0, index + 1))
        return layer

    def _assume_program(self, m: Module) -> None:
        ended: Value = Const(0)
        for layer in self.program.words:
            m.d.comb += [
                Assume(
                    layer.scores | (layer.write_base + self._words(layer) <= self.machine.activation_words)
                ),
                Assume(self.search | (layer.digits <= layer.bits)),
            ]
            ended = ended | layer.last
        m.d.comb += Assume(ended)

    def _words(self, layer: View[StructLayout]) -> Value:
        """That the layer's rounds fill."""
        words = (self._rounds(layer) + self.machine.groups - 1) // self.machine.groups
        return Mux(layer.digits, words << 1, words)

    def _rounds(self, layer: View[StructLayout]) -> Value:
        """That are written."""
        rounds = Mux(layer.tiles, layer.rounds_full + 1, 0) + layer.rounds_last + 1
        return Mux(layer.positions, rounds << 1, rounds) if self.machine.spatial else rounds

    def _assume_tiles(self, m: Module) -> None:
        """No tile before the walker has its first record, nor before the rounds of the one before."""
        left, ends = Signal(range(32), init=FIRST_TILE), Signal()
        layer = self._layer(m, "tile", self.tile & ends)
        seconds = {name: Signal(name=f"second_of_{name}") for name in self.passes}
        more = Mux(seconds["tiles"] == layer.tiles, layer.rounds_last, layer.rounds_full)
        cycles = Mux(
            layer.bits, *(round_cycles(bits, self.search, self.machine.divide_cycles) for bits in (2, 1))
        )
        advance: Value = self.tile
        for name, second in seconds.items():
            with m.If(advance):
                m.d.sync += second.eq(second != layer[name])
            advance = advance & (second == layer[name])
        m.d.comb += [
            Assume(~self.tile | (left == 0)),
            ends.eq(Cat(second == layer[name] for name, second in seconds.items()).all()),
        ]
        with m.If(self.tile):
            m.d.sync += left.eq(Mux(more, cycles << 1, cycles) - 1 + Mux(ends, RECORD_CHANGE, 0))
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)

    def _check_places(self, m: Module) -> None:
        walker, groups = self.walker, self.machine.groups
        round_, offset, group = (
            Signal(range(2 * tile_rounds(self.machine) * (1 + self.machine.spatial) + 1)),
            Signal.like(walker.place.address),
            Signal.like(walker.place.group),
        )
        ends = Signal()
        layer = self._layer(m, "written", walker.write & ends)
        m.d.comb += ends.eq(round_ == self._rounds(layer) - 1)
        with m.If(walker.write):
            word_ends = ends | (group == groups - 1)
            m.d.comb += [
                Assert(walker.place.last == ends, "the layer's last round"),
                Assert(walker.place.scores == layer.scores, "to the memory or the output"),
                Assert(walker.place.digits == layer.digits, "as many digits"),
                Assert(walker.place.group == group, "the round's group"),
                Assert(
                    layer.scores | (walker.place.address == layer.write_base + offset), "the round's word"
                ),
                Assert(offset + layer.digits < self._words(layer), "inside the tensor"),
            ]
            m.d.sync += round_.eq(Mux(ends, 0, round_ + 1))
            m.d.sync += group.eq(Mux(word_ends, 0, group + 1))
            m.d.sync += offset.eq(Mux(ends, 0, Mux(word_ends, offset + layer.digits + 1, offset)))
