"""The walk through windows in any convolution, beside the positions that its loops should be at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.hdl import Assert, Assume, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout, View
from amaranth.lib.wiring import In

from bcsim.machine.parameters import Machine
from bcsim.machine.widths import address_bits
from bcsim.rtl.formal.symbolic import Symbolic
from bcsim.rtl.sequencer.loop import NestedLoops
from bcsim.rtl.sequencer.loop_order import issue_order
from bcsim.rtl.sequencer.window_walk import WindowWalk

__all__ = ["WindowProof"]

STEP_BITS = 2
"""Of the rows and columns from one window to the next."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step is: row and column of the tensor, from 0, and its word at that position, of so many."""

    row: Value
    column: Value
    word: Value
    words: Value


class WindowProof(wiring.Component):
    """Asserts that every step of any layer reads the word of its place in the loops, which lies in its tensor.

    A step whose row or column lies outside of the tensor is marked as padding, and only such a step is.

    Assumed, as the mapping sees to it: strides are those of tensors that lie row by row; both sources' tensors have
    addresses; a layer whose tiles have channels of their own has as many chunks as they need together. Steps come in
    any cycles of a layer. A layer starts in any cycle behind the one before, or in that of its last step.

    Parameters
    ----------
    machine : Machine
        A spatial one.
    loops : mapping of str to int
        Bits of the trip counts of some of the machine's loops; the others have one trip.
    side : int
        Bits of the tensor's height and width.

    Members
    -------
    choice : In(StructLayout)
        Any layer: its trips, its tensor, the padding above and on the left, and whether tiles have channels of their
        own.
    start, advance : In(1)
    """

    def __init__(self, machine: Machine, *, loops: Mapping[str, int], side: int) -> None:
        self.machine, self.loops = machine, dict(loops)
        address = address_bits(machine.activation_words)
        fields = self.loops | {"height": side, "width": side, "top": 1, "left": 1, "own_channels": 1}
        self.order = issue_order(machine)
        self.steps = (
            "down",
            "right",
            "pool_down",
            "pool_right",
            *(["strip_right"] if self.order.strips else []),
        )
        fields |= dict.fromkeys(self.steps, STEP_BITS)
        fields |= {f"short_{name}": self.loops[name] for name in self.order.short if name in self.loops}
        layout = StructLayout(fields | {"base": address, "second_base": address})
        self.layer = Symbolic(layout)
        super().__init__({"choice": In(layout), "start": In(1), "advance": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.layer, m.submodules.walk = self.layer, WindowWalk(self.machine)
        m.submodules.loops = loops = NestedLoops(
            widths={name: self.loops.get(name, 1) for name in self.order.names}, short=self.order.short
        )
        walk, layer = m.submodules.walk, self.layer.value
        walking, counts = self._count(m, loops)
        m.d.comb += [
            self.layer.choice.eq(self.choice.as_value()),
            loops.start.eq(self.start),
            loops.idle.eq(self.start),
            loops.advance.eq(self.advance),
            *(loops.counts[name].eq(layer[name]) for name in self.loops),
            *(loops.short_counts[name].eq(self._last(layer, name, True)) for name in self.order.short),
            walk.start.eq(self.start),
            walk.advance.eq(self.advance),
            walk.turns.eq(loops.turns),
            walk.ends.eq(loops.ends),
            walk.base.eq(layer.base),
            walk.layer.eq(walk.record),
        ]
        words = self._words(layer)
        self._record(m, walk.record, layer, words)
        self._assume_tensors(m, layer, words)
        with m.If(walking):
            self._check(m, walk, layer, self._place(layer, counts, words), counts["sources"])
        return m

    def _last(self, layer: View[StructLayout], name: str, short: Value | bool) -> Value:
        """A loop's last trip, from 0; `short` where another loop is in its last one."""
        if name not in self.loops:
            return Const(0)
        full = layer[name]
        return Mux(short, layer[f"short_{name}"], full) if name in self.order.short else full

    def _trips(self, layer: View[StructLayout], name: str) -> Value:
        return layer[name] + 1 if name in self.loops else Const(1)

    def _words(self, layer: View[StructLayout]) -> Value:
        """Of one position."""
        one_tile = self._trips(layer, "chunks") * self._trips(layer, "digits")
        return Mux(layer.own_channels, one_tile * self._trips(layer, "tiles"), one_tile)

    def _record(self, m: Module, record: View[StructLayout], layer: View[StructLayout], words: Value) -> None:
        """The layer as the mapping writes it."""
        row = layer.width * words
        one_tile = self._trips(layer, "chunks") * self._trips(layer, "digits")
        fields: dict[str, Value] = {
            **{name: layer[name] for name in self.loops},
            **{name: layer[name] for name in ("height", "width", *self.steps)},
            "top": -layer.top,
            "left": -layer.left,
            "origin": -(layer.top * row + layer.left * words),
            "source_stride": layer.second_base - layer.base,
            "kernel_row_stride": row,
            "kernel_column_stride": words,
            "window_row_stride": layer.down * row,
            "window_column_stride": layer.right * words,
            "row_stride": layer.pool_down * row,
            "column_stride": layer.pool_right * words,
            "tile_stride": Mux(layer.own_channels, one_tile, 0),
        }
        if self.order.strips:
            fields["strip_stride"] = layer.strip_right * words
        m.d.comb += [record[name].eq(value) for name, value in fields.items()]

    def _assume_tensors(self, m: Module, layer: View[StructLayout], words: Value) -> None:
        size = layer.height * layer.width * words
        for base in (layer.base, layer.second_base):
            m.d.comb += Assume(base + size <= self.machine.activation_words)

    def _count(self, m: Module, loops: NestedLoops) -> tuple[Signal, dict[str, Value]]:
        """Whether there is a step to come, and each loop's trip, from 0."""
        layer, walking = self.layer.value, Signal()
        counts: dict[str, Value] = dict.fromkeys(self.order.names, Const(0))
        counts |= {name: Signal(bits, name=f"trips_of_{name}") for name, bits in self.loops.items()}
        last_column = counts["columns"] == self._last(layer, "columns", False)
        advance: Value = self.advance & walking
        for name in self.order.names:
            if name not in self.loops:
                continue
            count = counts[name]
            ends = advance & (count == self._last(layer, name, last_column))
            with m.If(self.start):
                m.d.sync += count.eq(0)
            with m.Elif(advance):
                m.d.sync += count.eq(Mux(ends, 0, count + 1))
            advance = ends
        # The issue walker takes no step between two layers.
        m.d.comb += [Assume(~(self.start & walking) | advance), Assume(~self.advance | walking)]
        with m.If(self.start):
            m.d.sync += walking.eq(1)
        with m.Elif(advance):
            m.d.sync += walking.eq(0)
        return walking, counts

    def _place(self, layer: View[StructLayout], counts: dict[str, Value], words: Value) -> Place:
        row = counts["kernel_rows"] + counts["window_rows"] * layer.down + counts["rows"] * layer.pool_down
        column = (
            counts["kernel_columns"]
            + counts["window_columns"] * layer.right
            + counts["columns"] * layer.pool_right
        )
        if self.order.strips:
            column = column + counts["strip"] * layer.strip_right
        tile = Mux(layer.own_channels, counts["tiles"], 0)
        chunk = tile * self._trips(layer, "chunks") + counts["chunks"]
        word = chunk * self._trips(layer, "digits") + counts["digits"]
        return Place(row - layer.top, column - layer.left, word, words)

    def _check(
        self, m: Module, walk: WindowWalk, layer: View[StructLayout], place: Place, source: Value
    ) -> None:
        base = Mux(source, layer.second_base, layer.base)
        inside = (
            (place.row >= 0) & (place.row < layer.height) & (place.column >= 0) & (place.column < layer.width)
        )
        position = place.row * layer.width + place.column
        address = base + position * place.words + place.word
        end = base + layer.height * layer.width * place.words
        m.d.comb += Assert(walk.pad == ~inside, "padding outside of the tensor only")
        with m.If(inside):
            m.d.comb += [
                Assert(walk.address == address, "the word of the step's place"),
                Assert((address >= base) & (address < end), "inside the tensor"),
            ]
