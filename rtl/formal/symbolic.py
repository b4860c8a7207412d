"""What a proof leaves open: any value, any program."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, Layout, StructLayout
from amaranth.lib.wiring import In, Out

from bcsim.machine.widths import address_bits

__all__ = ["Symbolic", "SymbolicProgram"]


class Symbolic(wiring.Component):
    """Any value at all, but the same one in all cycles, across resets too.

    Parameters
    ----------
    layout : Layout

    Members
    -------
    choice : In(layout)
        Left open; taken in the first cycle.
    value : Out(layout)
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__({"choice": In(layout), "value": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        begun = Signal(reset_less=True)
        held = Signal(self.value.as_value().shape(), reset_less=True)
        m.d.comb += self.value.eq(Mux(begun, held, self.choice.as_value()))
        m.d.sync += [begun.eq(1), held.eq(self.value)]
        return m


class SymbolicProgram(wiring.Component):
    """A program memory with any words, the same in all cycles.

    Latency: 2 cycles from `address` to `record`.

    Parameters
    ----------
    layout : StructLayout
        A record, with no more bits for a field than the proof is about.
    layers : int

    Members
    -------
    choice, words : In(ArrayLayout(layout, layers)), Out(ArrayLayout(layout, layers))
        As in Symbolic.
    address : In(address_bits(layers))
    record : Out(layout)
    """

    def __init__(self, layout: StructLayout, layers: int) -> None:
        words = ArrayLayout(layout, layers)
        self.memory = Symbolic(words)
        super().__init__(
            {
                "choice": In(words),
                "words": Out(words),
                "address": In(address_bits(layers)),
                "record": Out(layout),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = self.memory
        fetched, output = (
            Signal.like(self.address, name=name, reset_less=True) for name in ("fetched", "output")
        )
        m.d.sync += [fetched.eq(self.address), output.eq(fetched)]
        words = Array(word.as_value() for word in self.words)
        m.d.comb += [
            self.memory.choice.eq(self.choice.as_value()),
            self.words.eq(self.memory.value.as_value()),
            self.record.eq(words[output]),
        ]
        return m
