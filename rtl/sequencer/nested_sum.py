"""A sum over loops: each loop's count times its stride, without a multiplier."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from bcsim.rtl.common.choice import chosen
from bcsim.rtl.common.require import require_positive

__all__ = ["NestedSum"]


class NestedSum(wiring.Component):
    """`initial` plus every loop's count times its stride, modulo 2**width, beside NestedLoops.

    One register for each loop with a stride holds the sum at the start of the loop's trip, and one adder serves them
    all: when a loop turns, its stride is added to its register, and all registers within become that sum. A loop
    without a stride returns to the register around it.

    Latency: 1 cycle from `start` or `advance` to `value`.

    Parameters
    ----------
    width : int
        Bits of the sum.
    strides : mapping of str to int
        The loops from the innermost out, and the bits of their strides; 0 for a loop without. The innermost has one.
    onward : mapping of str to str
        Loops that go on from the start of the trip of a loop within, which need not be at its first, and that loop.

    Members
    -------
    start : In(1)
        Take `initial`.
    initial : In(width)
    advance : In(1)
    turns : In(StructLayout)
        As NestedLoops has it; while no turn is marked, `value` stays.
    strides : In(StructLayout)
        Of the loops that have one.
    value : Out(width)
    """

    def __init__(
        self, *, width: int, strides: Mapping[str, int], onward: Mapping[str, str] | None = None
    ) -> None:
        require_positive("Width", width)
        require_positive("Stride of the innermost loop", next(iter(strides.values()), 0))
        self.width = width
        self.loops = tuple(strides)
        self.onward = dict(onward or {})
        self.counting = {name: bits for name, bits in strides.items() if bits}
        super().__init__(
            {
                "start": In(1),
                "initial": In(width),
                "advance": In(1),
                "turns": In(StructLayout(dict.fromkeys(self.loops, 1))),
                "strides": In(StructLayout(self.counting)),
                "value": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        turns, sums = self.turns, Signal(self.width)
        bases = self._bases(m, sums)
        base, stride = Signal(self.width), Signal(self.width)
        m.d.comb += [
            base.eq(chosen((turns[name], bases[name]) for name in self.loops)),
            stride.eq(chosen((turns[name], self.strides[name]) for name in self.counting)),
            sums.eq(Mux(self.start, self.initial, base + stride)),
            self.value.eq(bases[self.loops[0]]),
        ]
        return m

    def _bases(self, m: Module, sums: Signal) -> dict[str, Signal]:
        """For each loop the register that its turn starts from: its own or that of the next loop around it."""
        bases: dict[str, Signal] = {}
        around = None
        for index, name in reversed(list(enumerate(self.loops))):
            if name in self.counting or around is None:
                around = Signal(self.width, name=f"{name}_base")
                turned = Cat(self.turns[loop] for loop in self.loops[index:] if name in self.counting).any()
                with m.If(self.start | (self.advance & turned)):
                    m.d.sync += around.eq(sums)
            bases[name] = around
        return bases | {name: bases[within] for name, within in self.onward.items()}
