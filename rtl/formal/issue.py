"""The issue walker in any program, beside the loops that it should walk."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Array, Assert, Assume, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout, View
from amaranth.lib.wiring import In

from bcsim.machine.parameters import Machine
from bcsim.rtl.formal.symbolic import SymbolicProgram
from bcsim.rtl.sequencer.issue import IssueWalker

__all__ = ["IssueProof"]

LOOPS = ("digits", "chunks", "planes", "tiles")
"""From the innermost out."""

TIMERS = ("wait", "drain_full", "drain_last")
FLAGS = ("first", "scores", "last")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer's next step is: counts of its loops' trips, from 0, and what lies before the layer."""

    counts: dict[str, Signal]
    layer: View[StructLayout]
    base: Value
    first_weight: Value


class IssueProof(wiring.Component):
    """Asserts the addresses of every step of any program that fits, and that they lie inside their regions.

    A layer's activation addresses are those of its loops, from the base of its tensor to the tensor's last word;
    its weight addresses those behind the layers' before it, below the program's number of weight words.

    Assumed, as the mapping sees to it: each layer's tensor has chunks * digits words with addresses, in each of
    the input's regions; all layers' tiles * planes * chunks weight words have addresses; one record is the last.
    The image and the buffer of scores may be there or not in every cycle.

    Parameters
    ----------
    machine : Machine
        Its `layers` are the most that a program has.
    bits : int
        Of each count of trips. Timers have one: they hold a layer or a tile back for a cycle, or not.

    Members
    -------
    choice : In(ArrayLayout(StructLayout, machine.layers))
        Any program.
    loaded, output_free : In(1)
    """

    def __init__(self, machine: Machine, *, bits: int) -> None:
        self.machine = machine
        self.walker = IssueWalker(machine)
        address = len(self.walker.activation_address)
        fields = dict.fromkeys(LOOPS, bits) | dict.fromkeys((*TIMERS, *FLAGS), 1)
        layout = StructLayout(fields | {"read_base": address, "read_base_odd": address})
        self.program = SymbolicProgram(layout, machine.layers)
        super().__init__(
            {"choice": In(ArrayLayout(layout, machine.layers)), "loaded": In(1), "output_free": In(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.walker, m.submodules.program = walker, program = self.walker, self.program
        m.d.comb += [
            program.choice.eq(self.choice.as_value()),
            program.address.eq(walker.record_address),
            *(walker.record[name].eq(program.record[name]) for name, _ in program.record.shape()),
            walker.loaded.eq(self.loaded),
            walker.output_free.eq(self.output_free),
        ]
        firsts, total = self._weights(m)
        self._assume_activations(m)
        place, walking = self._walk(m, firsts)
        m.d.comb += [
            Assert(walker.record_address < self.machine.layers, "a record"),
            Assert(~walker.step.valid | walking, "steps of a layer only"),
        ]
        with m.If(walking):
            self._check(m, place, total)
        return m

    def _weights(self, m: Module) -> tuple[list[Value], Value]:
        """How many weight words lie before each layer, and how many the program has."""
        total: Value = Const(0)
        ended: Value = Const(0)
        firsts = []
        for layer in self.program.words:
            firsts.append(total)
            words = (layer.chunks + 1) * (layer.planes + 1) * (layer.tiles + 1)
            total, ended = total + Mux(ended, 0, words), ended | layer.last
        m.d.comb += [Assume(total <= self.machine.weight_words), Assume(ended)]
        return firsts, total

    def _assume_activations(self, m: Module) -> None:
        for layer in self.program.words:
            words = (layer.chunks + 1) * (layer.digits + 1)
            for base in (layer.read_base, layer.read_base_odd):
                m.d.comb += Assume(base + words <= self.machine.activation_words)

    def _walk(self, m: Module, firsts: list[Value]) -> tuple[Place, Signal]:
        """The place of the step to come, and whether its layer has been started."""
        walker, program = self.walker, self.program
        walking, odd, arrived = Signal(), Signal(), Signal(range(3))
        index = Signal(range(self.machine.layers))
        layer = View(program.record.shape(), Array(word.as_value() for word in program.words)[index])
        counts = {name: Signal.like(layer[name], name=f"trips_of_{name}") for name in LOOPS}
        advance: Value = walker.step.valid
        for name, count in counts.items():
            ends = advance & (count == layer[name])
            with m.If(advance):
                m.d.sync += count.eq(Mux(ends, 0, count + 1))
            advance = ends
        waits = walker.waits_drain | walker.waits_input | walker.waits_output
        m.d.sync += arrived.eq(Mux(arrived == 2, 2, arrived + 1))
        with m.If(~walking & (arrived == 2) & ~waits):
            m.d.sync += walking.eq(1)
        with m.Elif(advance):
            m.d.sync += [walking.eq(0), index.eq(Mux(layer.last, 0, index + 1)), odd.eq(odd ^ layer.first)]
        second = odd & layer.first if self.machine.input_buffers == 2 else Const(0)
        base = Mux(second, layer.read_base_odd, layer.read_base)
        return Place(counts, layer, base, Array(firsts)[index]), walking

    def _check(self, m: Module, place: Place, total: Value) -> None:
        walker, layer = self.walker, place.layer
        digit, chunk, plane, tile = place.counts.values()
        address = place.base + chunk * (layer.digits + 1) + digit
        weight = place.first_weight + (tile * (layer.planes + 1) + plane) * (layer.chunks + 1) + chunk
        region_end = place.base + (layer.chunks + 1) * (layer.digits + 1)
        m.d.comb += [
            Assert(walker.activation_address == address, "the loops' activation word"),
            Assert((address >= place.base) & (address < region_end), "inside the tensor"),
            Assert(walker.weight_address == weight, "the loops' weight word"),
            Assert(weight < total, "inside the program"),
        ]
